"""``holdfast undo``."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Shop


@pytest.fixture
def deleted(protected_shop: Shop) -> tuple[Shop, str]:
    """The pending orders are gone, with their lines."""
    protected_shop.run("delete from orders where status = 'pending'")
    return protected_shop, protected_shop.transaction()


def checksums(shop: Shop) -> list[str]:
    return [shop.protected.checksum(table) for table in ("customers", "orders", "order_lines")]


def test_the_preview_changes_nothing_and_the_undo_brings_all_back(protected_shop: Shop) -> None:
    before = checksums(protected_shop)
    protected_shop.run("delete from orders where status = 'pending'")
    transaction, gone = protected_shop.transaction(), checksums(protected_shop)
    outcome = protected_shop.holdfast("undo", transaction, "--dry-run")
    assert outcome.code == 0
    assert "orders: 2 rows back again" in outcome.out
    assert "order_lines: 3 rows back again" in outcome.out
    assert checksums(protected_shop) == gone
    outcome = protected_shop.holdfast("undo", transaction, "--yes")
    assert outcome.code == 0
    assert f"Transaction {transaction} is undone." in outcome.out
    assert checksums(protected_shop) == before


def test_json_names_the_new_transaction_which_can_be_undone(deleted: tuple[Shop, str]) -> None:
    shop, transaction = deleted
    gone = checksums(shop)
    dry = shop.holdfast("undo", transaction, "--dry-run", "--json")
    assert (dry.code, dry.json) == (0, {"transaction": None, "undone": 5, "conflicts": []})
    undone = shop.holdfast("undo", transaction, "--yes", "--json")
    assert undone.code == 0
    assert undone.json == {"transaction": shop.transaction(), "undone": 5, "conflicts": []}
    assert shop.holdfast("undo", undone.json["transaction"], "--yes").code == 0
    assert checksums(shop) == gone


def test_the_undo_says_who_asked_for_it_and_what_it_undid(
    deleted: tuple[Shop, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, transaction = deleted
    monkeypatch.setenv("LOGNAME", "night-shift")
    shop.holdfast("undo", transaction, "--yes")
    document = shop.holdfast("show", shop.transaction(), "--json").json
    assert document["actor"] == "night-shift"
    assert document["reason"] == f"undo of transaction {transaction}"
    assert document["context"] == {"undoes": transaction}


def test_one_table_alone(protected_shop: Shop) -> None:
    protected_shop.run_as(
        "ann", "update orders set status = 'x' where id = 1", "update customers set name = 'x' where id = 1"
    )
    assert protected_shop.holdfast("undo", protected_shop.transaction(), "--table", "orders", "--yes").code == 0
    assert protected_shop.rows("select status from orders where id = 1") == [("paid",)]
    assert protected_shop.rows("select name from customers where id = 1") == [("x",)]


def test_without_a_terminal_there_is_nobody_to_ask(deleted: tuple[Shop, str]) -> None:
    shop, transaction = deleted
    outcome = shop.holdfast("undo", transaction)
    assert outcome.code == 2
    assert "--yes" in outcome.err
    assert shop.holdfast("undo", transaction, "--json").code == 2
    assert shop.rows("select count(*) from orders") == [(1,)]


@pytest.mark.parametrize("options", [("--yes",), ("--dry-run",)])
def test_a_conflict_is_told_field_by_field(protected_shop: Shop, options: tuple[str, ...]) -> None:
    protected_shop.run("update orders set status = 'lost' where id = 1")
    transaction = protected_shop.transaction()
    protected_shop.run("update orders set status = 'sent' where id = 1")
    outcome = protected_shop.holdfast("undo", transaction, *options)
    assert outcome.code == 1
    headers, row = (line for line in outcome.out.splitlines() if line.startswith(("table", "orders")))
    assert [headers.index(word) for word in ("base", "theirs", "ours")] == [
        row.index(word) for word in ('"lost"', '"sent"', '"paid"')
    ]
    assert protected_shop.rows("select status from orders where id = 1") == [("sent",)]
    outcome = protected_shop.holdfast("undo", transaction, *options, "--json")
    assert outcome.code == 1
    assert (outcome.json["transaction"], outcome.json["undone"]) == (None, 0)
    (conflict,) = outcome.json["conflicts"]
    assert conflict["fields"] == {"status": {"base": "lost", "theirs": "sent", "ours": "paid"}}


def test_force_overwrites_what_was_changed_since(protected_shop: Shop) -> None:
    protected_shop.run("update orders set status = 'lost' where id = 1")
    transaction = protected_shop.transaction()
    protected_shop.run("update orders set status = 'sent' where id = 1")
    assert protected_shop.holdfast("undo", transaction, "--force", "--yes").code == 0
    assert protected_shop.rows("select status from orders where id = 1") == [("paid",)]


@pytest.mark.parametrize("transaction", ["999", "nonsense", "x999", "-1", "1; drop table orders", "9" * 30])
def test_an_unknown_transaction(deleted: tuple[Shop, str], transaction: str) -> None:
    shop, _ = deleted
    for command in (("undo", "--yes"), ("undo", "--dry-run"), ("show",)):
        outcome = shop.holdfast(*command, "--", transaction)
        assert outcome.code == 1, outcome.err
        assert outcome.err.startswith("HF410: ")
        assert outcome.out == ""


def test_a_table_that_the_transaction_did_not_change(deleted: tuple[Shop, str]) -> None:
    shop, transaction = deleted
    outcome = shop.holdfast("undo", transaction, "--table", "customers", "--yes")
    assert outcome.code == 1
    assert outcome.err.startswith("HF411: ")
    assert shop.holdfast("undo", transaction, "--table", "nothing", "--yes").err.startswith("HF409: ")
