"""Values of every type come back from an undo bit for bit, whatever the settings of the session that wrote them."""

from __future__ import annotations

import os
import pathlib
import struct
from collections.abc import Sequence
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import DBAPIError

from holdfast.database import execute
from holdfast.errors import UndoConflictError
from holdfast.policies import Audit
from tests.harness import Protected, journal
from tests.servers import EXTERNAL, Server, Servers, available, libpq_url
from tests.values import ELSEWHERE, GROUPS, NAUGHTY, Kind

pytestmark = pytest.mark.copy_of(build=journal)

HOSTILE = (
    {
        "TimeZone": "Asia/Kathmandu",
        "DateStyle": "German, DMY",
        "IntervalStyle": "sql_standard",
        "bytea_output": "escape",
        "extra_float_digits": "-15",
        "standard_conforming_strings": "off",
        "escape_string_warning": "off",
        "array_nulls": "off",
        "search_path": "weird, public",
    },
    {
        "TimeZone": "<-03:30>+03:30",
        "DateStyle": "SQL, DMY",
        "IntervalStyle": "iso_8601",
        "extra_float_digits": "0",
        "search_path": "public",
        "xmloption": "document",
        "quote_all_identifiers": "on",
        "transform_null_equals": "on",
    },
    {
        "TimeZone": "Europe/Amsterdam",
        "DateStyle": "Postgres, MDY",
        "IntervalStyle": "postgres_verbose",
        "extra_float_digits": "3",
    },
)


def write(protected: Protected, number: int, *statements: str) -> None:
    """In one transaction, under hostile settings."""
    chosen = [f"select set_config('{name}', '{value}', true)" for name, value in HOSTILE[number].items()]
    protected.run(*chosen, *statements)


def create(protected: Protected, kinds: Sequence[Kind], audit: Audit) -> int:
    """A table with a column for each type, and a row for each value and for null; gives the number of rows."""
    columns = ", ".join(f"v{number} {kind.type}" for number, kind in enumerate(kinds))
    protected.run(
        "create schema weird",
        # A search path that leads elsewhere must not lead the recording there.
        "create function weird.to_json(anyelement) returns json language sql as $$ select '\"wrong\"'::json $$",
        "create table kept (id integer primary key)",
        *(statement for kind in kinds for statement in kind.setup),
        f"create table t (id integer primary key, {columns}, other integer)",
    )
    rows = max(len(kind.values) for kind in kinds) + 1
    for row in range(rows):
        values = [(*kind.values, "null")[row % (len(kind.values) + 1)] for kind in kinds]
        protected.run(f"insert into t values ({row}, {', '.join(values)})")
    protected.protect({"t": [audit]})
    return rows


def bits(protected: Protected, kinds: Sequence[Kind]) -> dict[str, str]:
    """A digest of each column's values as they are sent, which is as they are kept."""
    digests = ", ".join(
        f"(select md5(string_agg(record_send(row(t.id, t.v{number}))::text, ' ' order by t.id)) from t)"
        for number in range(len(kinds))
    )
    [row] = protected.rows(f"select {digests}")
    return {str(kind): digest for kind, digest in zip(kinds, row, strict=True)}


def there_and_back(
    protected: Protected, kinds: Sequence[Kind], number: int, *statements: str, again: bool = False
) -> None:
    """Undo gives exactly what was there, and undoing that exactly what was written."""
    before = bits(protected, kinds)
    write(protected, number, *statements)
    after = bits(protected, kinds)
    assert {kind for kind in before if before[kind] == after[kind]} == set()
    undone = protected.undo()
    assert bits(protected, kinds) == before
    if again:
        assert undone.transaction is not None
        undone = protected.undo(undone.transaction)
        assert bits(protected, kinds) == after
        protected.undo(undone.transaction)
        assert bits(protected, kinds) == before


def check(protected: Protected, kinds: Sequence[Kind], audit: Audit, rows: int | None = None) -> None:
    rows = rows or create(protected, kinds, audit)
    here = range(len(kinds))

    def taken(row: str, other: str) -> str:
        # Each value differs from the next in its bits, if not by "=".
        values = ", ".join(f"s.v{number}" for number in here)
        names = ", ".join(f"v{number}" for number in here)
        source = f"select {values} from t as s where s.id = {other}"
        return f"update t set ({names}) = ({source}) where {row}"

    there_and_back(protected, kinds, 0, taken("true", f"(t.id + 1) % {rows}"), again=True)
    one_by_one = (taken(f"id = {row}", str((row + 1) % rows)) for row in range(rows))
    there_and_back(protected, kinds, 1, *one_by_one)
    there_and_back(protected, kinds, 1, "delete from t", again=True)
    there_and_back(protected, kinds, 2, "delete from t where id = 0", "update t set id = id + 100")
    columns = ", ".join(f"v{number}" for number in here)
    there_and_back(protected, kinds, 0, f"insert into t select id + 100, {columns} from t", again=True)
    there_and_back(protected, kinds, 2, "truncate t")
    written = len(protected.log())
    same = ", ".join(f"v{number} = v{number}" for number in here)
    write(protected, 1, f"update t set {same}", "update t set other = other", f"update t set {same} where id = 1")
    assert len(protected.log()) == written


@pytest.mark.parametrize("form", ["statement", "row"])
@pytest.mark.parametrize("group", GROUPS)
def test_types(postgresql_database: str, group: str, form: Any) -> None:
    check(Protected(postgresql_database), GROUPS[group], Audit(form=form))


def test_types_that_only_some_servers_have(servers: Servers) -> None:
    missing = list(ELSEWHERE)
    for version in () if EXTERNAL else available():
        server = servers.get(version)
        with server.new_database() as url:
            found = [kind for kind in missing if _knows(url, kind)]
            missing = [kind for kind in missing if kind not in found]
            if found:
                check(Protected(url), found, Audit())
    if missing:
        pytest.skip(f"types (no PostgreSQL here is built with them): {', '.join(map(str, missing))}")


def _knows(url: str, kind: Kind) -> bool:
    with Protected(url).connect() as connection:
        try:
            for statement in (*kind.setup, f"select cast({kind.values[0]} as {kind.type.partition(' ')[0]})"):
                execute(connection, statement)
        except DBAPIError:
            return False
        finally:
            connection.rollback()
    return True


def test_settings_of_the_database_hold_for_whoever_undoes_too(postgresql_database: str) -> None:
    protected = Protected(postgresql_database)
    kinds = [kind for group in ("times", "arrays", "types of one's own", "geometry") for kind in GROUPS[group]]
    rows = create(protected, kinds, Audit())
    [(name,)] = protected.rows("select current_database()")
    for setting, value in HOSTILE[0].items():
        protected.run(f"alter database {name} set {setting} = {value if setting == 'search_path' else repr(value)}")
    check(protected, kinds, Audit(), rows)
    assert protected.drift() == []


# ---------------------------------------------------------------------- columns that are more than their type


GENERATED = """create table t (
    id integer primary key, a integer, twice integer generated always as (a * 2) stored,
    number integer generated always as identity, other integer generated by default as identity (start 100),
    counted serial, label text default 'new', moment timestamptz default now()
)"""


@pytest.mark.parametrize("form", ["statement", "row"])
def test_generated_and_identity_columns(postgresql_database: str, form: Any) -> None:
    protected = Protected(postgresql_database)
    protected.run(GENERATED, "insert into t (id, a, label) values (1, 1, 'x'), (2, null, null), (3, 3, 'y')")
    protected.protect({"t": [Audit(form=form)]})
    before = protected.checksum("t")
    for statements in (
        ["update t set a = 5, other = 7, counted = 7, label = null, moment = null where id = 1"],
        ["update t set a = a + 5, other = default, label = default, moment = default"],
        ["update t set id = id + 10"],
        ["delete from t where id = 2"],
        ["delete from t"],
        ["insert into t (id) values (8), (9)"],
        ["truncate t restart identity"],
    ):
        protected.run(*statements)
        assert protected.checksum("t") != before
        protected.undo()
        assert protected.checksum("t") == before


def test_an_identity_that_nobody_may_write_is_a_conflict(postgresql_database: str) -> None:
    protected = Protected(postgresql_database)
    protected.run(GENERATED, "insert into t (id, a) values (1, 1)")
    protected.protect({"t": [Audit()]})
    protected.run("update t set number = default, a = 2")
    with pytest.raises(UndoConflictError, match="GENERATED ALWAYS"):
        protected.undo()
    assert protected.rows("select a, number from t") == [(2, 2)]


def test_virtual_columns_stay_out_of_the_journal(postgresql_database: str) -> None:
    """They are computed when they are read, so a trigger is not shown them, and there is nothing to give back."""
    protected = Protected(postgresql_database)
    [(version,)] = protected.rows("show server_version_num")
    if int(version) < 180_000:
        pytest.skip("virtual columns (need PostgreSQL 18)")
    protected.run(
        "create table t (id integer primary key, a integer, twice integer generated always as (a * 2) virtual)",
        "insert into t (id, a) values (1, 1), (2, 2)",
    )
    protected.protect({"t": [Audit()]})
    protected.run("update t set a = 5 where id = 1")
    protected.run("delete from t where id = 2", "delete from t")
    assert [(each.before, each.after) for each in protected.log()] == [
        ({"a": 1}, {"a": 5}),
        ({"id": 2, "a": 2}, None),
        ({"id": 1, "a": 5}, None),
    ]
    protected.undo()
    assert protected.rows("select * from t order by id") == [(1, 5, 10), (2, 2, 4)]


# ---------------------------------------------------------------------- random values


def _finite_or_not(bits: int) -> str:
    value = struct.unpack("d", struct.pack("Q", bits))[0]
    return "NaN" if value != value else repr(value)


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
documents = st.recursive(
    st.one_of(
        st.sampled_from(["null", "true", "1.0", "1.00", "-0", "1e5", '""', '" "', r'"\\"']), st.integers().map(str)
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda each: "[" + " ,".join(each) + " ]"),
        st.lists(st.tuples(st.sampled_from(["a", "b", "a b", ""]), inner), max_size=3).map(
            lambda each: "{" + ", ".join(f'"{name}":{value}' for name, value in each) + "}"
        ),
    ),
    max_leaves=8,
)
small = st.integers(-(10**6), 10**6)
RANDOM: dict[str, st.SearchStrategy[str]] = {
    "numeric": st.decimals(allow_nan=True, allow_infinity=True, min_value=None, places=None)
    .filter(lambda each: not each.is_snan() and (not each.is_finite() or abs(each.adjusted()) < 200))
    .map(lambda each: str(each).replace("-NaN", "NaN")),
    "float8": st.integers(0, 2**64 - 1).map(_finite_or_not),
    "text": st.one_of(texts, st.sampled_from(["null", '"', "\\", "{}", "%s", "''"])),
    "char(8)": texts.map(lambda each: each[:8]),
    "bytea": st.binary(max_size=20).map(lambda each: r"\x" + each.hex()),
    "json": documents,
    "jsonb": documents,
    "timestamptz": st.integers(-(2 * 10**17), 9 * 10**18).map(
        lambda each: (
            f"{2000 + each // (10**6 * 86400 * 366)}-01-01 00:00:00.{each % 10**6:06}+00"
            if each >= 0
            else f"1{-each % 900 + 100}-05-06 07:08:{-each % 60:02}.{-each % 10**6:06}+00"
        )
    ),
    "interval": st.tuples(small, small, small, st.integers(0, 999_999)).map(
        lambda each: f"{each[0]} mons {each[1]} days {each[2]} secs {each[3]} us"
    ),
    "text[]": st.lists(st.one_of(st.none(), texts), max_size=4).map(
        lambda each: (
            "{"
            + ",".join("NULL" if e is None else '"' + e.replace("\\", r"\\").replace('"', r"\"") + '"' for e in each)
            + "}"
        )
    ),
    "numrange": st.tuples(small, small, st.sampled_from(["[", "("]), st.sampled_from(["]", ")"])).map(
        lambda each: f"{each[2]}{min(each[:2])},{max(each[:2])}.{'0' * (each[0] % 3)}0{each[3]}"
    ),
}
rows = st.lists(
    st.tuples(*(st.tuples(*(st.one_of(st.none(), each) for each in RANDOM.values())) for _ in range(2))),
    min_size=1,
    max_size=25,
)


@settings(
    max_examples=int(os.environ.get("HOLDFAST_TEST_EXAMPLES", "0")) or 12,
    derandomize="HOLDFAST_TEST_EXAMPLES" not in os.environ,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(changes=rows)
def test_random_values(postgresql: Server, changes: Sequence[tuple[tuple[Any, ...], tuple[Any, ...]]]) -> None:
    with postgresql.new_database() as url:
        protected = Protected(url)
        columns = ", ".join(f"v{number} {kind}" for number, kind in enumerate(RANDOM))
        protected.run(f"create table t (id integer primary key, {columns})")
        values = ", ".join("%s" for _ in RANDOM)
        sets = ", ".join(f"v{number} = %s" for number in range(len(RANDOM)))
        with psycopg.connect(libpq_url(url)) as connection:
            for number, (old, _) in enumerate(changes):
                connection.execute(f"insert into t values ({number}, {values})", old)
        protected.protect({"t": [Audit()]})
        start = protected.checksum("t")
        with psycopg.connect(libpq_url(url)) as connection:
            for number, (_, new) in enumerate(changes):
                connection.execute(f"update t set {sets} where id = {number}", new)
        between = protected.checksum("t")
        if between != start:
            updated = protected.last_transaction()
            protected.run("delete from t")
            protected.undo()
            assert protected.checksum("t") == between
            # Undone itself, and the row deleted and brought back since, the change can still be taken back.
            protected.undo(updated)
            assert protected.checksum("t") == start


# ---------------------------------------------------------------------- SQLite


DYNAMIC = (
    "1", "1.0", "'1'", "'1.0'", "x'31'", "null", "''", "x''", "-0.0", "0.0", "0", "9e999", "-9e999", "0.1", "5e-324",
    "1.7976931348623157e308", "9223372036854775807", "-9223372036854775808", "9007199254740993", "x'00ff5c22'",
    "'\\x00'", "'null'", "'é'", "'e' || char(769)", "char(10, 9, 1, 34, 92, 127, 8232, 129412)", "' a '",
)  # fmt: skip
AFFINITIES = ("", "text", "integer", "real", "numeric", "blob", "varchar(2)", "boolean", "date", "decimal(5,2)", "json")


@pytest.mark.parametrize("affinity", AFFINITIES, ids=lambda each: each or "none")
def test_values_of_sqlite_come_back_as_they_were(sqlite_database: str, affinity: str) -> None:
    """Whatever type a value has, in a column of whatever type."""
    pathlib.Path(sqlite_database.removeprefix("sqlite:///")).touch()
    protected = Protected(sqlite_database)
    protected.run(f"create table t (id integer primary key, v {affinity}, other)")
    # What an affinity would convert is kept as it is by a column without one.
    for number, value in enumerate((*DYNAMIC, *NAUGHTY[:2])):
        protected.run(f"insert into t values ({number}, {value}, {value})")
    protected.protect({"t": [Audit()]})
    count = len(DYNAMIC) + 2
    for statement in (
        f"update t set (v, other) = (select s.v, s.other from t as s where s.id = (t.id + 1) % {count})",
        "update t set id = id + 100",
        "delete from t",
        "insert into t select id + 100, v, other from t",
        "insert or replace into t select id, null, v from t",
    ):
        before = protected.checksum("t")
        with protected.database.begin() as connection:
            for query in protected.database.dialect.bind_context({"actor": "writer"}):
                connection.exec_driver_sql(query.sql, dict(query.parameters))
            connection.exec_driver_sql(statement)
            for query in protected.database.dialect.unbind_context():
                connection.exec_driver_sql(query.sql, dict(query.parameters))
        after = protected.checksum("t")
        assert before != after
        undone = protected.undo()
        assert protected.checksum("t") == before
        assert undone.transaction is not None
        undone = protected.undo(undone.transaction)
        assert protected.checksum("t") == after
        protected.undo(undone.transaction)
        assert protected.checksum("t") == before
