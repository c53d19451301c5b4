"""Rows are known by their key: a table that has another one begins a new history, and a former key harms no row."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from holdfast.cli import main
from holdfast.erasure import erase
from holdfast.errors import HeldError, UndoConflictError, UnsupportedError
from holdfast.evidence import seal, verify
from holdfast.history import versions
from holdfast.holds import hold, holds, release
from holdfast.inspector import inspect
from holdfast.policies import Audit, Guard, Policy, SoftDelete, Tenant
from holdfast.purging import purge
from tests.harness import Protected, journal

pytestmark = pytest.mark.copy_of(build=journal)

ROWS = "insert into t values (1, 100, 'one'), (7, 5, 'seven')"
KEY_MOVED = {
    "postgresql": ("alter table t drop constraint t_pkey", "alter table t add primary key (code)"),
    "sqlite": (
        "create table fresh (id integer not null, code integer primary key, v text)",
        "insert into fresh select id, code, v from t",
        "drop table t",
        "alter table fresh rename to t",
    ),
}
CREATED = "create table t (id integer primary key, code integer not null unique, v text)"


def protected(url: str, *policies: Policy, created: str = CREATED, rows: str = ROWS) -> Protected:
    database = Protected(url)
    database.run(created, rows)
    database.protect({"t": policies or [Audit()]})
    return database


def key_moved(database: Protected) -> None:
    """The key is `code` now, and the row (7, 5) has the key that a row (5, 1000) had."""
    database.run(*KEY_MOVED[database.name])


def mended(database: Protected) -> None:
    """``protect`` leaves nothing to do, and nothing of what was made for the former key."""
    plan = database.protect({})
    assert not plan.empty
    assert database.drift() == []
    assert database.plan({}).empty
    present = {each.id for each in database.inventory().relations.values() if each.protected}
    assert len(present) == 1


def refused(database: Protected, transaction: str) -> None:
    before = database.checksum("t")
    for force in (False, True):
        with pytest.raises(UnsupportedError, match="t has another key by now") as error:
            database.undo(transaction, force=force)
        assert error.value.code == "HF411"
    assert database.checksum("t") == before


def goes_on(database: Protected, statement: str) -> None:
    """What is written from now on is recorded, and can be taken back."""
    before = database.checksum("t")
    database.run(statement)
    assert database.checksum("t") != before
    database.undo()
    assert database.checksum("t") == before


@pytest.mark.parametrize("policies", [(Audit(),), (Audit(), Guard(max_rows=10))])
def test_an_undo_takes_no_other_row_whose_key_was_that_of_the_inserted_one(
    database: str, policies: tuple[Policy, ...]
) -> None:
    changed = protected(database, *policies)
    changed.run("insert into t values (5, 1000, 'five')")
    inserted = changed.last_transaction()
    key_moved(changed)
    refused(changed, inserted)

    mended(changed)

    refused(changed, inserted)
    goes_on(changed, "update t set v = 'x' where code = 5")
    goes_on(changed, "delete from t where code = 1000")
    goes_on(changed, "insert into t values (5, 77, 'new')")


def test_status_says_which_key_it_is_and_was(database: str) -> None:
    changed = protected(database)
    key_moved(changed)
    [said] = [each for each in changed.drift() if each.object.startswith("key")]
    assert (said.object, said.state) == ("key (code), which was (id)", "outdated")
    plan = changed.plan({})
    assert "the key is no longer (id): keep the history so far as t#1, and begin a new one" in plan.steps[0].actions


def test_former_history_is_read_by_a_name_of_its_own(database: str) -> None:
    changed = protected(database)
    changed.run("update t set v = 'one!' where id = 1")
    # The row that has the key 1 from now on is another.
    changed.run("insert into t values (9, 1, 'nine')")
    key_moved(changed)
    mended(changed)
    changed.run("update t set v = 'nine!' where code = 1")

    assert [each.values["v"] for each in versions(changed.database, "t", 1) if each.values] == ["nine", "nine!"]
    former = versions(changed.database, "t#1", 1)
    assert [(each.operation, (each.values or {}).get("v")) for each in former] == [(None, "one"), ("update", "one!")]
    # All of it is in the table's log.
    assert [(each.key, each.operation) for each in changed.log("t")] == [(1, "update"), (9, "insert"), (1, "update")]


def test_until_it_is_protected_again_no_row_is_taken_for_another(database: str) -> None:
    changed = protected(database)
    changed.run("update t set v = 'seven!' where id = 7", "insert into t values (5, 1000, 'five')")
    key_moved(changed)
    before = changed.checksum("t")
    for act in (
        lambda: versions(changed.database, "t", 5),
        lambda: erase(changed.database, "t", 5, reason="asked for"),
        lambda: hold(changed.database, "t", 5, reason="case"),
    ):
        with pytest.raises(UnsupportedError, match=r"The key of \S+ is \(code\) by now"):
            act()
    assert changed.checksum("t") == before


def test_a_hold_by_the_former_key_is_told_and_can_be_ended(database: str) -> None:
    changed = protected(database)
    changed.run("update t set v = 'seven!' where id = 7")
    hold(changed.database, "t", 7, reason="case")
    key_moved(changed)
    notes = [note for note in changed.protect({}).notes if "legal hold by the former key (id)" in note]
    assert len(notes) == 1
    assert "t#1" in notes[0]

    # It keeps the history so far.
    with changed.database.connect() as connection:
        dialect, inventory = inspect(connection, changed.database.dialect)
        assert [(each.table, each.key) for each in holds(connection, dialect, inventory)] == [("t", 7)]
    with pytest.raises(HeldError, match="HF421"):
        changed.unprotect("t", purge_history=True)
    with pytest.raises(HeldError, match="HF421"):
        erase(changed.database, "t#1", 7, reason="asked for")

    assert release(changed.database, "t#1", 7) == ["case"]
    changed.unprotect("t", purge_history=True)


def test_a_held_row_is_not_purged_while_it_is_not_known_by_its_key(database: str) -> None:
    created = CREATED.replace("v text", "v text, deleted_at timestamptz")
    rows = "insert into t (id, code, v) values (1, 100, 'one'), (7, 5, 'seven')"
    changed = protected(database, Audit(), SoftDelete(), created=created, rows=rows)
    changed.run("delete from t where id = 7")
    hold(changed.database, "t", 7, reason="case")
    moved = (
        "create table fresh (id integer not null, code integer primary key, v text, deleted_at timestamptz)",
        "insert into fresh select id, code, v, deleted_at from t",
        "drop table t",
        "alter table fresh rename to t",
    )
    changed.run(*(moved if changed.name == "sqlite" else KEY_MOVED["postgresql"]))
    with pytest.raises(UnsupportedError, match=r"is \(code\) by now"):
        purge(changed.database, "t", older_than="0d")
    assert changed.rows("select count(*) from t") == [(2,)]


def test_a_purge_takes_the_former_history_too(database: str) -> None:
    changed = protected(database)
    changed.run("create table other (id integer primary key)")
    changed.protect({"other": [Audit()]})
    changed.run("update t set v = 'x'")
    key_moved(changed)
    changed.protect({})
    name = "t"
    if changed.name == "postgresql":
        # The former history has the name that the table had then.
        changed.run("alter table t rename to u")
        changed.protect({})
        name = "u"
    changed.run(f"update {name} set v = 'y'")
    changed.unprotect(name, purge_history=True)
    assert changed.log() == []
    assert [each.table.name for each in changed.inventory().relations.values()] == ["other"]


def test_what_was_sealed_stays_proven(database: str) -> None:
    changed = protected(database)
    changed.run("update t set v = 'x'")
    first = seal(changed.database)
    key_moved(changed)
    changed.protect({})
    changed.run("update t set v = 'y'")
    findings = verify(changed.database, [first, seal(changed.database)]).findings
    # Where a key can only be changed by making the table anew, its triggers went, by somebody else's hand.
    assert {each.kind for each in findings} == ({"object dropped"} if changed.name == "sqlite" else set())


def test_what_is_made_by_the_number_of_the_former_history_goes(postgresql_database: str) -> None:
    database = Protected(postgresql_database)
    database.run(
        "create table t (id int primary key, code int not null unique, v text, deleted_at timestamptz)",
        "create table child (id int primary key, code int references t (code) on delete cascade,"
        " deleted_at timestamptz)",
        "insert into t values (1, 100, 'one'), (7, 5, 'seven')",
        "insert into child values (1, 5)",
    )
    database.protect({"t": [Audit(), SoftDelete(), Guard(max_rows=10)], "child": [Audit(), SoftDelete()]})
    key_moved(database)
    database.protect({})
    assert database.drift() == []
    assert database.plan({}).empty
    left = "select proname from pg_proc where pronamespace = 'holdfast'::regnamespace and proname ~ '^[a-z_]*_1(_|$)'"
    assert database.rows(left) == []
    # Soft delete goes on, children included, and is taken back.
    before = database.checksums("t", "child")
    database.run("delete from t where code = 5")
    living = "select (select count(*) from t where deleted_at is null), "
    assert database.rows(living + "(select count(*) from child where deleted_at is null)") == [(1, 0)]
    database.undo()
    assert database.checksums("t", "child") == before
    database.unprotect()
    triggers = "select tgname from pg_trigger where tgrelid in ('t'::regclass, 'child'::regclass) and not tgisinternal"
    assert database.rows(triggers) == []


def test_a_unique_key_that_is_to_hold_within_tenants_begins_a_new_history_at_once(postgresql_database: str) -> None:
    created = "create table t (tenant text not null, name text not null unique, v text)"
    database = protected(postgresql_database, created=created, rows="insert into t values ('a', 'x', 'one')")
    database.run("update t set v = 'two'")
    written = database.last_transaction()
    database.protect({"t": [Tenant("tenant")]})
    present = [each for each in database.inventory().relations.values() if each.protected]
    # By the name alone two tenants' rows would be one.
    assert [(each.id, each.key) for each in present] == [(2, ("tenant", "name"))]
    assert not [each for each in database.drift() if each.object.startswith(("key", "function", "trigger", "table"))]
    refused(database, written)


def test_a_table_of_tenants_is_as_declared_with_its_new_key(postgresql_database: str) -> None:
    created = "create table t (id int primary key, code int not null, v text, tenant text not null)"
    rows = "insert into t values (1, 100, 'one', 'a'), (7, 5, 'seven', 'b')"
    database = protected(postgresql_database, Audit(), Tenant("tenant"), created=created, rows=rows)
    database.run("alter table t drop constraint t_pkey", "alter table t add primary key (tenant, code)")
    mended(database)
    policies = "select polname from pg_policy where polrelid = 't'::regclass order by 1"
    assert [name for (name,) in database.rows(policies)] == ["holdfast_tenant", "holdfast_tenant_only"]
    indexes = "select count(*) from pg_class where relkind = 'i' and relname ~ 'holdfast_tenant_1'"
    assert database.rows(indexes) == [(0,)]


@pytest.mark.parametrize(
    "statements",
    [
        ("alter table t drop constraint t_pkey, add primary key (id, code)",),
        ("alter table t drop constraint t_pkey",),
        ("alter table t drop constraint t_pkey, add unique (v), alter v set not null, drop code",),
        # The former key is another column's name by now, and the key has a third name.
        ("alter table t drop constraint t_pkey", "alter table t rename id to code_2, add primary key (code)"),
    ],
    ids=["widened", "a unique column remains", "another unique column", "renamed, and another"],
)
def test_other_keys(postgresql_database: str, statements: tuple[str, ...]) -> None:
    database = protected(postgresql_database)
    database.run("update t set v = 'x' where id = 7")
    written = database.last_transaction()
    for statement in statements:
        if "rename" in statement:
            renaming, adding = statement.split(", add")
            database.run(renaming, "alter table t add" + adding)
        else:
            database.run(statement)
    refused(database, written)
    mended(database)
    refused(database, written)
    goes_on(database, "delete from t where v = 'x'")
    goes_on(database, "update t set v = 'y' where v = 'x'")


def test_columns_of_a_key_in_another_order(postgresql_database: str) -> None:
    created = "create table t (id int, code int, v text, primary key (id, code))"
    database = protected(postgresql_database, created=created, rows="insert into t values (1, 2, 'a'), (2, 1, 'b')")
    database.run("update t set v = 'c' where id = 1")
    written = database.last_transaction()
    database.run("alter table t drop constraint t_pkey, add primary key (code, id)")
    refused(database, written)
    mended(database)
    refused(database, written)


def test_no_key_is_left(postgresql_database: str) -> None:
    database = protected(postgresql_database, created="create table t (id int primary key, code int, v text)")
    database.run("insert into t values (2, 2, 'two')")
    written = database.last_transaction()
    database.run("alter table t drop constraint t_pkey")
    refused(database, written)
    assert any("no primary key" in each.object for each in database.drift())
    # The same key again is no other key.
    database.run("alter table t add primary key (id)")
    assert database.drift() == []
    database.undo(written)
    assert database.rows("select id from t order by 1") == [(1,), (7,)]


def test_a_transaction_of_two_tables_is_undone_for_the_one_that_has_its_key(postgresql_database: str) -> None:
    database = protected(postgresql_database)
    database.run("create table other (id int primary key)")
    database.protect({"other": [Audit()]})
    database.run("insert into t values (5, 1000, 'five')", "insert into other values (1)")
    written = database.last_transaction()
    key_moved(database)
    mended_plan = database.protect({})
    assert not mended_plan.empty
    refused(database, written)
    database.undo(written, tables=["other"])
    assert database.rows("select (select count(*) from t), (select count(*) from other)") == [(3, 0)]


def test_a_table_protected_again_with_another_key(database: str) -> None:
    changed = protected(database)
    changed.run("insert into t values (5, 1000, 'five')")
    inserted = changed.last_transaction()
    changed.unprotect("t")
    key_moved(changed)
    changed.protect({"t": [Audit()]})
    assert changed.drift() == []
    refused(changed, inserted)
    goes_on(changed, "update t set v = 'x' where code = 5")


def test_columns_added_in_the_same_plan(database: str) -> None:
    changed = protected(database)
    changed.run("insert into t values (5, 1000, 'five')")
    inserted = changed.last_transaction()
    key_moved(changed)
    changed.protect({"t": [SoftDelete()]}, add_columns=True)
    assert changed.drift() == []
    assert changed.plan({}).empty
    refused(changed, inserted)
    goes_on(changed, "delete from t where code = 5")


def test_the_table_is_renamed_afterwards(postgresql_database: str) -> None:
    database = protected(postgresql_database)
    database.run("insert into t values (5, 1000, 'five')")
    inserted = database.last_transaction()
    key_moved(database)
    database.protect({})
    database.run("alter table t rename to u")
    database.protect({})
    with pytest.raises(UnsupportedError, match="u has another key by now"):
        database.undo(inserted)
    database.run("drop table u")
    with pytest.raises(UnsupportedError, match="t is gone"):
        database.undo(inserted)


SAME_KEY = {
    "renamed": ("alter table t rename id to number",),
    "retyped": ("alter table t alter id type bigint",),
    "retyped to a smaller one": ("alter table t alter id type smallint",),
    "exchanged under its name": (
        "alter table t add id_2 bigint",
        "update t set id_2 = id",
        "alter table t drop constraint t_pkey",
        "alter table t rename id to id_1",
        "alter table t rename id_2 to id",
        "alter table t add primary key (id)",
        "alter table t drop id_1",
    ),
    "constraint made anew": ("alter table t drop constraint t_pkey", "alter table t add primary key (id)"),
}


@pytest.mark.parametrize("alteration", list(SAME_KEY))
def test_the_same_key_goes_on(postgresql_database: str, alteration: str) -> None:
    database = protected(postgresql_database)
    database.run("update t set v = 'seven!' where id = 7")
    written = database.last_transaction()
    for statement in SAME_KEY[alteration]:
        if statement.startswith("update"):
            database.protect({})
        database.run(statement)
    database.protect({})
    assert database.drift() == []
    assert [each.id for each in database.inventory().relations.values()] == [1]
    database.undo(written)
    assert database.rows("select v from t order by code") == [("seven",), ("one",)]


def test_a_key_of_text_goes_on_with_any_length(postgresql_database: str) -> None:
    database = protected(postgresql_database, created="create table t (id varchar(9) primary key, code int, v text)")
    database.run("update t set v = 'seven!' where id = '7'")
    written = database.last_transaction()
    for kind in ("text", "varchar(20)", "varchar"):
        database.run(f"alter table t alter id type {kind}")
        database.protect({})
    assert [each.id for each in database.inventory().relations.values()] == [1]
    database.undo(written)
    assert database.rows("select v from t order by code") == [("seven",), ("one",)]


@pytest.mark.parametrize(
    "old, new, value",
    [
        ("integer", "text", "5"),
        ("text", "integer", "5"),
        ("integer", "numeric(9, 2)", "5"),
        ("numeric", "double precision", "5.1"),
        ("date", "timestamp", "2026-01-02"),
        ("timestamp", "timestamptz", "2026-01-02 03:04:05"),
        ("text", "uuid", "d9428888-122b-11e1-b85c-61cd3cbb3210"),
    ],
)
def test_a_key_of_another_type_is_another_key(postgresql_database: str, old: str, new: str, value: str) -> None:
    """The journal has it in another spelling, so the row that was inserted is not known to have been changed since."""
    database = protected(
        postgresql_database,
        created=f"create table t (id {old} primary key, v text)",
        rows="select 1",
    )
    database.run(f"insert into t values ('{value}', 'one')")
    inserted = database.last_transaction()
    database.run(f"alter table t alter id type {new} using id::{new}")
    refused(database, inserted)
    [said] = [each.object for each in database.drift() if each.object.startswith("key")]
    assert said.startswith("key (id ")
    mended(database)
    goes_on(database, "update t set v = 'two'")
    database.run("update t set v = 'two'")
    refused(database, inserted)
    goes_on(database, "delete from t")
    assert [each.operation for each in database.log("t")][:2] == ["insert", "update"]


def test_a_key_that_became_text_takes_no_row_in_sqlite(sqlite_database: str) -> None:
    """There a key is spelled as each value is: the row that was inserted is another by now."""
    database = protected(sqlite_database)
    database.run("insert into t values (5, 1000, 'five')")
    inserted = database.last_transaction()
    database.run(
        "create table fresh (id text primary key, code integer not null unique, v text)",
        "insert into fresh select id, code, v from t",
        "drop table t",
        "alter table fresh rename to t",
    )
    database.protect({})
    database.run("update t set v = 'x'")
    before = database.checksum("t")
    with pytest.raises(UndoConflictError, match="the row is gone already"):
        database.undo(inserted)
    assert database.checksum("t") == before
    assert [each.id for each in database.inventory().relations.values()] == [1]


def test_another_column_under_the_name_of_the_key(postgresql_database: str) -> None:
    """By that name keys are recorded until ``protect`` has run, and they are of no row."""
    database = protected(postgresql_database)
    written = database.write("update t set v = 'seven!' where id = 7")
    database.run("alter table t rename id to number", "alter table t add column id int default 7")
    database.run("insert into t (number, code, v) values (5, 1000, 'five')")
    inserted = database.last_transaction()
    for transaction in (written, inserted):
        refused(database, transaction)
    mended(database)
    for transaction in (written, inserted):
        refused(database, transaction)
    goes_on(database, "delete from t where number = 5")


def test_a_renamed_key_goes_on_in_sqlite(sqlite_database: str) -> None:
    database = protected(sqlite_database)
    database.run("update t set v = 'seven!' where id = 7")
    written = database.last_transaction()
    database.run("alter table t rename id to number")
    mended(database)
    database.undo(written)
    assert database.rows("select number, v from t order by 1") == [(1, "one"), (7, "seven")]


def test_values_of_the_former_history_can_be_erased(database: str) -> None:
    changed = protected(database)
    changed.run("update t set v = 'seven!' where id = 7", "update t set v = 'six' where code = 5")
    key_moved(changed)
    mended(changed)
    assert erase(changed.database, "t#1", 7, reason="asked for").changes == 2
    assert "seven" not in str(changed.log("t"))
    # The row is found by its present key.
    assert changed.rows("select id, v from t where code = 5") == [(7, "six")]


def test_the_log_does_not_show_another_row_for_an_inserted_one(database: str) -> None:
    changed = protected(database)
    changed.run("insert into t values (5, 1000, 'five')")
    key_moved(changed)
    assert [each.after for each in changed.log("t")] == [None]
    mended(changed)
    assert [each.after for each in changed.log("t")] == [None]


def test_a_hold_by_the_former_key_ends_by_the_name_that_the_plan_says(database: str) -> None:
    changed = protected(database)
    hold(changed.database, "t", 7, reason="case")
    key_moved(changed)
    mended(changed)
    result = CliRunner().invoke(main, ["hold", "t#1", "7", "--release"], env={"HOLDFAST_URL": database})
    assert (result.exit_code, "released: case" in result.output) == (0, True), result.output
