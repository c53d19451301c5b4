"""Undo: what comes back, what stands in the way, and that nothing is written then."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from holdfast.errors import UndoConflictError, UnsupportedError
from holdfast.journal import Conflict
from holdfast.policies import Audit
from tests.harness import Protected, journal

pytestmark = pytest.mark.copy_of(build=journal)

SHOP = (
    "create table customers (id int primary key, name text not null, email text unique)",
    "create table orders (id int primary key, customer int not null references customers on delete cascade, note text)",
    "create table lines (id int primary key, bill int not null references orders on delete cascade, amount int)",
)
TABLES = ("customers", "orders", "lines")


@pytest.fixture
def shop(database: str) -> Protected:
    """Two customers, two orders each, two lines for each order; everything is audited."""
    protected = Protected(database)
    protected.run(
        *SHOP,
        "insert into customers values (1, 'Ada', 'ada@x'), (2, 'Bo', 'bo@x')",
        "insert into orders values (10, 1, 'a'), (11, 1, 'b'), (20, 2, 'c'), (21, 2, null)",
        "insert into lines values (100, 10, 1), (101, 10, 2), (110, 11, 3), (111, 11, 4), (200, 20, 5), (210, 21, 6)",
    )
    protected.protect({table: [Audit()] for table in TABLES})
    return protected


def contents(protected: Protected, tables: Sequence[str] = TABLES) -> list[str]:
    return [protected.checksum(table) for table in tables]


def refused(protected: Protected, transaction: str, compared: Sequence[str] = TABLES, **options: Any) -> list[Conflict]:
    """The conflicts for which the undo was refused, the same in a dry run, with nothing written by either."""
    before, journal = contents(protected, compared), len(protected.log())
    rehearsal = protected.undo(transaction, dry_run=True, **options)
    with pytest.raises(UndoConflictError) as caught:
        protected.undo(transaction, **options)
    assert caught.value.code == "HF501"
    assert caught.value.conflicts == rehearsal.conflicts
    assert rehearsal.transaction is None
    assert contents(protected, compared) == before
    assert len(protected.log()) == journal
    return list(caught.value.conflicts)


# ---------------------------------------------------------------------- what comes back


def test_a_delete_comes_back_with_three_levels_of_children(shop: Protected) -> None:
    before = contents(shop)
    deleted = shop.write("delete from customers where id = 1")
    assert shop.rows("select count(*) from lines") == [(2,)]
    undone = shop.undo(deleted)
    assert contents(shop) == before
    assert set(undone.counts) == {("customers", "insert", 1), ("orders", "insert", 2), ("lines", "insert", 4)}
    assert undone.rows == 7


def test_an_update_and_an_insert_are_taken_back(shop: Protected) -> None:
    before = contents(shop)
    written = shop.write(
        "update orders set note = 'changed', customer = 2 where id in (10, 11)",
        "update orders set note = null where id = 20",
        "insert into customers values (3, 'Cy', null)",
        "insert into orders values (30, 3, 'new')",
        "update orders set note = 'newer' where id = 30",
    )
    undone = shop.undo(written)
    assert contents(shop) == before
    assert set(undone.counts) == {("customers", "delete", 1), ("orders", "delete", 1), ("orders", "update", 3)}


def test_an_undo_can_be_undone_and_that_again(shop: Protected) -> None:
    before = contents(shop)
    transaction = shop.write("delete from customers where id = 1", "update customers set name = 'Bob' where id = 2")
    after = contents(shop)
    for expected in (before, after, before, after):
        undone = shop.undo(transaction).transaction
        assert contents(shop) == expected
        assert undone is not None
        transaction = undone


def test_everything_since_the_start_is_undone_newest_first(shop: Protected) -> None:
    """A change that was taken back since is no change since."""
    before = contents(shop)
    transactions = [
        shop.write("insert into customers values (3, 'Cy', 'cy@x')"),
        shop.write("update customers set name = 'Cyr' where id = 3", "insert into orders values (30, 3, 'x')"),
        shop.write("delete from customers where id = 3"),
        shop.write("insert into customers values (3, 'Other', null)"),
    ]
    for transaction in reversed(transactions):
        shop.undo(transaction)
    assert contents(shop) == before


def test_a_row_that_came_and_went_within_the_transaction_needs_nothing(shop: Protected) -> None:
    before = contents(shop)
    transaction = shop.write(
        "insert into customers values (7, 'x', null)",
        "delete from customers where id = 7",
        "update customers set name = 'A' where id = 1",
        "delete from customers where id = 2",
        "insert into customers values (2, 'again', null)",
    )
    shop.undo(transaction)
    assert contents(shop) == before


def test_a_self_reference_comes_back(database: str) -> None:
    protected = Protected(database)
    protected.run(
        "create table staff (id int primary key, boss int references staff on delete cascade)",
        "insert into staff values (1, 1), (2, 1), (3, 2), (4, 3)",
    )
    protected.protect({"staff": [Audit()]})
    before = protected.checksum("staff")
    transaction = protected.write("delete from staff where id = 1")
    assert protected.rows("select count(*) from staff") == [(0,)]
    protected.undo(transaction)
    assert protected.checksum("staff") == before


@pytest.mark.parametrize("deferrable", ["", " deferrable initially deferred"])
def test_a_cycle_of_keys_comes_back(database: str, deferrable: str) -> None:
    protected = Protected(database)
    key = f"references a (id) on delete cascade{deferrable}"
    if protected.name == "sqlite":
        protected.run(f"create table a (id int primary key, b int {key.replace('references a', 'references b')})")
        protected.run(f"create table b (id int primary key, a int {key})")
    else:
        protected.run("create table a (id int primary key, b int)", f"create table b (id int primary key, a int {key})")
        protected.run(f"alter table a add foreign key (b) {key.replace('references a', 'references b')}")
    protected.run("insert into a values (1, null)", "insert into b values (1, 1)", "update a set b = 1")
    protected.protect({"a": [Audit()], "b": [Audit()]})
    before = contents(protected, "ab")
    transaction = protected.write("delete from b where id = 1")
    assert protected.rows("select count(*) from a") == [(0,)]
    protected.undo(transaction)
    assert contents(protected, "ab") == before


@pytest.mark.parametrize("action", ["cascade", "set null", "set default"])
def test_what_foreign_keys_did_to_children_is_taken_back(database: str, action: str) -> None:
    protected = Protected(database)
    protected.run(
        "create table parents (id int primary key)",
        "create table children (id int primary key, parent int default 9 "
        f"references parents on delete {action} on update {action})",
        "insert into parents values (1), (2), (9)",
        "insert into children values (10, 1), (11, 1), (20, 2)",
    )
    protected.protect({"parents": [Audit()], "children": [Audit()]})
    before = contents(protected, ("parents", "children"))
    for statement in ("delete from parents where id = 1", "update parents set id = 5 where id = 1"):
        transaction = protected.write(statement)
        assert protected.rows("select count(*) from children where parent = 1") == [(0,)]
        protected.undo(transaction)
        assert contents(protected, ("parents", "children")) == before


def test_keys_that_moved_move_back(database: str) -> None:
    protected = Protected(database)
    protected.run(
        "create table places (region text, number int, what text, primary key (region, number))",
        "insert into places values ('n', 1, 'a'), ('n', 2, 'b'), ('s', 1, 'c')",
    )
    protected.protect({"places": [Audit()]})
    before = protected.checksum("places")
    transaction = protected.write(
        "update places set number = number + 10 where region = 'n'",
        "update places set region = 'w' where number = 11",
        "update places set number = 1, region = 'n' where what = 'b'",
    )
    protected.undo(transaction)
    assert protected.checksum("places") == before


def test_unique_values_that_were_exchanged_are_exchanged_back(database: str) -> None:
    protected = Protected(database)
    protected.run(
        "create table seats (id int primary key, number int not null unique, guest text unique, secret text)",
        "insert into seats values (1, 1, 'a', 's1'), (2, 2, 'b', 's2'), (3, 3, 'c', 's3'), (4, 4, null, 's4')",
    )
    protected.protect({"seats": [Audit(exclude={"secret"})]})
    before = protected.checksum("seats")
    swapped = protected.write(
        "update seats set number = -1, guest = null where id = 1",
        "update seats set number = 1, guest = 'a' where id = 2",
        "update seats set number = 2, guest = 'b' where id = 1",
    )
    shifted = protected.write(*(f"update seats set number = {n + 1} where number = {n}" for n in (4, 3, 2, 1)))
    protected.undo(shifted)
    protected.undo(swapped)
    assert protected.checksum("seats") == before


# ---------------------------------------------------------------------- what stands in the way


def test_a_row_changed_since_is_a_conflict_told_field_by_field(shop: Protected) -> None:
    transaction = shop.write("update customers set name = 'mine', email = 'mine@x' where id = 1")
    shop.run("update customers set name = 'theirs' where id = 1", "update customers set name = 'B' where id = 2")
    [conflict] = refused(shop, transaction)
    assert (conflict.table, conflict.key) == ("customers", 1)
    assert conflict.why == "the row was changed since"
    assert conflict.fields == {"name": ("mine", "theirs", "Ada")}


def test_a_change_to_another_column_since_is_kept(shop: Protected) -> None:
    transaction = shop.write("update customers set name = 'mine' where id = 1")
    shop.run("update customers set email = 'new@x' where id = 1")
    shop.undo(transaction)
    assert shop.rows("select name, email from customers where id = 1") == [("Ada", "new@x")]


def test_force_overwrites_what_changed_since_and_keeps_the_rest(shop: Protected) -> None:
    transaction = shop.write("update customers set name = 'mine' where id = 1")
    shop.run("update customers set name = 'theirs', email = 'theirs@x' where id = 1")
    undone = shop.undo(transaction, force=True)
    assert undone.conflicts == ()
    assert shop.rows("select name, email from customers where id = 1") == [("Ada", "theirs@x")]


@pytest.mark.parametrize("inserts", ["key", "full"])
def test_an_inserted_row_that_was_changed_since_is_a_conflict(shop: Protected, inserts: str) -> None:
    shop.protect({"customers": [Audit(inserts=inserts)]})  # type: ignore[arg-type]
    transaction = shop.write(
        "insert into customers values (3, 'Cy', 'cy@x')", "update customers set name = 'Cyd' where id = 3"
    )
    shop.run("update customers set email = 'new@x' where id = 3")
    [conflict] = refused(shop, transaction)
    assert (conflict.key, conflict.fields) == (3, {"email": ("cy@x", "new@x", None)})
    shop.undo(transaction, force=True)
    assert shop.rows("select id from customers order by id") == [(1,), (2,)]


def test_a_row_that_is_referred_to_since_is_a_conflict_even_with_force(shop: Protected) -> None:
    transaction = shop.write("insert into customers values (3, 'Cy', null), (4, 'Di', null)")
    shop.run("insert into orders values (30, 3, 'theirs')")
    for force in (False, True):
        [conflict] = refused(shop, transaction, force=force)
        assert (conflict.table, conflict.key) == ("customers", 3)
        assert "orders refer to it now" in conflict.why


def test_a_new_key_that_is_referred_to_since_is_a_conflict(database: str) -> None:
    protected = Protected(database)
    protected.run(
        "create table p (id int primary key, code text unique)",
        "create table c (id int primary key, code text references p (code) on update cascade on delete cascade)",
        "insert into p values (1, 'old')",
        "insert into c values (1, 'old')",
    )
    protected.protect({"p": [Audit()], "c": [Audit()]})
    transaction = protected.write("update p set code = 'new'")
    protected.run("insert into c values (2, 'new')")
    [conflict] = refused(protected, transaction, ("p", "c"))
    assert (conflict.table, conflict.key) == ("p", 1)
    protected.run("delete from c where id = 2")
    protected.undo(transaction)
    assert protected.rows("select p.code, c.code from p, c") == [("old", "old")]


def test_a_new_key_of_several_columns_that_is_referred_to_since_is_a_conflict(database: str) -> None:
    protected = Protected(database)
    protected.run(
        "create table p (id int primary key, a int, b int, unique (a, b))",
        "create table c (id int primary key, a int, b int, foreign key (a, b) references p (a, b))",
        "insert into p values (1, 1, 1), (2, 1, 3)",
    )
    protected.protect({"p": [Audit()], "c": [Audit()]})
    transaction = protected.write("update p set b = 2 where id = 1")
    protected.run("insert into c values (1, 1, 2), (2, 1, 3), (3, null, 2)")
    for force in (False, True):
        [conflict] = refused(protected, transaction, ("p", "c"), force=force)
        assert (conflict.table, conflict.key) == ("p", 1)
    protected.run("delete from c where id = 1")
    protected.undo(transaction)
    assert protected.rows("select a, b from p order by id") == [(1, 1), (1, 3)]


def test_a_unique_value_that_another_row_has_now_is_named(shop: Protected) -> None:
    updated = shop.write("update customers set email = 'free' where id = 1")
    deleted = shop.write("delete from customers where id = 2")
    shop.run("insert into customers values (8, 'x', 'ada@x'), (9, 'y', 'bo@x')")
    for transaction, key, value, holder in ((updated, 1, "ada@x", 8), (deleted, 2, "bo@x", 9)):
        for force in (False, True):
            [conflict] = refused(shop, transaction, force=force)
            assert (conflict.table, conflict.key) == ("customers", key)
            assert "(email)" in conflict.why
            assert value in conflict.why
            assert f"the row with key {holder}" in conflict.why


def test_a_unique_value_under_a_condition_that_another_row_has_now_is_a_conflict(shop: Protected) -> None:
    shop.run("create unique index live_notes on orders (note) where note <> 'c'")
    shop.protect({"orders": [Audit()]})
    transaction = shop.write("update orders set note = 'z' where id = 10")
    shop.run("update orders set note = 'a' where id = 21")
    [conflict] = refused(shop, transaction)
    assert "live_notes" in conflict.why or "orders.note" in conflict.why


def test_a_child_whose_parent_is_gone_is_a_conflict_that_names_it(shop: Protected) -> None:
    transaction = shop.write("delete from orders where id in (10, 20)")
    shop.run("delete from customers where id = 1")
    [conflict] = refused(shop, transaction)
    assert (conflict.table, conflict.key) == ("orders", 10)
    assert "customers" in conflict.why


def test_a_key_that_is_in_use_again_is_a_conflict(shop: Protected) -> None:
    transaction = shop.write("delete from orders where id = 10")
    shop.run("insert into orders values (10, 2, 'another')")
    for force in (False, True):
        [conflict] = refused(shop, transaction, force=force)
        assert (conflict.table, conflict.key, conflict.why) == ("orders", 10, "a row with this key exists again")


def test_a_row_that_is_gone_is_a_conflict(shop: Protected) -> None:
    updated = shop.write("update orders set note = 'x' where id = 10")
    inserted = shop.write("insert into customers values (3, 'Cy', null)")
    shop.run("delete from orders where id = 10", "delete from customers where id = 3")
    for transaction, table, key in ((updated, "orders", 10), (inserted, "customers", 3)):
        [conflict] = refused(shop, transaction, force=True)
        assert (conflict.table, conflict.key) == (table, key)


def test_all_conflicts_are_told_at_once(shop: Protected) -> None:
    transaction = shop.write(
        "update customers set name = 'mine'",
        "delete from lines where id = 200",
        "update orders set note = 'mine' where id = 21",
    )
    shop.write("update customers set name = 'theirs'", "insert into lines values (200, 20, 0)")
    found = {(conflict.table, conflict.key) for conflict in refused(shop, transaction)}
    assert found == {("customers", 1), ("customers", 2), ("lines", 200)}


def test_a_reference_to_a_value_that_another_row_gets_back_is_no_conflict(database: str) -> None:
    protected = Protected(database)
    protected.run(
        "create table p (id int primary key, code int unique)",
        "create table c (id int primary key, code int references p (code) deferrable initially deferred)",
        "insert into p values (1, 1), (2, 2), (3, 3)",
        "insert into c values (1, 1), (2, 2)",
    )
    protected.protect({"p": [Audit()], "c": [Audit()]})
    before = contents(protected, "pc")
    transaction = protected.write(
        "update p set code = code + 10 where id <> 3", "update p set code = 13 - code where id <> 3",
        "delete from p where id = 3", "insert into p values (4, 3)", "insert into c values (3, 3)",
    )  # fmt: skip
    assert protected.rows("select id, code from p order by id") == [(1, 2), (2, 1), (4, 3)]
    assert protected.undo(transaction).rows == 5
    assert contents(protected, "pc") == before


def test_an_undo_is_undone_once(shop: Protected) -> None:
    transaction = shop.write("delete from lines where id = 100")
    shop.undo(transaction)
    [conflict] = refused(shop, transaction)
    assert conflict.why == "a row with this key exists again"


# ---------------------------------------------------------------------- part of it, and a rehearsal


def test_one_table_alone_is_taken_back(shop: Protected) -> None:
    lines = shop.checksum("lines")
    transaction = shop.write("update customers set name = 'x' where id = 1", "delete from lines where id = 100")
    undone = shop.undo(transaction, tables=["lines"])
    assert undone.counts == (("lines", "insert", 1),)
    assert shop.checksum("lines") == lines
    assert shop.rows("select name from customers where id = 1") == [("x",)]


def test_one_table_alone_is_not_taken_back_against_its_foreign_keys(shop: Protected) -> None:
    deleted = shop.write("delete from customers where id = 1")
    conflicts = refused(shop, deleted, tables=["orders"])
    assert {conflict.key for conflict in conflicts} == {10, 11}
    inserted = shop.write("insert into customers values (3, 'Cy', null)", "insert into orders values (30, 3, 'x')")
    [conflict] = refused(shop, inserted, tables=["customers"])
    assert (conflict.table, conflict.key) == ("customers", 3)


def test_a_table_that_was_not_changed_is_not_found(shop: Protected) -> None:
    transaction = shop.write("delete from lines where id = 100")
    with pytest.raises(UnsupportedError) as caught:
        shop.undo(transaction, tables=["customers"])
    assert caught.value.code == "HF411"


@pytest.mark.parametrize("transaction", ["999999", "x999999", "nonsense", ""])
def test_a_transaction_that_is_not_there_is_not_found(shop: Protected, transaction: str) -> None:
    with pytest.raises(UnsupportedError) as caught:
        shop.undo(transaction or "-1")
    assert caught.value.code == "HF410"


def test_a_dry_run_shows_what_would_happen_and_writes_nothing(shop: Protected) -> None:
    transaction = shop.write("delete from customers where id = 1", "update customers set name = 'Bob' where id = 2")
    before, journal = contents(shop), len(shop.log())
    rehearsal = shop.undo(transaction, dry_run=True, preview=100)
    assert (contents(shop), len(shop.log())) == (before, journal)
    assert rehearsal.transaction is None
    assert rehearsal.conflicts == ()
    shown = {(row.table, row.key): (row.action, row.restored) for row in rehearsal.preview}
    assert len(shown) == 8
    assert shown["customers", 1] == ("insert", {"id": 1, "name": "Ada", "email": "ada@x"})
    assert shown["customers", 2] == ("update", {"name": "Bo"})
    undone = shop.undo(transaction)
    assert undone.counts == rehearsal.counts


def test_the_undo_is_recorded_as_who_did_it_and_what_it_undoes(shop: Protected) -> None:
    transaction = shop.write("update customers set name = 'x' where id = 1")
    undone = shop.undo(transaction, actor="alice")
    [change] = shop.log(transaction=undone.transaction)
    assert (change.actor, change.operation, change.before, change.after) == (
        "alice", "update", {"name": "x"}, {"name": "Ada"},
    )  # fmt: skip
    assert change.reason == f"undo of transaction {transaction}"
