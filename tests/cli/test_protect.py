"""``holdfast protect`` and ``holdfast unprotect``."""

from __future__ import annotations

import pathlib

import pytest

from holdfast.policies import Audit, Guard, Policy, SoftDelete, Timestamps, Version
from tests.cli.conftest import Shop
from tests.servers import pg_dump_schema, psql


def declared(shop: Shop, table: str) -> set[Policy]:
    stored = [each for each in shop.protected.inventory().relations.values() if each.table.name == table]
    return {policy for each in stored if each.protected for policy in each.policies}


def test_all_takes_every_table_with_a_key_and_says_which_it_left_out(shop: Shop) -> None:
    outcome = shop.holdfast("protect", "--all", "--yes")
    assert outcome.code == 0
    assert "Left out: scraps has no primary key" in outcome.err
    for table in ("customers", "orders", "order_lines", "countries"):
        assert declared(shop, table) == {Audit(), Guard()}
        assert f"{table}: Audit, Guard" in outcome.out
    assert "scraps" not in outcome.out
    assert shop.holdfast("status").code == 0


def test_a_bare_table_gets_audit_and_a_guard(shop: Shop) -> None:
    assert shop.holdfast("protect", "orders", "--yes").code == 0
    assert declared(shop, "orders") == {Audit(), Guard()}
    assert declared(shop, "customers") == set()


def test_a_row_limit_for_all_comes_on_top_of_audit(shop: Shop) -> None:
    assert shop.holdfast("protect", "--all", "--guard", "2", "--yes").code == 0
    assert declared(shop, "orders") == {Audit(), Guard(max_rows=2)}


def test_policy_options_mean_just_what_they_name(shop: Shop) -> None:
    assert shop.holdfast("protect", "countries", "--version", "--timestamps", "--add-columns", "--yes").code == 0
    assert declared(shop, "countries") == {Version(), Timestamps()}


def test_a_second_run_has_nothing_to_do(protected_shop: Shop) -> None:
    outcome = protected_shop.holdfast("protect", "--all")
    assert (outcome.code, outcome.out) == (0, "")
    assert "Nothing to do" in outcome.err


def test_what_was_declared_before_stays_when_something_is_added(shop: Shop) -> None:
    shop.holdfast("protect", "customers", "--audit", "--exclude", "iban", "--guard", "5", "--yes")
    assert shop.holdfast("protect", "--all", "--yes").code == 0
    assert declared(shop, "customers") == {Audit(exclude={"iban"}), Guard(max_rows=5)}
    assert shop.holdfast("protect", "customers", "--mask", "name", "--yes").code == 0
    assert declared(shop, "customers") == {Audit(exclude={"iban"}, mask={"name"}), Guard(max_rows=5)}


def test_an_excluded_value_is_in_no_record(shop: Shop) -> None:
    shop.holdfast("protect", "--all", "--exclude", "customers.iban", "--inserts", "full", "--yes")
    shop.run("insert into customers values (9, 'Cy', 'SECRET')", "update customers set iban = 'SECRET2' where id = 1")
    outcome = shop.holdfast("log", "--json")
    assert "Cy" in outcome.out
    assert "SECRET" not in outcome.out


def test_missing_columns_are_added_only_when_asked_for_and_go_again(shop: Shop) -> None:
    outcome = shop.holdfast("protect", "countries", "--soft-delete", "gone_at", "--yes")
    assert outcome.code == 2
    assert "gone_at" in outcome.err
    assert "--add-columns" in outcome.err
    before = shop.rows("select * from countries")
    outcome = shop.holdfast("protect", "countries", "--soft-delete", "gone_at", "--add-columns", "--yes")
    assert outcome.code == 0
    assert "add column gone_at" in outcome.out
    assert declared(shop, "countries") == {SoftDelete("gone_at")}
    shop.run("delete from countries where code = 'BE'")
    assert shop.rows("select code from countries where gone_at is not null") == [("BE",)]
    shop.run("update countries set gone_at = null")
    outcome = shop.holdfast("unprotect", "countries", "--yes")
    assert outcome.code == 0
    assert "drop column gone_at" in outcome.out
    assert sorted(shop.rows("select * from countries")) == sorted(before)


def test_raw_deletes_can_be_refused(shop: Shop) -> None:
    outcome = shop.holdfast("protect", "countries", "--soft-delete", "--raw-delete", "refuse", "--add-columns", "--yes")
    assert outcome.code == 0
    assert declared(shop, "countries") == {SoftDelete(raw_delete="refuse")}


def test_a_live_view_is_made_and_kept(shop: Shop) -> None:
    assert shop.holdfast("protect", "countries", "--live-view", "--yes").code == 2
    outcome = shop.holdfast("protect", "countries", "--soft-delete", "--live-view", "--add-columns", "--yes")
    assert (outcome.code, "create view countries_live" in outcome.out) == (0, True)
    # An option changes what it names and nothing else.
    assert shop.holdfast("protect", "countries", "--soft-delete", "--raw-delete", "refuse", "--yes").code == 0
    assert declared(shop, "countries") == {SoftDelete(raw_delete="refuse", live_view=True)}
    assert len(shop.rows("select * from countries_live")) == 2
    assert shop.holdfast("status").code == 0


def test_soft_delete_of_a_child_alone_says_why_it_cannot_be(shop: Shop) -> None:
    outcome = shop.holdfast("protect", "order_lines", "--soft-delete", "--add-columns", "--yes")
    assert outcome.code == 2
    assert "HF106" in outcome.err
    assert shop.protected.inventory().has_journal is False


def test_sql_alone_is_printed_and_nothing_is_run(postgresql_shop: Shop) -> None:
    outcome = postgresql_shop.holdfast("protect", "--all", "--sql")
    assert outcome.code == 0
    assert outcome.out.startswith("-- journal\nBEGIN;")
    assert "Left out" not in outcome.out
    assert postgresql_shop.holdfast("status").code == 1
    psql(postgresql_shop.protected.url, outcome.out)
    assert postgresql_shop.holdfast("status").code == 0


def test_a_dry_run_shows_the_plan_and_changes_nothing(shop: Shop) -> None:
    outcome = shop.holdfast("protect", "--all", "--dry-run")
    assert outcome.code == 0
    assert "orders: Audit, Guard" in outcome.out
    assert shop.holdfast("status").code == 1


def test_without_a_terminal_there_is_nobody_to_ask(shop: Shop) -> None:
    outcome = shop.holdfast("protect", "--all")
    assert outcome.code == 2
    assert "--yes" in outcome.err
    assert shop.holdfast("status").code == 1


def test_unprotect_leaves_the_history_unless_told_so(protected_shop: Shop) -> None:
    protected_shop.run("update orders set status = 'paid' where id = 2")
    assert protected_shop.holdfast("unprotect", "--all").code == 2
    assert protected_shop.holdfast("unprotect", "--all", "--yes").code == 0
    assert protected_shop.holdfast("status").code == 1
    assert [each["key"] for each in protected_shop.holdfast("log", "orders", "--json").json] == [2]
    assert protected_shop.holdfast("unprotect", "--all", "--purge-history", "--yes").code == 0
    assert protected_shop.holdfast("log").code == 1


def test_unprotect_leaves_the_schema_as_it_was(postgresql_shop: Shop) -> None:
    before = pg_dump_schema(postgresql_shop.protected.url)
    tables = ("orders", "order_lines", "customers")
    every = ("--audit", "--guard", "5", "--soft-delete", "--timestamps", "--version", "--add-columns", "--yes")
    assert postgresql_shop.holdfast("protect", *tables, *every).code == 0
    assert pg_dump_schema(postgresql_shop.protected.url) != before
    assert postgresql_shop.holdfast("unprotect", "--all", "--purge-history", "--yes").code == 0
    assert pg_dump_schema(postgresql_shop.protected.url) == before


def test_unprotect_of_one_table_leaves_the_others(protected_shop: Shop) -> None:
    assert protected_shop.holdfast("unprotect", "orders", "--yes").code == 0
    assert declared(protected_shop, "orders") == set()
    assert declared(protected_shop, "customers") == {Audit(), Guard()}
    assert protected_shop.holdfast("status").code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "--all"),
        (("orders", "--all"), "not both"),
        (("--soft-delete", "orders"), "protect orders --soft-delete"),
        (("customers", "--version", "orders", "--add-columns"), "it is a table"),
        (("--all", "--exclude", "iban"), "TABLE.iban"),
        (("orders", "--exclude", "customers.iban"), "not among the tables"),
        (("orders", "--exclude", "nothing"), "'nothing'"),
        (("orders", "--exclude", "id"), "part of the key"),
        (("orders", "--guard", "0"), "--guard"),
        (("orders", "--raw-delete", "refuse"), "--soft-delete"),
        (("orders", "--raw-delete", "eat"), "--raw-delete"),
        (("scraps", "--audit"), "HF101"),
    ],
)
def test_wrong_usage_is_told_and_nothing_is_done(shop: Shop, arguments: tuple[str, ...], said: str) -> None:
    outcome = shop.holdfast("protect", *arguments, "--yes")
    assert outcome.code == 2
    assert said in outcome.err
    assert "Traceback" not in outcome.err
    assert shop.protected.inventory().has_journal is False


def test_the_file_says_what_to_protect(shop: Shop, empty_folder: pathlib.Path) -> None:
    (empty_folder / "holdfast.toml").write_text(
        f"""
        url = "{shop.protected.url}"
        [tables.customers]
        audit = {{ exclude = ["iban"] }}
        guard = 10
        [tables.countries]
        version = "revision"
        """
    )
    shop.holdfast.url = None
    outcome = shop.holdfast("protect", "--add-columns", "--yes")
    assert outcome.code == 0, outcome.err
    assert declared(shop, "customers") == {Audit(exclude={"iban"}), Guard(max_rows=10)}
    assert declared(shop, "countries") == {Version("revision")}
    assert declared(shop, "orders") == set()
    assert shop.holdfast("status").code == 0
    assert shop.holdfast("protect", "--all", "--yes").code == 0
    assert declared(shop, "countries") == {Version("revision")}
    assert declared(shop, "orders") == {Audit(), Guard()}


def test_status_compares_with_the_file(protected_shop: Shop, empty_folder: pathlib.Path) -> None:
    assert protected_shop.holdfast("status").code == 0
    (empty_folder / "holdfast.toml").write_text("[tables.orders]\nguard = 7\n")
    assert protected_shop.holdfast("status").code == 1
    assert protected_shop.holdfast("protect", "--yes").code == 0
    assert protected_shop.holdfast("status").code == 0
