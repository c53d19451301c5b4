"""Which changes of type PostgreSQL makes in its catalog alone."""

from __future__ import annotations

import pytest

from holdfast.lint import server_for
from holdfast.lint.history import History
from holdfast.lint.reading.types import keeps_rows, type_of
from holdfast.lint.servers import Server
from holdfast.lint.words import words_of

FREE = """\
varchar(50) -> varchar(100)
varchar(50) -> varchar
varchar(50) -> character varying(50)
varchar(50) -> text
text -> varchar
varchar -> text
citext -> text
numeric(10,2) -> numeric(12,2)
numeric(10,2) -> numeric
decimal(10) -> numeric(12)
timestamp(3) -> timestamp(6)
timestamp(3) -> timestamp
timestamp(3) with time zone -> timestamptz
time(2) -> time
interval(2) -> interval
varbit(8) -> bit varying(16)
cidr -> inet
int -> integer
int8 -> bigint"""
REWRITES = """\
integer -> bigint
bigint -> integer
smallint -> integer
varchar(100) -> varchar(50)
text -> varchar(50)
varchar -> varchar(50)
text -> integer
char(5) -> char(10)
char(5) -> text
numeric(10,2) -> numeric(12,4)
numeric(12,2) -> numeric(10,2)
numeric -> numeric(10,2)
timestamp -> timestamptz
timestamptz -> timestamp
timestamp(6) -> timestamp(3)
timestamp -> date
bit(8) -> bit(16)
inet -> cidr
json -> jsonb
varchar(10)[] -> varchar(20)[]
text -> uuid
double precision -> real"""


def pairs(text: str) -> list[tuple[str, str]]:
    return [(old, new) for old, _, new in (line.partition(" -> ") for line in text.splitlines())]


def kept(old: str, new: str, *, utc: bool = False) -> bool:
    types = [type_of(tuple(words_of(each, Server()))) for each in (old, new)]
    return keeps_rows(types[0], types[1], utc=utc)


@pytest.mark.parametrize("old, new", pairs(FREE))
def test_the_catalog_alone_changes(old: str, new: str) -> None:
    assert kept(old, new)


@pytest.mark.parametrize("old, new", pairs(REWRITES))
def test_rows_are_read_or_written(old: str, new: str) -> None:
    assert not kept(old, new)


def test_with_the_time_zone_utc_a_time_zone_costs_nothing() -> None:
    change = "ALTER TABLE orders ALTER COLUMN at TYPE timestamptz;"
    known = "CREATE TABLE orders (at timestamp);"

    for setting, expected in (("SET TIME ZONE 'UTC';", False), ("SET TIME ZONE 'Europe/Oslo';", True), ("", True)):
        assert reports_type(known, f"{setting}\n{change}") == expected


def test_using_that_computes_writes_each_row() -> None:
    known = "CREATE TABLE orders (note varchar(10));"

    assert not reports_type(known, "ALTER TABLE orders ALTER note TYPE text USING note::text;")
    assert reports_type(known, "ALTER TABLE orders ALTER note TYPE text USING lower(note);")
    assert reports_type(known, 'ALTER TABLE orders ALTER note TYPE text COLLATE "C";')


def reports_type(known: str, sql: str) -> bool:
    """Whether the rule reports it, on a table that was there before."""
    from holdfast.lint.checking import Migration, check
    from holdfast.lint.configuration import Configuration
    from holdfast.lint.statements import statements_of

    server = server_for("postgresql")
    before = Migration("before", tuple(statements_of(known, server, file="before")), checked=False)
    report = check([before, Migration("now", tuple(statements_of(sql, server)))], History(server), Configuration())
    return any(each.rule == "change-column-type" and each.severity == "error" for each in report.findings)
