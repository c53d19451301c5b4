"""Names and keys of every sort: through protect, writes, log, undo, status and unprotect."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pytest

from holdfast.errors import DeclarationError, GuardError, StaleVersionError
from holdfast.policies import Audit, Guard, SoftDelete, Timestamps, Version
from tests.harness import Protected, journal
from tests.servers import pg_dump_schema

pytestmark = pytest.mark.copy_of(build=journal)

NAMES = (
    "order",
    "Select",
    "MixedCase",
    "x" * 63,
    "ü" * 31 + "x",
    'with "quotes"',
    '"',
    "it's",
    "100% %s %I %L %1$I %I.%I %(x)s",
    "a:b :name ::text @p ?",
    "back\\slash \\x \\' \\",
    "$1 $$ $holdfast$ $holdfast_$",
    "line\nbreak\tand tab\r\n-- comment",
    "{braces} {{x}} {0}",
    "漢字 ünï 🦄 é",
    " spaced ",
    "dot.ted",
    "/* comment */ --",
    "; drop table x; --",
    "null",
    "old_rows",
    "v_old",
    "key",
    "1",
)
EVERYTHING = (Audit(), SoftDelete(), Timestamps(), Version(), Guard(max_rows=2))


def quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def dump(protected: Protected) -> Any:
    if protected.name == "sqlite":
        return protected.rows("select type, name, tbl_name, sql from sqlite_schema order by 1, 2")
    return pg_dump_schema(protected.url)


def open_empty(url: str) -> Protected:
    if url.startswith("sqlite"):
        pathlib.Path(url.removeprefix("sqlite:///")).touch()
    return Protected(url)


@pytest.mark.copy_of(build=None)
@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_name(database: str, name: str) -> None:
    protected = open_empty(database)
    where = ""
    if protected.name == "postgresql":
        where = f"{quote(name)}."
        protected.run(f"create schema {quote(name)}")
    table, column = where + quote(name), quote(name)
    child = where + quote("child")
    value = "v" if name != "v" else "w"
    protected.run(
        f"create table {table} ({column} integer primary key, {value} text)",
        f"create table {child} (id integer primary key, {column} integer references "
        f"{quote(name) if not where else table} on delete cascade)",
        f"insert into {table} values (1, 'a'), (2, 'b')",
        f"insert into {child} values (1, 1), (2, 2)",
    )
    schema = name if where else "main"
    before = dump(protected)
    protected.protect({f"{schema}.{name}": EVERYTHING, f"{schema}.child": EVERYTHING}, add_columns=True)
    assert protected.drift() == []
    assert protected.plan({f"{schema}.{name}": EVERYTHING}).empty
    rows = f"select {column}, {value} from {table} where deleted_at is null order by 1"

    changed = protected.write(f"update {table} set {value} = 'x' where {column} = 1")
    inserted = protected.write(f"insert into {table} ({column}, {value}) values (3, 'c')")
    entries = [each for each in protected.log(f"{schema}.{name}") if each.operation in ("insert", "update")]
    assert [(each.before and each.before[value], each.after and each.after[value]) for each in entries] == [
        ("a", "x"),
        (None, "c"),
    ]
    assert entries[1].after is not None
    assert entries[1].after[name] == 3
    protected.undo(inserted)
    protected.undo(changed)
    assert protected.rows(rows) == [(1, "a"), (2, "b")]

    deleted = protected.write(f"delete from {table} where {column} = 1")
    assert protected.rows(rows) == [(2, "b")]
    protected.undo(deleted)
    assert protected.rows(rows) == [(1, "a"), (2, "b")]
    assert protected.rows(f"select id from {child} where deleted_at is null order by 1") == [(1,), (2,)]

    with pytest.raises(StaleVersionError) as stale:
        protected.run(f"update {table} set {value} = 'y', version = 77 where {column} = 1")
    assert " ".join(name.replace("\\", "").split()) in " ".join(str(stale.value).replace("\\", "").split())
    protected.write(f"insert into {table} ({column}, {value}) values (3, 'c')")
    with pytest.raises(GuardError):
        protected.run(f"update {table} set {value} = 'y'")
    protected.unprotect(purge_history=True)
    assert dump(protected) == before


def test_two_schemas_with_the_same_table(postgresql_database: str) -> None:
    protected = Protected(postgresql_database)
    for schema in ("public", "a", '"A"', '"a.b"'):
        protected.run(
            f"create schema if not exists {schema}",
            f"create table {schema}.item (id integer primary key, v text)",
            f"insert into {schema}.item values (1, '{schema}')",
        )
    protected.protect({f"{schema}.item": [Audit()] for schema in ("public", "a", "A", "a.b")})
    protected.run("delete from a.item")
    deleted = protected.last_transaction()
    protected.run('delete from "A".item', 'update "a.b".item set v = null')
    protected.run("delete from item")
    assert [(each.table, each.operation) for each in protected.log()] == [
        ("a.item", "delete"),
        ("A.item", "delete"),
        ("a.b.item", "update"),
        ("item", "delete"),
    ]
    protected.undo(deleted)
    assert protected.rows("select * from a.item") == [(1, "a")]
    assert protected.rows('select * from "A".item') == []
    protected.unprotect("A.item")
    protected.run('insert into "A".item values (2, null)', "update a.item set v = 'x'")
    assert protected.log()[-1].table == "a.item"
    assert protected.drift() == []


def test_many_columns_named_as_the_recording_names_its_own(database: str) -> None:
    protected = open_empty(database)
    names = (
        "o",
        "n",
        "old",
        "new",
        "c",
        "u",
        "a",
        "b",
        "d",
        "e",
        "tg_op",
        "v_new",
        "v_before",
        "v_rows",
        "before",
    )
    columns = ", ".join(f"{quote(name)} integer" for name in names)
    protected.run(f"create table t (key integer primary key, {columns})")
    ones = ", ".join("1" for _ in names)
    protected.run(f"insert into t values (1, {ones}), (2, {ones})")
    protected.protect({"t": [Audit()]})
    before = protected.checksum("t")
    sets = ", ".join(f"{quote(name)} = 2" for name in names)
    for statement in (
        f"update t set {sets} where key = 1",
        f"update t set {sets}",
        "delete from t",
        "update t set key = key + 10",
    ):
        done = protected.write(statement)
        assert protected.checksum("t") != before
        protected.undo(done)
        assert protected.checksum("t") == before


# ---------------------------------------------------------------------- keys


KEYS: dict[str, tuple[str, tuple[str, str, str]]] = {
    "uuid": (
        "k uuid primary key",
        ("'00000000-0000-0000-0000-00000000000a'", "gen_random_uuid()", "gen_random_uuid()"),
    ),
    "text": ("k text primary key", ("''", "'null'", "E'q\"uo''te \\\\ \\n %s :x {} ü'")),
    "timestamptz": (
        "k timestamptz primary key",
        ("'2024-02-03 04:05:06.000007+00'", "'infinity'", "'1850-01-01 00:00+00'"),
    ),
    "timestamp": ("k timestamp primary key", ("'2024-02-03 04:05:06.7'", "'-infinity'", "'2024-03-02'")),
    "date": ("k date primary key", ("'2024-02-03'", "'2024-03-02'", "'0044-03-15 BC'")),
    "interval": ("k interval primary key", ("'1 mon'", "'1 day'", "'-1 s'")),
    "numeric": ("k numeric primary key", ("1.0", "12345678901234567890.123456789", "'NaN'")),
    "float": ("k float8 primary key", ("0.1::float8 + 0.2", "'-0'", "'NaN'")),
    "bytea": ("k bytea primary key", (r"'\x00ff'", r"'\x'", r"'\x5c'")),
    "boolean": ("k boolean not null unique", ("true", "false", "")),
    "enum": ("k mood primary key", ("'it''s'", "'Ω'", "'\"'")),
    "char": ("k char(4) primary key", ("'a'", "'ab'", "''")),
    "inet": ("k inet primary key", ("'10.0.0.1'", "'10.0.0.1/8'", "'::1'")),
    "bit": ("k bit varying primary key", ("B''", "B'0'", "B'00'")),
    "jsonb": ("k jsonb primary key", ("'null'", "'[1, \"a\"]'", "'{\"a\": 1}'")),
    "array": ("k text[] primary key", ("'{}'", "'{a,NULL}'", "'[0:0]={x}'")),
    "range": ("k tstzrange primary key", ("'empty'", "'[2024-02-03 00:00+00,)'", "'(,)'")),
    "domain": ("k code primary key", ("'a'", "'b'", "'c'")),
    "composite": ("k integer, l text, primary key (l, k)", ("1, 'a'", "1, 'b'", "2, 'a\",['")),
    "composite of times": (
        "k timestamptz, l date, m bytea, primary key (k, l, m)",
        (
            r"'2024-02-03 04:05+00', '2024-02-03', '\x00'",
            r"'2024-02-03 04:05+00', '2024-02-03', '\x01'",
            r"'2024-02-03 04:05+01', '2024-02-03', '\x00'",
        ),
    ),
    "unique alone": ("k integer not null, l text not null, unique (k, l)", ("1, 'a'", "1, 'b'", "2, 'a'")),
}


@pytest.mark.parametrize("form", ["statement", "row"])
@pytest.mark.parametrize("kind", KEYS)
def test_key(postgresql_database: str, kind: str, form: Any) -> None:
    protected = Protected(postgresql_database)
    columns, values = KEYS[kind]
    protected.run(
        "create type mood as enum ('it''s', 'Ω', '\"')",
        "create domain code as text check (value <> '')",
        f"create table t ({columns}, v integer)",
    )
    given = [each for each in values if each]
    protected.run(*(f"insert into t values ({each}, {number})" for number, each in enumerate(given[:-1])))
    protected.protect({"t": [Audit(form=form)]})
    hostile = ("set local timezone to 'Asia/Kathmandu'", "set local datestyle to 'German'",
               "set local intervalstyle to 'iso_8601'", "set local extra_float_digits to -15",
               "set local bytea_output to 'escape'")  # fmt: skip
    before = protected.checksum("t")
    protected.run(*hostile[:3], f"insert into t values ({given[-1]}, 9)")
    inserted = protected.log()[-1]
    protected.run(*hostile, "update t set v = 10 where v = 9")
    changed = protected.log()[-1]
    # Written by other sessions with other settings, it is the same key all the same.
    assert changed.key == inserted.key
    found = protected.log(key=json.dumps(inserted.key, ensure_ascii=False, separators=(",", ":"), default=str))
    assert [each.operation for each in found] == ["insert", "update"]
    protected.run("delete from t")
    for each in dict.fromkeys(each.transaction for each in reversed(protected.log())):
        protected.undo(each)
    assert protected.checksum("t") == before


ALIKE = {
    "numeric": ("numeric", "1.0", "1.00"),
    "float": ("float8", "0", "'-0'"),
    "interval": ("interval", "'1 mon'", "'30 days'"),
    "text": ("text", "'a'", "'A'"),
}


@pytest.mark.parametrize("form", ["statement", "row"])
@pytest.mark.parametrize("kind", ALIKE)
def test_a_key_that_becomes_another_of_the_same_value(postgresql_database: str, kind: str, form: Any) -> None:
    protected = Protected(postgresql_database)
    type_, one, other = ALIKE[kind]
    protected.run(f"create table t (k {type_} primary key, v integer)", f"insert into t values ({one}, 1)")
    protected.protect({"t": [Audit(form=form)]})
    before = protected.checksum("t")
    protected.run(f"update t set k = {other}", "update t set v = 2", "update t set v = 3")
    assert protected.checksum("t") != before
    protected.undo()
    assert protected.checksum("t") == before


def test_a_table_without_a_key_is_refused_with_the_way_out(database: str) -> None:
    protected = open_empty(database)
    protected.run(
        "create table loose (v integer)",
        "create table nullable (v integer unique)",
        "create table partial (v integer not null)",
        "create unique index part on partial (v) where v > 0",
    )
    for name in ("loose", "nullable", "partial"):
        if protected.name == "sqlite" and protected.inventory().resolve(name).key:
            continue
        with pytest.raises(DeclarationError) as refused:
            protected.protect({name: [Audit()]})
        assert refused.value.code == "HF101"
        assert "primary key" in refused.value.hint
    if protected.name == "postgresql":
        protected.run("alter table loose add id integer generated always as identity primary key")
        protected.protect({"loose": [Audit()]})
        assert protected.drift() == []
