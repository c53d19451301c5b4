"""``holdfast versions``, ``holdfast revert`` and ``holdfast as-of``."""

from __future__ import annotations

from datetime import datetime

import pytest

from tests.cli.conftest import Shop


@pytest.fixture
def history(protected_shop: Shop) -> Shop:
    """Of order 2: an update, another by ada, its delete."""
    protected_shop.run("update orders set status = 'paid' where id = 2")
    protected_shop.run_as("ada", "update orders set status = 'sent', total = 21 where id = 2")
    protected_shop.run("delete from orders where id = 2")
    return protected_shop


def transactions(shop: Shop) -> list[str]:
    """Those of order 2, the oldest first."""
    return [each["transaction"] for each in shop.holdfast("log", "orders", "2", "--json").json][::-1]


def test_versions_tell_who_when_why_and_the_whole_row(history: Shop) -> None:
    versions = history.holdfast("versions", "orders", "2", "--json").json
    fields = ["version", "transaction", "at", "actor", "tenant", "reason", "operation", "key", "values"]
    assert {tuple(each) for each in versions} == {tuple(fields)}
    assert [(each["version"], each["operation"], each["actor"]) for each in versions] == [
        (0, None, None),
        (1, "update", None),
        (2, "update", "ada"),
        (3, "delete", None),
    ]
    assert [each["transaction"] for each in versions[1:]] == transactions(history)
    assert [each["values"] and each["values"]["status"] for each in versions] == ["pending", "paid", "sent", None]
    assert versions[0]["values"] == {"id": 2, "customer_id": 1, "status": "pending", "total": 20}
    assert all(datetime.fromisoformat(each["at"]).utcoffset() is not None for each in versions[1:])
    lines = history.holdfast("versions", "orders", "2").out.splitlines()
    assert lines[0].split() == ["version", "when", "transaction", "who", "why", "operation", "row"]
    assert lines[3].endswith('status: "paid" → "sent", total: 20.00 → 21.00') or lines[3].endswith("total: 20 → 21")
    assert lines[4].endswith("gone")


def test_two_versions_are_compared(history: Shop) -> None:
    fields = history.holdfast("versions", "orders", "2", "--diff", "0", "2", "--json").json
    assert fields == {"status": {"from": "pending", "to": "sent"}, "total": {"from": 20, "to": 21}}
    assert history.holdfast("versions", "orders", "2", "--diff", "1", "1").out == "Versions 1 and 1 are the same.\n"


def test_a_row_that_is_gone_is_reverted_and_that_can_be_undone(history: Shop) -> None:
    dry = history.holdfast("revert", "orders", "2", "--to", "2", "--dry-run", "--json").json
    assert (dry["transaction"], dry["version"]) == (None, 2)
    assert history.rows("select count(*) from orders where id = 2") == [(0,)]
    done = history.holdfast("revert", "orders", "2", "--to", "2", "--yes", "--reason", "missed", "--json").json
    assert done["fields"]["status"] == {"now": None, "then": "sent"}
    assert history.rows("select status from orders where id = 2") == [("sent",)]
    newest = history.holdfast("versions", "orders", "2", "--json").json[-1]
    assert (newest["version"], newest["transaction"], newest["reason"]) == (4, done["transaction"], "missed")
    assert history.holdfast("undo", done["transaction"], "--yes").code == 0
    assert history.rows("select count(*) from orders where id = 2") == [(0,)]


def test_a_revert_to_what_the_row_is_says_so(history: Shop) -> None:
    history.run("update orders set status = 'late' where id = 3", "update orders set status = 'pending' where id = 3")
    outcome = history.holdfast("revert", "orders", "3", "--to", "0", "--yes")
    assert (outcome.code, outcome.out) == (0, "orders 3 was as in version 0 already.\n")


def test_a_table_as_of_a_transaction(history: Shop) -> None:
    first = transactions(history)[0]
    rows = history.holdfast("as-of", "orders", "--transaction", first, "--json").json
    assert [(each["id"], each["status"], each["total"]) for each in rows] == [
        (1, "paid", 10.5),
        (2, "paid", 20),
        (3, "pending", 30.25),
    ]
    assert history.holdfast("as-of", "orders", "2", "--transaction", first, "--json").json == [rows[1]]
    assert history.holdfast("as-of", "orders", "3", "--transaction", first, "--json").json == [rows[2]]
    assert history.holdfast("as-of", "orders", "--transaction", first, "--into", "then").out == "then has 3 rows.\n"
    assert history.rows('select status from "then" where id = 2') == [("paid",)]
    gone = history.holdfast("as-of", "orders", "2", "--transaction", transactions(history)[-1], "--json")
    assert gone.json == []


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("versions", "orders", "99"), 1, "HF436"),
        (("versions", "nothing", "1"), 1, "HF409"),
        (("versions", "scraps", "1"), 1, "HF303"),
        (("versions", "orders", "x"), 2, "KEY"),
        (("versions", "orders", "2", "--diff", "0", "9"), 1, "HF436"),
        (("revert", "orders", "2"), 2, "--to"),
        (("revert", "orders", "2", "--to", "1", "--at", "1h"), 2, "--to"),
        (("revert", "orders", "2", "--to", "1", "--json"), 2, "--yes"),
        (("revert", "orders", "2", "--to", "9", "--yes"), 1, "HF436"),
        (("revert", "orders", "2", "--to", "3", "--yes"), 3, "HF437"),
        (("as-of", "orders"), 2, "--at"),
        (("as-of", "orders", "--at", "soon"), 2, "no time"),
        (("as-of", "orders", "--at", "2001-01-01"), 3, "HF435"),
        (("as-of", "orders", "--at", "2999-01-01"), 3, "HF435"),
        (("as-of", "orders", "--transaction", "999999"), 1, "HF410"),
        (("as-of", "orders", "--transaction", "1; drop table orders"), 1, "HF410"),
        (("as-of", "orders", "2", "--transaction", "1", "--into", "new"), 2, "--into"),
        (("as-of", "scraps", "--at", "1h"), 1, "HF303"),
    ],
)
def test_bad_input(history: Shop, arguments: tuple[str, ...], code: int, said: str) -> None:
    before = history.protected.checksums("orders", "customers")
    outcome = history.holdfast(*arguments)
    assert (outcome.code, outcome.out) == (code, "")
    assert said in outcome.err
    assert history.protected.checksums("orders", "customers") == before


def test_a_copy_never_writes_into_what_is_there(history: Shop) -> None:
    outcome = history.holdfast("as-of", "orders", "--transaction", transactions(history)[0], "--into", "customers")
    assert (outcome.code, "HF438" in outcome.err) == (3, True)
    assert history.rows("select count(*) from customers") == [(2,)]
