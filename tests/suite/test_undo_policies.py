"""Undo on tables that other policies keep, and on tables of every shape."""

from __future__ import annotations

import pytest

from holdfast.errors import GuardError, UndoConflictError
from holdfast.policies import Audit, Guard, Inserts, SoftDelete, Timestamps, Version
from tests.harness import Protected, journal

pytestmark = pytest.mark.copy_of(build=journal)

# ---------------------------------------------------------------------- Version and Timestamps


@pytest.fixture
def stamped(database: str) -> Protected:
    protected = Protected(database)
    protected.run("create table notes (id int primary key, body text)")
    protected.protect({"notes": [Audit(), Version(), Timestamps()]}, add_columns=True)
    protected.run("insert into notes (id, body) values (1, 'one'), (2, 'two')")
    protected.run("update notes set body = 'uno' where id = 1")
    return protected


def test_a_row_that_comes_back_keeps_its_birth_and_moves_on(stamped: Protected) -> None:
    columns = "select body, version, created_at, updated_at from notes order by id"
    before = stamped.rows(columns)
    stamped.undo(stamped.write("delete from notes"))
    after = stamped.rows(columns)
    assert [row[:3] for row in after] == [("uno", 3, before[0][2]), ("two", 2, before[1][2])]
    assert all(now[3] > then[3] for now, then in zip(after, before, strict=True))


def test_a_change_that_is_taken_back_counts_as_a_change(stamped: Protected) -> None:
    before = stamped.rows("select version, created_at, updated_at from notes where id = 1")
    transaction = stamped.write("update notes set body = 'x' where id = 1")
    stamped.run("update notes set body = 'y' where id = 2")
    stamped.undo(transaction)
    [(body, version, created, updated)] = stamped.rows(
        "select body, version, created_at, updated_at from notes where id = 1"
    )
    assert (body, version, created) == ("uno", before[0][0] + 2, before[0][1])
    assert updated > before[0][2]


def test_an_inserted_row_goes_though_its_stamps_were_never_recorded(stamped: Protected) -> None:
    stamped.undo(stamped.write("insert into notes (id, body) values (3, 'three')"))
    assert stamped.rows("select id from notes order by id") == [(1,), (2,)]


# ---------------------------------------------------------------------- SoftDelete


@pytest.fixture
def marked(database: str) -> Protected:
    protected = Protected(database)
    protected.run(
        "create table parents (id int primary key, name text)",
        "create table children (id int primary key, parent int not null references parents on delete cascade)",
        "insert into parents values (1, 'a'), (2, 'b')",
        "insert into children values (10, 1), (11, 1), (12, 1), (20, 2)",
    )
    policies = [Audit(), SoftDelete()]
    protected.protect({"parents": policies, "children": policies}, add_columns=True)
    return protected


def alive(protected: Protected) -> list[int]:
    return [
        row[0]
        for row in protected.rows(
            "select id from parents where deleted_at is null union all "
            "select id from children where deleted_at is null order by 1"
        )
    ]


@pytest.mark.parametrize(
    "delete",
    ["update parents set deleted_at = {now} where id = 1", "delete from parents where id = 1"],
    ids=["by the mark", "by a converted DELETE"],
)
def test_a_soft_delete_comes_back_with_the_children_that_it_took(marked: Protected, delete: str) -> None:
    marked.run("delete from children where id = 12")
    before = marked.checksum("parents"), marked.checksum("children")
    now = "'2026-01-01T00:00:00.000000Z'" if marked.name == "sqlite" else "now()"
    deleted = marked.write(delete.format(now=now))
    assert alive(marked) == [2, 20]
    undone = marked.undo(deleted).transaction
    assert (marked.checksum("parents"), marked.checksum("children")) == before
    assert alive(marked) == [1, 2, 10, 11, 20]
    marked.undo(undone)
    assert alive(marked) == [2, 20]


def test_a_restore_is_taken_back(marked: Protected) -> None:
    marked.run("delete from parents where id = 1")
    before = marked.checksum("parents"), marked.checksum("children")
    restored = marked.write("update parents set deleted_at = null where id = 1")
    assert alive(marked) == [1, 2, 10, 11, 12, 20]
    marked.undo(restored)
    assert (marked.checksum("parents"), marked.checksum("children")) == before


def test_a_new_row_really_goes_when_its_insert_is_taken_back(marked: Protected) -> None:
    marked.undo(marked.write("insert into parents (id, name) values (3, 'c')"))
    assert marked.rows("select count(*) from parents") == [(2,)]


def test_a_child_does_not_come_back_under_a_dead_parent(marked: Protected) -> None:
    deleted = marked.write("delete from children where id = 10")
    marked.run("delete from parents where id = 1")
    with pytest.raises(UndoConflictError) as caught:
        marked.undo(deleted)
    assert "parents" in str(caught.value)
    assert alive(marked) == [2, 20]


# ---------------------------------------------------------------------- Guard


def test_an_undo_of_more_rows_than_a_guard_expects_is_meant(database: str) -> None:
    protected = Protected(database)
    protected.run("create table t (id int primary key, v int)")
    for number in range(20):
        protected.run(f"insert into t values ({number}, 0)")
    protected.protect({"t": [Audit()]})
    before = protected.checksum("t")
    updated = protected.write("update t set v = 1")
    protected.protect({"t": [Audit(), Guard(max_rows=5)]})
    protected.undo(updated)
    assert protected.checksum("t") == before
    with pytest.raises(GuardError):
        protected.run("delete from t")
    protected.run("insert into t select id + 100, v from t")
    protected.undo()
    assert protected.checksum("t") == before


# ---------------------------------------------------------------------- what the journal does not keep


@pytest.mark.parametrize("hiding", ["exclude", "mask", "large"])
def test_a_value_that_the_journal_does_not_keep_is_a_conflict_unless_forced(database: str, hiding: str) -> None:
    protected = Protected(database)
    protected.run(
        "create table people (id int primary key, name text, iban text)",
        "insert into people values (1, 'Ada', 'DE1'), (2, 'Bo', 'DE2')",
    )
    protected.protect({"people": [Audit(**{hiding: {"iban"}})]})
    renamed = protected.write("update people set name = 'x' where id = 1")
    protected.undo(renamed)
    assert protected.rows("select * from people where id = 1") == [(1, "Ada", "DE1")]
    deleted = protected.write("delete from people where id = 2")
    with pytest.raises(UndoConflictError) as caught:
        protected.undo(deleted)
    assert "iban" in caught.value.conflicts[0].why
    assert protected.rows("select id from people") == [(1,)]
    protected.undo(deleted, force=True)
    assert protected.rows("select * from people where id = 2") == [(2, "Bo", None)]


@pytest.mark.parametrize("hiding", ["mask", "large"])
def test_a_row_whose_masked_value_was_changed_since_does_not_go(database: str, hiding: str) -> None:
    protected = Protected(database)
    protected.run("create table people (id int primary key, iban text)")
    protected.protect({"people": [Audit(**{hiding: {"iban"}})]})
    inserted = protected.write("insert into people values (1, 'DE1')")
    protected.run("update people set iban = 'DE2'")
    with pytest.raises(UndoConflictError) as caught:
        protected.undo(inserted)
    assert "iban" in caught.value.conflicts[0].why


# ---------------------------------------------------------------------- triggers of one's own


WRITES_AGAIN = {
    "postgresql": (
        "create function again() returns trigger language plpgsql as $$ begin new.v := new.v + 100; return new; end $$",
        "create trigger again before update or insert on t for each row execute function again()",
    ),
    "sqlite": (
        *(
            f"create trigger again_{event} after {event} on t when new.v < 100 "
            "begin update t set v = new.v + 100 where id = new.id; end"
            for event in ("insert", "update")
        ),
    ),
}
VETOES = {
    "postgresql": (
        "create function veto() returns trigger language plpgsql as $$ begin return null; end $$",
        "create trigger veto before update or insert or delete on t for each row execute function veto()",
    ),
    "sqlite": tuple(
        f"create trigger veto_{event} before {event} on t begin select raise(ignore); end"
        for event in ("insert", "update", "delete")
    ),
}


@pytest.mark.parametrize("triggers", [WRITES_AGAIN, VETOES], ids=["writes again", "vetoes"])
@pytest.mark.parametrize("statement", ["update t set v = 2", "delete from t", "insert into t values (2, 2)"])
def test_a_trigger_of_ones_own_that_interferes_is_found(
    database: str, triggers: dict[str, tuple[str, ...]], statement: str
) -> None:
    if triggers is WRITES_AGAIN and statement.startswith("insert"):
        statement = "insert into t values (2, 2), (3, 3)"
    protected = Protected(database)
    protected.run("create table t (id int primary key, v int)", "insert into t values (1, 1)")
    protected.protect({"t": [Audit()]})
    transaction = protected.write(statement)
    before = protected.checksum("t")
    protected.run(*triggers[protected.name])
    if triggers is WRITES_AGAIN and statement.startswith("insert"):
        # A delete is nothing that such a trigger could change.
        protected.undo(transaction)
        assert protected.rows("select * from t") == [(1, 1)]
        return
    with pytest.raises(UndoConflictError) as caught:
        protected.undo(transaction)
    assert caught.value.conflicts[0].table == "t"
    assert protected.checksum("t") == before


# ---------------------------------------------------------------------- tables of every shape


@pytest.mark.parametrize("inserts", ["key", "full"])
def test_rows_of_a_partitioned_table_come_back_where_they_were(postgresql_database: str, inserts: Inserts) -> None:
    protected = Protected(postgresql_database)
    protected.run(
        "create table m (id int, region text, v int, primary key (id, region)) partition by list (region)",
        "create table m_n partition of m for values in ('n')",
        "create table m_s partition of m for values in ('s')",
        "insert into m values (1, 'n', 1), (2, 'n', 2), (3, 's', 3)",
    )
    protected.protect({"m": [Audit(inserts=inserts)]})
    before = protected.checksum("m")
    for statements in (
        ["delete from m_n"],
        ["truncate m_s"],
        ["update m set region = 's' where id = 1", "update m set v = 9"],
        ["insert into m values (4, 'n', 4)", "update m_n set v = 5 where id = 4"],
    ):
        protected.undo(protected.write(*statements))
        assert protected.checksum("m") == before
        assert protected.rows("select id from m_n order by id") == [(1,), (2,)]


def test_a_row_that_moves_between_partitions_moves_back(postgresql_database: str) -> None:
    protected = Protected(postgresql_database)
    protected.run(
        "create table m (id int, v text) partition by range (id)",
        "create table m_low (id int primary key, v text)",
        "alter table m attach partition m_low for values from (0) to (10)",
        "create table m_high partition of m for values from (10) to (20)",
        "alter table m add primary key (id)",
        "insert into m values (1, 'a'), (2, 'b')",
    )
    protected.protect({"m": [Audit()]})
    before = protected.checksum("m")
    moved = protected.write("update m set id = 12 where id = 2", "update m set v = 'x' where id = 12")
    protected.undo(protected.undo(protected.undo(moved).transaction).transaction)
    assert protected.checksum("m") == before
    assert protected.rows("select id from m_high") == []


def test_generated_and_identity_columns_come_back(postgresql_database: str) -> None:
    protected = Protected(postgresql_database)
    protected.run(
        "create table g (id int generated always as identity primary key, v int, "
        "double int generated always as (v * 2) stored, number int generated by default as identity)",
        "insert into g (v) values (1), (2), (3)",
    )
    protected.protect({"g": [Audit()]})
    before = protected.checksum("g")
    for statement in ("delete from g", "update g set v = v + 1", "update g set id = default where v = 2", "truncate g"):
        protected.undo(protected.write(statement))
        assert protected.checksum("g") == before
    protected.undo(protected.write("insert into g (v) select generate_series(1, 5)"))
    assert protected.checksum("g") == before


def test_generated_columns_come_back_on_sqlite(sqlite_database: str) -> None:
    protected = Protected(sqlite_database)
    protected.run(
        "create table g (id integer primary key autoincrement, v int, "
        "double int generated always as (v * 2) stored, triple int as (v * 3))",
        "insert into g (v) values (1), (2), (3)",
    )
    protected.protect({"g": [Audit()]})
    before = protected.rows("select * from g")
    for statement in ("delete from g", "update g set v = v + 1", "insert into g (v) values (7)"):
        protected.undo(protected.write(statement))
        assert protected.rows("select * from g") == before


@pytest.mark.parametrize(
    "key, values",
    [
        ("uuid", ("11111111-2222-3333-4444-555555555555", "00000000-0000-0000-0000-000000000001")),
        ("text", ('quo"te', "back\\slash, 'single' %s :name {}")),
        ("timestamptz", ("2026-01-01 00:00:00.000001+00", "infinity")),
        ("numeric", ("1.50", "12345678901234567890.123456789")),
        ("bytea", ("\\x00ff", "\\x")),
        ("date", ("2026-02-03", "0044-03-15 BC")),
        ("inet", ("10.0.0.1", "::1")),
        ("interval", ("1 mon", "25:00:00")),
    ],
)
def test_keys_of_every_type_are_found_again(postgresql_database: str, key: str, values: tuple[str, ...]) -> None:
    protected = Protected(postgresql_database)
    listed = ", ".join(f"($k${value}$k$, 1)" for value in values)
    protected.run(f"create table k (k {key} primary key, v int)", f"insert into k values {listed}")
    protected.protect({"k": [Audit()]})
    before = protected.checksum("k")
    for statement in ("update k set v = 2", "delete from k", "truncate k"):
        transaction = protected.write(statement)
        undone = protected.undo(transaction)
        assert undone.rows == 2
        assert protected.checksum("k") == before


def test_names_that_need_quoting(database: str) -> None:
    protected = Protected(database)
    protected.run(
        'create table "Odd ""name"" %s :x" ("Key :y" int primary key, "a ""b"" %" text unique, "order" int)',
        """insert into "Odd ""name"" %s :x" values (1, 'x', 1), (2, 'y', 2)""",
    )
    protected.protect({'Odd "name" %s :x': [Audit()]})
    table = '"Odd ""name"" %s :x"'
    before = protected.rows(f"select * from {table} order by 1")
    deleted = protected.write(f"delete from {table}")
    protected.undo(deleted)
    updated = protected.write(f'update {table} set "order" = 5, "a ""b"" %" = \'z\' || "Key :y"')
    protected.run(f'update {table} set "order" = 6 where "Key :y" = 1')
    with pytest.raises(UndoConflictError) as caught:
        protected.undo(updated)
    assert caught.value.conflicts[0].fields == {"order": (5, 6, 1)}
    protected.undo(updated, force=True)
    assert protected.rows(f"select * from {table} order by 1") == before
