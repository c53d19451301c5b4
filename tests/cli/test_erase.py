"""``holdfast erase``."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Shop
from tests.kept import kept


@pytest.fixture
def shop_with_history(protected_shop: Shop) -> Shop:
    protected_shop.run("update customers set name = 'Adele', iban = 'DE99' where id = 1")
    protected_shop.run("insert into customers values (3, 'Cy', 'DE03')")
    protected_shop.run("update customers set id = 10 where id = 3")
    return protected_shop


def test_the_dry_run_says_what_would_go_and_the_erasure_what_went(
    shop_with_history: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = shop_with_history
    monkeypatch.setenv("LOGNAME", "officer")
    before = kept(shop.protected)
    arguments = ("erase", "customers", "1", "--reason", "ticket 7", "--replace", "name=-")
    outcome = shop.holdfast(*arguments, "--dry-run")
    said = "name, iban of customers 1: in the row and in 1 change of it.\n"
    assert (outcome.code, outcome.out) == (0, f"Would erase {said}")
    assert kept(shop.protected) == before
    outcome = shop.holdfast(*arguments, "--yes")
    assert (outcome.code, outcome.out) == (0, f"Erased {said}")
    assert not [each for each in ("Adele", "DE99", "DE01") if each in kept(shop.protected)]
    log = shop.holdfast("log", "customers", "1").out
    assert 'name: (erased) → "-"' in log
    assert "ticket 7" not in log
    listed = shop.holdfast("erase", "--list")
    assert [word for word in ("officer", "customers", "name, iban", "ticket 7") if word not in listed.out] == []
    [entry] = shop.holdfast("erase", "--list", "--json").json
    assert entry == entry | {
        "actor": "officer",
        "reason": "ticket 7",
        "table": "customers",
        "key": 1,
        "columns": ["name", "iban"],
        "changes": 1,
    }


def test_json_and_the_keys_that_the_row_had(shop_with_history: Shop) -> None:
    outcome = shop_with_history.holdfast(
        "erase", "customers", "10", "--reason", "x", "--column", "iban", "--yes", "--json"
    )
    assert outcome.json == {
        "table": "customers",
        "key": 10,
        "columns": ["iban"],
        "changes": 2,
        "row": True,
        "keys": [10, 3],
        "possible_keys": [],
    }
    again = shop_with_history.holdfast("erase", "customers", "10", "--reason", "x", "--history-only", "--yes")
    assert again.out.splitlines() == [
        "Erased name, iban of customers 10: in 3 changes of it.",
        "It had other keys before: 3; these are meant too.",
    ]
    assert shop_with_history.rows("select name from customers where id = 10") == [("Cy",)]


REFUSED: list[tuple[tuple[str, ...], int, str]] = [
    (("customers", "1"), 2, "--reason"),
    (("customers", "1", "--reason", " ", "--yes"), 2, "--reason"),
    (("customers", "1", "--reason", "x", "--yes"), 2, "HF425"),
    (("customers", "1", "--reason", "x", "--column", "nmae", "--yes"), 2, "HF429"),
    (("customers", "99", "--reason", "x", "--yes"), 1, "HF427"),
    (("customers", "1", "--reason", "x", "--replace", "name", "--yes"), 2, "COLUMN=VALUE"),
    (("customers", "1", "--reason", "x", "--json"), 2, "--yes"),
    (("customers", "1", "--reason", "x", "--column", "iban"), 2, "--yes"),
    (("scraps", "1", "--reason", "x", "--yes"), 1, "HF303"),
]


def test_what_is_refused(shop_with_history: Shop) -> None:
    before = kept(shop_with_history.protected)
    for arguments, code, says in REFUSED:
        outcome = shop_with_history.holdfast("erase", *arguments)
        assert (outcome.code, says in outcome.err) == (code, True), outcome
    assert kept(shop_with_history.protected) == before


def test_protect_tells_what_the_history_still_has(shop_with_history: Shop) -> None:
    outcome = shop_with_history.holdfast("protect", "customers", "--exclude", "iban", "--yes")
    assert outcome.code == 0
    assert "holdfast erase" in outcome.out + outcome.err
    assert "--column iban" in outcome.out + outcome.err
    outcome = shop_with_history.holdfast("protect", "customers", "--exclude", "iban", "--mask", "name", "--yes")
    assert "--column iban" not in outcome.out + outcome.err
