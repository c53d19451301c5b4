"""A session that lasts while a column is given another type: it goes on writing, and what it writes is told as ever."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import psycopg
import pytest

from holdfast.policies import Audit, Guard, Policy, SoftDelete, Tenant, Timestamps, Version
from tests.harness import Protected, journal
from tests.servers import libpq_url

pytestmark = pytest.mark.copy_of(build=journal)

COLUMNS = """\
id integer primary key, number integer, name varchar(5), price numeric(10,2), shop integer not null default 1,
deleted_at timestamptz, created_at timestamptz, updated_at timestamptz, version integer"""
PARTITIONS = (
    "create table {0}_low partition of {0} for values from (0) to (1000)",
    "create table {0}_high partition of {0} for values from (1000) to (9000)",
)
STAMPS = (SoftDelete(), Timestamps(), Version(), Guard(max_rows=100))
CASES: dict[str, tuple[Policy, ...]] = {
    "by statement": (Audit(),),
    "by row": (Audit(form="row"),),
    "all": (Audit(), *STAMPS),
    "all by row": (Audit(form="row"), *STAMPS),
    "with tenants": (Audit(form="row"), Tenant("shop")),
    "partitioned": (Audit(),),
    "all, partitioned": (Audit(), *STAMPS),
}


@pytest.mark.parametrize("case", CASES)
def test_a_session_goes_on(postgresql_database: str, case: str) -> None:
    """As one does that is opened afterwards."""
    protected = Protected(postgresql_database)
    partitioned = "partitioned" in case
    for table in ("kept", "fresh"):
        parts = [each.format(table) for each in PARTITIONS] if partitioned else []
        protected.run(f"create table {table} ({COLUMNS}) {'partition by range (id)' if parts else ''}", *parts)
    protected.protect({"kept": CASES[case], "fresh": CASES[case]})
    url = libpq_url(postgresql_database)
    with psycopg.connect(url, autocommit=True) as session:
        for number in range(2):
            work(session, "kept", 10 * number + 10)
        with psycopg.connect(url, autocommit=True) as other:
            for number in range(2):
                work(other, "fresh", 10 * number + 10)
        for table in ("kept", "fresh"):
            for change in ("number type bigint", "name type text", "price type numeric", "id type bigint"):
                if not (partitioned and change.startswith("id")):
                    protected.run(f"alter table {table} alter {change}")
        work(session, "kept", 500)
    with psycopg.connect(url, autocommit=True) as other:
        work(other, "fresh", 500)
    assert len(told(protected, "fresh")) > 20
    assert told(protected, "kept") == told(protected, "fresh")


def work(session: psycopg.Connection[psycopg.rows.TupleRow], table: str, first: int) -> None:
    a, b, c = range(first, first + 3)
    session.execute("set holdfast.tenant = '1'")
    for statement in (
        f"insert into {table} (id, number, name, price) values ({a}, 1, 'a', 1), ({b}, 2, 'b', 2), ({c}, 3, 'c', null)",
        f"update {table} set number = 5, name = 'other' where id = {a}",
        f"update {table} set number = 5 where id = {a}",
        f"update {table} set id = id + 2000, price = 7.5 where id = {c}",
        f"delete from {table} where id = {a}",
        f"update {table} set price = price * 2 where id >= {first}",
    ):
        session.execute(statement)


def told(protected: Protected, table: str) -> Sequence[object]:
    """All that the journal says of a table, but for the times in its rows."""

    def but_times(image: dict[str, object] | None) -> dict[str, object]:
        return {name: value for name, value in (image or {}).items() if not name.endswith("_at")}

    changes = protected.log(table)
    return [(each.operation, each.key, but_times(each.before), but_times(each.after)) for each in changes]


# Two values of each type that a column has, or has then.
VALUES = {
    "smallint": ("1", "-2"),
    "integer": ("1", "-2"),
    "bigint": ("1", "4000000000"),
    "whole": ("1", "-2"),
    "numeric": ("1.50", "2"),
    "double precision": ("0.1", "-0"),
    "boolean": ("true", "false"),
    "text": ("07", 'a "b" \\'),
    "varchar(9)": ("07", '"b"'),
    "char(4)": ("a", '"b"'),
    "name": ("07", '"b"'),
    "mood": ("good", "bad"),
    "jsonb": ("null", '{"a": [1, null]}'),
    "json": ("null", '{"a":   [1]}'),
    "bytea": (r"\x00", r"\x01ff"),
    "uuid": ("d9428888-122b-11e1-b85c-61cd3cbb3210", "d9428888-122b-11e1-b85c-61cd3cbb3211"),
    "timestamptz": ("2026-01-02 03:04:05.678901+00", "infinity"),
    "timestamp": ("2026-01-02 03:04:05", "infinity"),
    "date": ("2026-01-02", "0044-03-15 BC"),
    "money": ("1.50", "-2"),
    "oid": ("1", "4000000000"),
    "regclass": ("pg_class", "pg_type"),
    "text[]": ("{a,NULL}", "{}"),
    "integer[]": ("{1,NULL}", "{}"),
}
# Of what type a column was: what is recorded of it before `protect` runs again, and what is refused.
WINDOW: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "smallint": (("integer", "bigint"), ("text", "jsonb")),
    "integer": (
        ("smallint", "bigint", "numeric", "double precision"),
        ("text", "jsonb", "boolean", "oid", "regclass", "integer[]"),
    ),
    "whole": (("bigint",), ("text", "jsonb")),
    "boolean": ((), ("text", "integer", "jsonb", "text[]")),
    "numeric": (("integer", "double precision", "text"), ()),
    "double precision": (("integer", "numeric", "text"), ()),
    "text": (
        (
            *("varchar(9)", "char(4)", "name", "mood", "integer", "numeric", "double precision", "boolean"),
            *("jsonb", "bytea", "uuid", "timestamptz", "date", "text[]", "integer[]"),
        ),
        (),
    ),
    "varchar(9)": (("text", "jsonb", "uuid", "text[]"), ()),
    "char(4)": (("text", "varchar(9)"), ()),
    "mood": (("text", "jsonb"), ()),
    "jsonb": (("text", "json", "text[]"), ()),
    "bytea": ((), ("text", "jsonb", "uuid")),
    "uuid": (("text",), ()),
    "timestamptz": (("text", "timestamp", "date"), ()),
    "date": (("text", "timestamptz"), ()),
    "money": (("integer", "numeric"), ()),
    "text[]": (("text", "jsonb", "integer[]"), ()),
}


# Both forms spell values by the same expressions; by row some of each kind are enough.
@pytest.mark.parametrize(
    ("old", "form"), [*((each, "auto") for each in WINDOW), *((each, "row") for each in ("integer", "boolean", "text"))]
)
def test_what_is_written_before_protect(postgresql_database: str, old: str, form: Literal["auto", "row"]) -> None:
    """By a session of before, and by a new one: it is told as it was written, or refused."""
    protected = Protected(postgresql_database)
    protected.run("create domain whole as integer", "create type mood as enum ('good', 'bad')")
    recorded = {f"recorded_{number}": new for number, new in enumerate(WINDOW[old][0])}
    refused = {f"refused_{number}": new for number, new in enumerate(WINDOW[old][1])}
    declared: dict[str, list[Policy]] = {}
    for table in (*recorded, *refused):
        protected.run(
            f"create table {table} (id integer primary key, value {old})",
            f"insert into {table} select id, '{VALUES[old][0]}' from generate_series(1, 5) as id",
        )
        declared[table] = [Audit(form=form, inserts="full")]
    protected.protect(declared)
    states: dict[str, list[str]] = {table: [] for table in declared}
    url = libpq_url(postgresql_database)
    with psycopg.connect(url, autocommit=True) as session, psycopg.connect(url, autocommit=True) as other:
        for table in declared:
            for statement in (*written(table, VALUES[old], 1), *written(table, VALUES[old], 2)):
                session.execute(statement)
        for table, new in (recorded | refused).items():
            protected.run(f"alter table {table} alter value type {new} using '{VALUES[new][0]}'")
            for writer, row in ((session, 3), (other, 4)):
                states[table].append(protected.checksum(table))
                if table in recorded:
                    with writer.transaction():
                        for statement in written(table, VALUES[new], row):
                            writer.execute(statement)
                    continue
                for statement in written(table, VALUES[new], row):
                    with pytest.raises(psycopg.ProgrammingError):
                        writer.execute(statement)

    protected.protect({})

    for table, new in refused.items():
        assert {protected.checksum(table)} == set(states[table]), new
        states[table] = [protected.checksum(table)]
        protected.run(*written(table, VALUES[new], 5))
    assert protected.rows("select count(*) from holdfast.timeline where before is null and after is null") == [(0,)]
    for table, new in (recorded | refused).items():
        window = dict.fromkeys(change.transaction for change in protected.log(table)[-3 * len(states[table]) :])
        for transaction, state in zip(reversed(window), reversed(states[table]), strict=True):
            protected.undo(transaction)
            assert protected.checksum(table) == state, new


def written(table: str, values: tuple[str, str], row: int) -> tuple[str, ...]:
    """Three statements, each of them one change."""
    return (
        f"insert into {table} values ({row + 100}, '{values[1]}')",
        f"update {table} set value = '{values[1]}' where id = {row}",
        f"delete from {table} where id = {row}",
    )
