"""``holdfast status``."""

from __future__ import annotations

import pathlib

from tests.cli.conftest import Shop


def test_nothing_protected_is_no_pass(shop: Shop) -> None:
    outcome = shop.holdfast("status")
    assert outcome.code == 1
    assert "Nothing is protected" in outcome.out
    outcome = shop.holdfast("status", "--json")
    assert (outcome.code, outcome.json) == (1, [])


def test_every_object_is_current_after_protect(protected_shop: Shop) -> None:
    outcome = protected_shop.holdfast("status", "--json")
    assert outcome.code == 0
    assert {each["state"] for each in outcome.json} == {"current"}
    assert {tuple(each) for each in outcome.json} == {("table", "policy", "object", "state")}
    assert protected_shop.holdfast("status").out.startswith("As declared: 4 tables, ")


def test_drift_is_told_object_by_object_and_mended(protected_shop: Shop) -> None:
    installed = protected_shop.holdfast("status", "--json").json
    lost = next(each for each in installed if each["object"].startswith("trigger") and "orders" in each["table"])
    name = lost["object"].removeprefix("trigger ")
    if protected_shop.protected.name == "sqlite":
        protected_shop.run(f'drop trigger "{name}"')
    else:
        protected_shop.run(f'drop trigger "{name}" on {lost["table"]}')
    outcome = protected_shop.holdfast("status")
    assert outcome.code == 1
    assert name in outcome.out
    assert "missing" in outcome.out
    assert f"1 of {len(installed)} objects not as declared" in outcome.out
    drifted = [each for each in protected_shop.holdfast("status", "--json").json if each["state"] != "current"]
    assert drifted == [{**lost, "state": "missing"}]
    protected_shop.run("create table newcomers (id integer primary key)")
    before = protected_shop.protected.inventory().relations
    assert protected_shop.holdfast("protect", "--yes").code == 0
    assert protected_shop.holdfast("status").code == 0
    assert protected_shop.protected.inventory().relations == before, "only what was declared is made again"


def test_a_dropped_table_is_drift_until_protect_has_run(protected_shop: Shop) -> None:
    protected_shop.run("drop table countries")
    outcome = protected_shop.holdfast("status")
    assert outcome.code == 1
    assert "countries" in outcome.out
    assert protected_shop.holdfast("protect", "--yes").code == 0
    assert protected_shop.holdfast("status").code == 0


def test_another_machine_knows_what_was_declared(protected_shop: Shop, empty_folder: pathlib.Path) -> None:
    """There is nothing beside the database in which it could be kept."""
    assert list(empty_folder.iterdir()) == []
    assert protected_shop.holdfast("status", url=protected_shop.protected.url).code == 0
