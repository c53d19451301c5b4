"""Dropped one at a time, each trigger of SQLite is missed by some check, and by ``status``."""

from __future__ import annotations

import itertools
import json
import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from holdfast.dialects.log import LogFilter
from holdfast.journal import OPERATIONS
from holdfast.policies import Audit, Guard, SoftDelete, Timestamps, Version
from tests.harness import Protected

SCHEMA = (
    "create table parent (id integer primary key, n int default 0, code text unique)",
    "create table child (id integer primary key, parent int references parent on delete cascade, code text unique)",
    "create table note (id integer primary key, parent int references parent on delete set null, code text unique)",
    "create table invoice (id integer primary key, parent int references parent on delete restrict)",
    "create table entry (id integer primary key, n int, code text unique)",
)
OTHERS = """\
create trigger others_{0} after update of code on {0} when new.code < 'z'
begin update {0} set code = 'z' where id = new.id; end;
create trigger others_write_{0} after update on invoice
begin update {0} set code = 'w' where id = 1; update {0} set code = 'x' where id = 1; end"""
"""Triggers of the user's own: they come first, and what they write has happened after what set them off."""
DECLARED = {
    "parent": (Audit(), SoftDelete(), Timestamps(), Version(), Guard(max_rows=3)),
    "child": (Audit(), SoftDelete()),
    "note": (Audit(inserts="full"), Guard(max_rows=2)),
    "entry": (Audit(), SoftDelete(raw_delete="refuse"), Version()),
}
ROWS = (
    "insert into parent (id, code) values (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd'), (8, 'h'), (9, 'i'), (10, 'j')",
    "insert into child (id, parent, code) values (1, 1, 'a'), (2, 2, 'b'), (3, 3, 'c'), (4, null, 'd')",
    "insert into note values (1, 1, 'a'), (2, 2, 'b'), (3, null, 'c')",
    "insert into invoice values (1, 9)",
    "insert into entry (id, n, code) values (1, 1, 'a'), (2, 2, 'b')",
)


@dataclass(frozen=True)
class Check:
    """Statements in a transaction that is rolled back, and what comes of them: a refusal, or an answer."""

    statements: str
    expected: object
    query: str = "select null"


@dataclass(frozen=True)
class Told:
    """Statements, and the changes that the journal then tells of, in their order."""

    statements: str
    expected: list[str]


def allowing(word: str, statements: str) -> str:
    return f"insert into holdfast_context (allow) values ('{word}'); {statements}"


AUDITED = tuple(DECLARED)
SOFT = ("parent", "child", "entry")
STAMPED = "select deleted_at > '2020' from {} where id = {}"

CHECKS: list[Check | Told] = [
    *(Told(f"insert into {table} (id) values (50)", [f"{table} insert 50"]) for table in AUDITED),
    *(Told(f"update {table} set code = 'x' where id = 1", [f"{table} update 1 to x"]) for table in AUDITED),
    *(Told(allowing("hard_delete", f"delete from {table} where id = 2"), [f"{table} delete 2"]) for table in SOFT[1:]),
    Told(allowing("hard_delete", "delete from parent where id = 10"), ["parent delete 10"]),
    Told("delete from note where id = 1", ["note delete 1"]),
    # The key changes; and a row gives way to another without one that changes.
    *(
        Told(f"update {table} set id = 60 where id = {key}", [f"{table} update {key}", f"{table} update 60"])
        for table, key in (("parent", 10), ("child", 1), ("note", 1), ("entry", 1))
    ),
    *(
        Told(
            allowing("hard_delete", f"update or replace {table} set code = '{code}' where id = {key}"),
            [f"{table} delete {gone}", f"{table} update {key} to {code}"],
        )
        for table, key, gone, code in (
            ("parent", 4, 10, "j"),
            ("child", 1, 2, "b"),
            ("note", 1, 2, "b"),
            ("entry", 1, 2, "b"),
        )
    ),
    Told("insert or replace into note (id, code) values (3, 'y')", ["note delete 3", "note insert 3"]),
    *(Check(f"insert or replace into {table} (id) values (1)", "HF201") for table in SOFT),
    *(Check(f"update or replace {table} set code = 'b' where id = 1", "HF201") for table in SOFT),
    # The guard; for what is deleted for good, too.
    Check("update parent set n = 5", "HF204"),
    Check("update note set code = null", "HF204"),
    Check("delete from note", "HF204"),
    Check("delete from parent where id < 9", "HF204"),
    Check(allowing("hard_delete", "delete from child; delete from parent where id <> 9"), "HF204"),
    Check(
        allowing("hard_delete,9", "delete from child; delete from parent where id <> 9"),
        1,
        "select count(*) from parent",
    ),
    # The mark, and what refers to the row.
    Check("delete from entry where id = 1", "HF201"),
    Check("delete from parent where id = 9", "HF201"),
    *(
        Check(f"delete from {table} where id = 1", 1, f"select count(*) from {table} where id = 1 and deleted_at > ''")
        for table in SOFT[:2]
    ),
    Check("delete from parent where id = 1", "1", "select group_concat(id) from child where deleted_at is not null"),
    Check("delete from parent where id = 1", None, "select parent from note where id = 1"),
    *(Check(f"update {table} set deleted_at = '1' where id = 2", 1, STAMPED.format(table, 2)) for table in SOFT),
    *(
        Check(
            f"update {table} set deleted_at = '1' where id = 2; update {table} set deleted_at = '3' where id = 2",
            1,
            f"select deleted_at < '3' from {table} where id = 2",
        )
        for table in SOFT
    ),
    Check(
        "delete from parent where id = 1; update parent set deleted_at = null where id = 1",
        0,
        "select count(*) from child where deleted_at is not null",
    ),
    Check("delete from parent where id = 3; update child set deleted_at = null where id = 3", "HF201"),
    *(
        Check(f"delete from parent where id = 3; insert into {table} (id, parent) values (60, 3)", "HF201")
        for table in ("child", "note", "invoice")
    ),
    *(
        Check(f"delete from parent where id = 3; update {table} set parent = 3 where id = 1", "HF201")
        for table in ("child", "note", "invoice")
    ),
    # Version and times.
    *(Check(f"update {table} set version = 7 where id = 1", "HF202") for table in ("parent", "entry")),
    *(
        Check(f"insert into {table} (id, version) values (50, 9)", 1, f"select version from {table} where id = 50")
        for table in ("parent", "entry")
    ),
    *(
        Check(f"update {table} set code = 'x' where id = 1", 2, f"select version from {table} where id = 1")
        for table in ("parent", "entry")
    ),
    Check(
        "insert into parent (id, created_at) values (50, '1')",
        1,
        "select created_at > '2020' from parent where id = 50",
    ),
    Check("update parent set updated_at = '1' where id = 1", 1, "select updated_at > '2020' from parent where id = 1"),
    # The journal itself.
    *(
        Check(statement.format(table, key), "HF201")
        for table, key in (("transaction", "id"), ("change", "id"), ("value", "change"))
        for statement in (
            "update holdfast_{0} set {1} = {1}",
            "delete from holdfast_{0}",
            "insert or replace into holdfast_{0} select * from holdfast_{0}",
        )
    ),
]
IN_ORDER = """\
select group_concat(after, ', ') from (
    select v.after from holdfast_change as c
    join holdfast_relation as r on r.id = c.relation and r.name = '{0}'
    join holdfast_column as n on n.relation = r.id and n.name = 'code'
    join holdfast_value as v on v.change = c.id and v.column_id = n.id
    where c.transaction_id = (select max(id) from holdfast_transaction)
    order by coalesce(c.place, c.id)
)"""
BESIDE_OTHERS: list[Check | Told] = [
    Check(allowing("mass", "update invoice set id = 2"), "w, z, x, z", IN_ORDER.format(table)) for table in AUDITED
]


class Copy:
    """A copy of a database, and a bare connection to it, as any program may open one; each check is taken back."""

    def __init__(self, database: Protected, without: str = "") -> None:
        path = Path(str(database.database.url.database))
        self.connection = sqlite3.connect(shutil.copy(path, path.with_suffix(".copy")), isolation_level=None)
        self.connection.execute("pragma foreign_keys = on")
        if without:
            self.connection.execute(f"drop trigger {without}")
        for name, (arguments, function) in database.database.dialect.functions.items():
            self.connection.create_function(name, arguments, function)
        [(self.before,)] = self.connection.execute("select max(id) from holdfast_change")
        self.log = database.database.dialect.log.changes(LogFilter(limit=None))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def outcome(self, check: Check | Told) -> object:
        self.connection.execute("begin")
        try:
            for statement in check.statements.split("; "):
                self.connection.execute(statement)
            if isinstance(check, Told):
                rows = self.connection.execute(self.log.sql, dict(self.log.parameters)).fetchall()
                return [told(row) for row in rows[::-1] if row[0] > self.before]
            [(answer,)] = self.connection.execute(check.query)
            return answer
        except sqlite3.IntegrityError as error:
            return str(error)[:5]
        finally:
            self.connection.execute("rollback")

    def missed(self, checks: Iterable[Check | Told], nearest: str = "") -> Iterator[str]:
        """Checks that do not come out as they should; those that write to that table first."""
        for check in sorted(checks, key=lambda check: nearest not in check.statements.replace(";", "").split()):
            if (came := self.outcome(check)) != check.expected:
                yield f"{check.statements}: {came}"


def told(row: Sequence[Any]) -> str:
    *_, table, key, operation, _committed, before, after = row
    written = json.loads(after).get("code") if before and after else None
    return f"{table} {OPERATIONS[operation]} {key}{f' to {written}' if written else ''}"


def prepared(path: Path, *later: str) -> Protected:
    path.touch()
    database = Protected(f"sqlite:///{path}")
    database.run(*SCHEMA)
    database.protect(DECLARED, add_columns=True)
    database.run(*later)
    for rows in ROWS:
        database.run("insert into holdfast_context (allow) values ('mass')", rows, "delete from holdfast_context")
    return database


def test_nothing_can_be_dropped_unnoticed(tmp_path: Path) -> None:
    plain = prepared(tmp_path / "plain.db")
    others = prepared(
        tmp_path / "others.db", *(each for table in AUDITED for each in OTHERS.format(table).split(";\n"))
    )
    triggers = plain.rows("select name, tbl_name from sqlite_schema where type = 'trigger' order by 1")
    assert len(triggers) > 60
    unnoticed = []
    for name, table in [("", ""), *triggers]:
        with Copy(plain, without=name) as alone, Copy(others, without=name) as beside:
            misses = itertools.chain(beside.missed(BESIDE_OTHERS, table), alone.missed(CHECKS, table))
            if not name:
                assert list(misses) == []
            elif next(misses, None) is None:
                unnoticed.append(name)
    assert unnoticed == []


def test_status_names_each_trigger_that_is_dropped(tmp_path: Path) -> None:
    database = prepared(tmp_path / "test.db")
    assert database.drift() == []
    [*names] = itertools.chain(
        *database.rows("select name from sqlite_schema where type = 'trigger' and tbl_name not like 'holdfast%'")
    )
    database.run(*(f"drop trigger {name}" for name in names))
    assert {(each.object, each.state) for each in database.drift()} == {
        (f"trigger {name}", "missing") for name in names
    }
