"""A session that lasts while a column is given another type: it goes on writing, and what it writes is told as ever."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg
import pytest

from holdfast.policies import Audit, Guard, Policy, SoftDelete, Tenant, Timestamps, Version
from tests.harness import Protected
from tests.servers import libpq_url

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
