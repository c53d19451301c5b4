"""Undo of what happened before the schema changed: it works on what is there now, or says why not."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast.errors import HoldfastError, UndoConflictError, UnsupportedError
from holdfast.history import versions
from holdfast.policies import Audit
from tests.harness import Protected, journal

pytestmark = pytest.mark.copy_of(build=journal)


@pytest.fixture
def table(database: str) -> Protected:
    protected = Protected(database)
    protected.run(
        "create table t (id int primary key, name text, amount int)",
        "insert into t values (1, 'a', 10), (2, 'b', 20)",
    )
    protected.protect({"t": [Audit()]})
    return protected


def change(protected: Protected) -> str:
    """One transaction: an update, a delete and an insert."""
    return protected.write(
        "update t set name = 'x', amount = 11 where id = 1",
        "delete from t where id = 2",
        "insert into t values (3, 'c', 30)",
    )


def alter(protected: Protected, *statements: str, table: str = "t", again: bool = True) -> None:
    if protected.name == "sqlite":
        # There a column that a trigger names cannot be dropped.
        protected.unprotect(table)
    protected.run(*statements)
    if again:
        protected.protect({table: [Audit()]})


def test_a_column_was_renamed_since(table: Protected) -> None:
    transaction = change(table)
    alter(table, "alter table t rename column name to title")
    table.undo(transaction)
    assert table.rows("select id, title, amount from t order by id") == [(1, "a", 10), (2, "b", 20)]


def test_a_column_was_renamed_and_the_table_not_protected_again(postgresql_database: str) -> None:
    """Nobody can write the table in that state, and an undo neither."""
    protected = Protected(postgresql_database)
    protected.run("create table t (id int primary key, name text, amount int)", "insert into t values (1, 'a', 1)")
    protected.protect({"t": [Audit()]})
    transaction = change(protected)
    alter(protected, "alter table t rename column name to title", again=False)
    before = protected.checksum("t")
    with pytest.raises(HoldfastError, match="name"):
        protected.undo(transaction)
    assert protected.checksum("t") == before


EXCHANGED = {
    "two": (
        "alter table t rename column one to spare",
        "alter table t rename column two to one",
        "alter table t rename column spare to two",
    ),
    "three in a circle": (
        "alter table t rename column one to spare",
        "alter table t rename column two to one",
        "alter table t rename column three to two",
        "alter table t rename column spare to three",
    ),
    "with a new one": ("alter table t rename column one to former", "alter table t add column one int default 7"),
}


def with_numbers(url: str) -> Protected:
    protected = Protected(url)
    protected.run(
        "create table t (id int primary key, one int, two int, three int)",
        "insert into t values (1, 1, 2, 3), (2, 10, 20, 30)",
    )
    protected.protect({"t": [Audit()]})
    return protected


@pytest.mark.parametrize("case", EXCHANGED)
def test_columns_have_exchanged_their_names_since(database: str, case: str) -> None:
    """What was recorded before is by the column, what is until ``protect`` has run is by the name: none is guessed."""
    protected = with_numbers(database)
    before = protected.write("update t set one = 5, two = 6 where id = 1")
    protected.run(*EXCHANGED[case])
    meanwhile = [
        protected.write("update t set one = 8, two = 9 where id = 2"),
        protected.write("delete from t where id = 1"),
    ]
    [said] = [each.object for each in protected.drift() if each.object.startswith("columns")]
    assert said.startswith("columns under names of others (one")
    with pytest.raises(UnsupportedError, match="names of before by now"):
        versions(protected.database, "t", 1)
    left = protected.checksum("t")

    for again in (False, True):
        if again:
            plan = protected.protect({})
            assert plan.steps[0].actions[0].endswith("keep the history so far as t#1, and begin a new one")
            assert protected.drift() == []
            assert protected.plan({}).empty
        for transaction in (before, *meanwhile):
            for force in (False, True):
                with pytest.raises(UnsupportedError, match="names of before by now") as caught:
                    protected.undo(transaction, force=force)
                assert caught.value.code == "HF411"
        assert protected.checksum("t") == left

    transactions = [protected.write("update t set one = 9, two = 9"), protected.write("delete from t")]
    for transaction in reversed(transactions):
        protected.undo(transaction)
    assert protected.checksum("t") == left
    # All of it is in the log.
    assert [each.operation for each in protected.log("t")][:3] == ["update", "update", "delete"]


@pytest.mark.parametrize(
    "statements",
    [
        ("alter table t drop column one", "alter table t rename column two to one"),
        ("alter table t rename column one to former", "alter table t rename column two to one"),
    ],
    ids=["of a dropped one", "of a renamed one"],
)
def test_a_column_took_the_name_of_another(postgresql_database: str, statements: tuple[str, ...]) -> None:
    """Its own name is nobody's then, so nothing is recorded under a wrong one."""
    protected = with_numbers(postgresql_database)
    transaction = protected.write("update t set two = 5 where id = 1")
    protected.run(*statements)
    with pytest.raises(HoldfastError, match="two"):
        protected.run("update t set one = 8 where id = 2")
    protected.protect({})
    protected.undo(transaction)
    assert protected.rows("select id, one from t order by id") == [(1, 2), (2, 20)]


REPLACED = {
    "copied into a new one": (
        "alter table t add column fresh int",
        "update t set fresh = one",
        "alter table t drop column one",
        "alter table t rename column fresh to one",
    ),
    "dropped and added": ("alter table t drop column one", "alter table t add column one int"),
    "dropped and added with another type": ("alter table t drop column one", "alter table t add column one numeric"),
}


@pytest.mark.parametrize("again", [True, False], ids=["protected again", "not protected again"])
@pytest.mark.parametrize("case", REPLACED)
def test_a_column_was_replaced_by_one_of_its_name(postgresql_database: str, case: str, again: bool) -> None:
    """What is written before ``protect`` runs is recorded by the name, and put back."""
    protected = with_numbers(postgresql_database)
    protected.run(*REPLACED[case])
    protected.run("update t set one = 3 where id = 2")
    states, transactions = [], []
    for statement in ("update t set one = 99", "update t set one = null, two = 5 where id = 1", "delete from t"):
        states.append(protected.checksum("t"))
        transactions.append(protected.write(statement))
    if again:
        protected.protect({})
        assert protected.drift() == []
    assert [sorted(each.before or ()) for each in protected.log("t")[-2:]] == [["id", "one", "three", "two"]] * 2
    for transaction, state in zip(reversed(transactions), reversed(states), strict=True):
        protected.undo(transaction)
        assert protected.checksum("t") == state


def test_what_a_replaced_column_held_is_a_conflict(postgresql_database: str) -> None:
    protected = Protected(postgresql_database)
    protected.run("create table t (id int primary key, v text)", "insert into t values (1, 'abc'), (2, '7')")
    protected.protect({"t": [Audit()]})
    updated = protected.write("update t set v = '8' where id = 2")
    deleted = protected.write("delete from t where id = 1")
    protected.run("alter table t drop column v", "alter table t add column v int")
    protected.protect({})
    with pytest.raises(UndoConflictError) as caught:
        protected.undo(updated)
    assert [each.fields for each in caught.value.conflicts] == [{"v": (8, None, 7)}]
    with pytest.raises(UndoConflictError, match=r'does not fit the table as it is now: .*integer: "abc"'):
        protected.undo(deleted)
    assert protected.rows("select * from t") == [(2, None)]


def test_a_column_that_moved_up_is_not_taken_for_a_dropped_one(sqlite_database: str) -> None:
    protected = Protected(sqlite_database)
    protected.run("create table t (id int primary key, a text, b text)", "insert into t values (1, 'a', 'b')")
    protected.protect({"t": [Audit()]})
    protected.run("delete from t")
    transaction = protected.last_transaction()
    alter(protected, "alter table t drop column a", "alter table t rename column b to c")
    protected.undo(transaction)
    assert protected.rows("select * from t") == [(1, None)]


@pytest.mark.parametrize("again", [True, False], ids=["protected again", "not protected again"])
def test_the_table_was_renamed_since(postgresql_database: str, again: bool) -> None:
    protected = Protected(postgresql_database)
    protected.run("create table t (id int primary key, v int)", "insert into t values (1, 1)", "create schema s")
    protected.protect({"t": [Audit()]})
    protected.run("update t set v = 2")
    transaction = protected.last_transaction()
    alter(protected, "alter table t rename to u", "alter table u set schema s", table="s.u", again=again)
    undone = protected.undo(transaction)
    assert undone.counts == (("s.u", "update", 1),)
    assert protected.rows("select v from s.u") == [(1,)]


def test_a_column_was_dropped_since(table: Protected) -> None:
    transaction = change(table)
    alter(table, "alter table t drop column amount")
    table.undo(transaction)
    assert table.rows("select * from t order by id") == [(1, "a"), (2, "b")]


def test_all_that_was_changed_is_in_dropped_columns(table: Protected) -> None:
    dropped = table.write("update t set amount = 11 where id = 1")
    both = table.write("update t set amount = 21 where id = 2", "update t set name = 'x' where id = 1")
    alter(table, "alter table t drop column amount")
    left = table.checksum("t")
    for transaction, key in ((dropped, 1), (both, 2)):
        with pytest.raises(UndoConflictError, match=r"columns were dropped since: amount\b") as caught:
            table.undo(transaction)
        assert [each.key for each in caught.value.conflicts] == [key]
    assert table.checksum("t") == left
    table.undo(both, force=True)
    assert table.rows("select * from t order by id") == [(1, "a"), (2, "b")]


@pytest.mark.parametrize(
    "definition, value",
    [("int", None), ("int default 7", 7), ("int not null default 7", 7), ("text not null default 'it''s'", "it's")],
)
def test_a_column_was_added_since(table: Protected, definition: str, value: Any) -> None:
    transaction = change(table)
    alter(table, f"alter table t add column more {definition}")
    table.undo(transaction)
    assert table.rows("select * from t order by id") == [(1, "a", 10, value), (2, "b", 20, value)]


def test_a_null_comes_back_where_the_column_has_a_default(database: str) -> None:
    protected = Protected(database)
    protected.run("create table t (id int primary key, v int default 7)", "insert into t values (1, null)")
    protected.protect({"t": [Audit()]})
    protected.run("delete from t")
    protected.undo()
    assert protected.rows("select v from t") == [(None,)]


@pytest.mark.parametrize(
    "default, value",
    [
        ("pending", "pending"), ("Größe$1", "Größe$1"), ('"b0"', "b0"), ("[id]", "id"), ("`k0`", "k0"),
        ('"a""b"', 'a"b'), ('"true"', "true"), ("true", 1), ("False", 0), ("null", None), ("'it''s'", "it's"),
        ("x'00'", b"\0"), ("- 5", -5), ("+1.5", 1.5), ("(3 - 1 -- two\n)", 2), ("(lower('ABC'))", "abc"),
    ],
)  # fmt: skip
def test_a_row_gets_a_default_as_sqlite_means_it(sqlite_database: str, default: str, value: Any) -> None:
    protected = Protected(sqlite_database)
    protected.run("create table t (id integer primary key, v)", "insert into t values (1, 'a')")
    protected.protect({"t": [Audit()]})
    transaction = protected.write("delete from t")
    alter(protected, f"alter table t add column more default {default}")
    protected.undo(transaction)
    assert protected.rows("select * from t") == [(1, "a", value)]


def test_a_default_of_now_is_that_of_now(sqlite_database: str) -> None:
    protected = Protected(sqlite_database)
    protected.run("create table t (id integer primary key, v)", "insert into t values (1, 'a')")
    protected.protect({"t": [Audit()]})
    transaction = protected.write("delete from t")
    alter(protected, "alter table t add column at default Current_Timestamp")
    protected.undo(transaction)
    assert protected.rows("select length(at), at > '2020' from t") == [(19, 1)]


def test_a_required_column_without_a_default_was_added_since(postgresql_database: str) -> None:
    protected = Protected(postgresql_database)
    protected.run("create table t (id int primary key, v int)", "insert into t values (1, 1)")
    protected.protect({"t": [Audit()]})
    protected.run("delete from t")
    transaction = protected.last_transaction()
    alter(protected, "alter table t add column more int not null")
    with pytest.raises(UndoConflictError) as caught:
        protected.undo(transaction)
    assert "more" in caught.value.conflicts[0].why


@pytest.mark.parametrize("kind", ["bigint", "text", "numeric(20, 4)"])
def test_a_column_has_another_type_since(postgresql_database: str, kind: str) -> None:
    protected = Protected(postgresql_database)
    protected.run(
        "create table t (id int primary key, name text, amount int)", "insert into t values (1, 'a', 10), (2, 'b', 20)"
    )
    protected.protect({"t": [Audit()]})
    transaction = change(protected)
    alter(protected, f"alter table t alter column amount type {kind}", "alter table t alter column id type bigint")
    protected.undo(transaction)
    assert protected.rows("select id, name, amount::text::numeric::int from t order by id") == [
        (1, "a", 10), (2, "b", 20),
    ]  # fmt: skip


@pytest.mark.parametrize("retype", ["int using length(name)", "varchar(2)", "boolean using false"])
def test_a_value_of_then_that_does_not_fit_now_is_a_conflict(postgresql_database: str, retype: str) -> None:
    protected = Protected(postgresql_database)
    protected.run("create table t (id int primary key, name text)", "insert into t values (1, 'long')")
    protected.protect({"t": [Audit()]})
    protected.run("update t set name = 'x'")
    transaction = protected.last_transaction()
    alter(protected, f"alter table t alter column name type {retype}")
    before = protected.checksum("t")
    assert protected.undo(transaction, dry_run=True).conflicts
    for force in (False, True):
        with pytest.raises(UndoConflictError) as caught:
            protected.undo(transaction, force=force)
        assert "--force does not help" in caught.value.hint
    assert protected.checksum("t") == before


def test_a_value_that_was_renamed_since_comes_back_once_it_is_there_again(postgresql_database: str) -> None:
    """The journal has the enum's values as they were called."""
    protected = Protected(postgresql_database)
    protected.run(
        "create type mood as enum ('sad', 'glad')",
        "create table t (id int primary key, mood mood)",
        "insert into t values (1, 'sad'), (2, 'glad')",
    )
    protected.protect({"t": [Audit()]})
    protected.run("delete from t")
    transaction = protected.last_transaction()
    protected.run("alter type mood rename value 'sad' to 'blue'")
    with pytest.raises(UndoConflictError, match='for enum mood: "sad"') as caught:
        protected.undo(transaction)
    assert "--force does not help" in caught.value.hint
    protected.run("alter type mood rename value 'blue' to 'sad'")
    protected.undo(transaction)
    assert protected.rows("select * from t order by id") == [(1, "sad"), (2, "glad")]


def test_the_table_is_gone_since(table: Protected) -> None:
    transaction = change(table)
    table.run("drop table t")
    with pytest.raises(UnsupportedError) as caught:
        table.undo(transaction)
    assert caught.value.code == "HF411"


def test_the_table_is_not_protected_any_more(table: Protected) -> None:
    before = table.rows("select * from t order by id")
    transaction = change(table)
    table.unprotect("t")
    table.undo(transaction)
    assert table.rows("select * from t order by id") == before
