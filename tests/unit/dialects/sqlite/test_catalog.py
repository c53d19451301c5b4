"""What is there, what stays there, and what is gone when protection is gone."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

import pytest

from holdfast.errors import GuardError, ProtectedError, UniqueError, UnsupportedError
from holdfast.objects import SCHEMA_VERSION
from holdfast.policies import Audit, Guard, SoftDelete, Timestamps, Version
from holdfast.tables import TableName


def schema(house: Any) -> list[tuple[Any, ...]]:
    return house("select type, name, tbl_name, sql from sqlite_schema order by type, name")


def installed(house: Any) -> list[Any]:
    """What protects the tables; the journal's own objects come beside it."""
    return [row for row in house.query(house.dialect.catalog.installed) if row["per_table"]]


def test_tables_are_described(house: Any) -> None:
    house.script("""
        create table "Up" (id integer primary key autoincrement, a text not null,
                           b varchar(10) default 'x', g as (a || b));
        create table down (x text, y int, up integer references up on delete set null on update cascade,
                           a, b, primary key (y, x),
                           foreign key (b, a) references other (p, q) on delete restrict) without rowid;
        create table other (p int, q int, r int, unique (p, q));
        create unique index part on other (r) where r > 0;
        create unique index computed on other (r + 1);
        create virtual table words using fts5 (w);
        create temp table scratch (x);
        create view v as select 1;
    """)
    house.protect(Up=Audit())
    tables = house.tables()
    names = {name.name: table.kind for name, table in tables.items()}
    assert {name: names[name] for name in ("Up", "down", "other", "words", "scratch", "words_data")} == {
        "Up": "ordinary", "down": "ordinary", "other": "ordinary", "words": "virtual", "scratch": "temporary",
        "words_data": "virtual",
    }  # fmt: skip
    assert not [name for name in names if name.startswith(("holdfast", "sqlite"))]
    assert "v" not in names
    up = tables[TableName("main", "Up")]
    assert (up.key, up.autoincrement, [c.name for c in up.writable]) == (("id",), True, ["id", "a", "b"])
    assert [(c.type, c.base_type, c.nullable, c.default) for c in up.columns[:3]] == [
        ("INTEGER", "integer", False, None), ("TEXT", "text", False, None), ("varchar(10)", "varchar", True, "'x'"),
    ]  # fmt: skip
    down = tables[TableName("main", "down")]
    assert (down.key, down.without_rowid) == (("y", "x"), True)
    keys = {key.target.name: key for key in down.foreign_keys}
    assert (keys["Up"].columns, keys["Up"].target_columns, keys["Up"].on_delete, keys["Up"].on_update) == (
        ("up",), ("id",), "SET NULL", "CASCADE",
    )  # fmt: skip
    assert (keys["other"].columns, keys["other"].target_columns) == (("b", "a"), ("p", "q"))
    assert [key.table.name for key in up.referenced_by] == ["down"]
    other = tables[TableName("main", "other")]
    assert sorted((u.name, u.partial) for u in other.uniques) == [
        ("computed", True), ("part", True), ("sqlite_autoindex_other_1", False),
    ]  # fmt: skip


def test_state(house: Any) -> None:
    empty = json.loads(house.query(house.dialect.catalog.state)[0][0])
    assert (empty["marker"], empty["schema_exists"], empty["schema_version"]) == (None, False, None)
    assert empty["version"] == sqlite3.sqlite_version
    house("create table t (id integer primary key)")
    house.protect(t=Audit())
    state = json.loads(house.query(house.dialect.catalog.state)[0][0])
    assert (state["marker"], state["schema_version"]) == (f"holdfast:0.1.0 schema={SCHEMA_VERSION}", SCHEMA_VERSION)


def test_installed_objects_are_known_and_alterations_seen(house: Any) -> None:
    house("create table t (id integer primary key, x)")
    house.protect(t=(Audit(), SoftDelete(), Timestamps(), Version(), Guard(max_rows=9)))
    wanted = {each.identity: each.checksum for each in house.dialect.objects(house["t"], house.protections)}
    found = {(row["kind"], f"{row['schema_name']}.{row['table_name']}", row["name"]): row for row in installed(house)}
    assert {identity: row["source"] for identity, row in found.items()} == wanted
    assert not any(row["altered"] for row in found.values())
    house("drop trigger holdfast_record_delete_1")
    house("drop trigger holdfast_record_insert_1")
    house("create trigger holdfast_record_insert_1 after insert on t begin select 1; end")
    present = {row["name"]: bool(row["altered"]) for row in installed(house)}
    assert "holdfast_record_delete_1" not in present
    assert present["holdfast_record_insert_1"]
    assert sum(present.values()) == 1


def test_renames_keep_recording_and_are_seen(house: Any) -> None:
    house("create table t (id integer primary key, x)")
    house.protect(t=(Audit(), SoftDelete(), Version()))
    house("alter table t rename column x to xx")
    house("alter table t rename to tt")
    house("insert into tt (id, xx) values (1, 'a')")
    house("update tt set xx = 'b'")
    house("delete from tt")
    assert [each["operation"] for each in house.log()] == ["I", "U", "S"]
    assert house("select version from tt") == [(3,)]
    assert all(row["altered"] for row in installed(house))
    relation = json.loads(house.query(house.dialect.catalog.relations)[0][0])
    assert relation["name"] == "tt"
    with pytest.raises(sqlite3.OperationalError, match="error in trigger"):
        house("alter table tt drop column xx")


@pytest.mark.parametrize(
    "ddl",
    [
        "CREATE TABLE t (id INTEGER PRIMARY KEY, -- key\n  note TEXT DEFAULT 'a,b', CHECK (note <> ')') /* end */\n)",
        "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT)",
        "CREATE TABLE t (a TEXT, b INT, PRIMARY KEY (a, b)) STRICT, WITHOUT ROWID",
        "CREATE TABLE t(id integer primary key, x, y AS (x+1) STORED, UNIQUE(x))",
    ],
)
def test_unprotect_leaves_every_byte_as_it_was(house: Any, ddl: str) -> None:
    house(ddl)
    house("create trigger mine after insert on t begin select 1; end")
    before = schema(house)
    policies = (Audit(), SoftDelete('de"l'), Timestamps(), Version(), Guard(max_rows=3))
    house.protect(t=policies)
    house("insert into t (a, b) values ('x', 1)" if "a TEXT" in ddl else "insert into t (id) values (1)")
    house("delete from t")
    dialect, protection = house.dialect, house["t"]
    for row in installed(house):
        house(f"drop trigger {row['name']}")
    for column in ('de"l', "created_at", "updated_at", "version"):
        for statement in dialect.columns.drop(protection.table.name, column):
            house(statement)
    for statement in (*dialect.unregister(protection.relation), *dialect.forget(protection.relation)):
        house(statement)
    assert house("select count(*) from holdfast_change") == [(0,)]
    assert house("select count(*) from holdfast_value") == [(0,)]
    for statement in dialect.remove_journal():
        house(statement)
    assert schema(house) == before


def test_forget_keeps_the_history_of_others(house: Any) -> None:
    house.script("create table a (id integer primary key); create table b (id integer primary key);")
    house.protect(a=Audit(), b=Audit())
    house.work("insert into a values (1)")
    house.work("insert into b values (1)")
    house.work("insert into a values (2)")
    for statement in house.dialect.forget(house["a"].relation):
        house(statement)
    assert [each["table_name"] for each in house.log()] == ["b"]
    assert house("select * from holdfast_context") == []
    with pytest.raises(sqlite3.IntegrityError, match="HF201"):
        house("delete from holdfast_change")
    assert house.work("insert into b values (2)") == "4"


def test_installing_again_changes_nothing(house: Any) -> None:
    house("create table t (id integer primary key)")
    house.protect(t=Audit())
    before = schema(house)
    for statement in house.dialect.install_journal("0.1.0", False):
        house(statement)
    assert schema(house) == before


def test_virtual_tables_are_refused(house: Any) -> None:
    house("create virtual table words using fts5 (w)")
    with pytest.raises(UnsupportedError, match="HF413"):
        house.protect(words=Audit())


def test_errors_are_ours(house: Any, tmp_path: Any) -> None:
    house("create table t (id integer primary key)")
    house.protect(t=(Audit(), Guard(max_rows=1)))
    house("insert into t values (1), (2)")

    def error(connection: sqlite3.Connection, sql: str) -> Any:
        with pytest.raises(sqlite3.Error) as raised:
            connection.execute(sql)
        return house.dialect.error(raised.value)

    guard = error(house.connection, "delete from t")
    assert isinstance(guard, GuardError)
    assert guard.hint.startswith("If it is meant")
    assert isinstance(error(house.connection, "delete from holdfast_change"), ProtectedError)
    assert isinstance(error(house.connection, "insert into t values (1)"), UniqueError)
    assert error(house.connection, "nonsense") is None
    other = house.connect()
    other.execute("pragma busy_timeout = 0")
    house("begin immediate")
    assert error(other, "insert into t values (9)").code == "HF614"
    house("rollback")
    other.close()
    reader = sqlite3.connect(f"file:{house.path}?mode=ro", uri=True)
    assert error(reader, "insert into t values (9)").code == "HF405"
    reader.close()
    (tmp_path / "text.db").write_bytes(b"not a database at all, but long enough to be looked at" * 50)
    text = sqlite3.connect(tmp_path / "text.db")
    assert error(text, "select * from sqlite_schema").code == "HF406"
    text.close()
    with pytest.raises(sqlite3.OperationalError) as raised:
        sqlite3.connect(tmp_path / "no" / "such.db")
    assert house.dialect.error(raised.value).code == "HF406"


def test_statements_without_a_context_are_told_apart(house: Any) -> None:
    house("create table t (id integer primary key, x)")
    house.protect(t=Audit())
    house("begin")
    house("insert into t values (1, 1), (2, 1), (3, 1)")
    house.connection.executemany("update t set x = x + 1 where id = ?", [(1,), (2,), (3,)])
    house("update t set x = 0")
    house("delete from t")
    house("commit")
    sizes: dict[str, int] = {}
    for each in house.log():
        sizes[each["transaction"]] = sizes.get(each["transaction"], 0) + 1
    assert list(sizes.values()) == [3, 1, 1, 1, 3, 3]


def test_statements_of_two_connections_are_told_apart(house: Any) -> None:
    house("create table t (id integer primary key, x)")
    house.protect(t=Audit())
    other = house.connect()
    for number in range(1, 21):
        (house.connection if number % 2 else other).execute(f"insert into t values ({number}, 1)")
    other.close()
    assert len({each["transaction"] for each in house.log()}) == 20


def test_log_filters(house: Any) -> None:
    from datetime import UTC, datetime, timedelta

    house("create table t (id integer primary key, x)")
    house.protect(t=Audit())
    first = house.work("insert into t values (1, 1)", actor="alice", reason="why", tenant="t1", request=7)
    house.work("update t set x = 2", actor="bob")
    assert [each["actor"] for each in house.log("t", actor="bob")] == ["bob"]
    assert [each["operation"] for each in house.log("t", operation="update")] == ["U"]
    assert [each["operation"] for each in house.log("t", transaction=first)] == ["I"]
    assert [each["operation"] for each in house.log("t", key="1", above=1)] == ["U"]
    now = datetime.now(UTC)
    assert len(house.log(since=now - timedelta(hours=1), until=now)) == 2
    assert house.log(since=now + timedelta(hours=1)) == []
    row = dict(house.query(house.dialect.log.transaction(first))[0])
    assert (row["id"], row["actor"], row["tenant"], row["reason"], row["context"]) == (
        first, "alice", "t1", "why", '{"request": 7}',
    )  # fmt: skip
    assert [tuple(each) for each in house.query(house.dialect.log.tables(first))] == [(1, "main", "t", 1)]
    assert house.query(house.dialect.log.transaction("x")) == []
