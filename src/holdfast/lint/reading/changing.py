"""ALTER and DROP of what is no table, GRANT, REINDEX, VACUUM, LOCK and the like."""

from __future__ import annotations

from collections.abc import Iterator

from holdfast.lint.actions import (
    Action,
    AddLabel,
    AlterPolicy,
    ChangeSetting,
    ConstrainDomain,
    Drop,
    DropIndex,
    DropPolicy,
    DropTrigger,
    Grant,
    LockTable,
    Outside,
    RefreshView,
    Reindex,
    Rename,
    RenameLabel,
    RenameTable,
    Rewrite,
    Truncate,
)
from holdfast.lint.reading.alter_table import read_alter_table
from holdfast.lint.words import Cursor, has
from holdfast.tables import TableName

Actions = Iterator[Action]
# The first word of what else can be dropped, on one database or another.
_DROPPED = (
    "TRIGGER|POLICY|RULE|TEXT|OPERATOR|ACCESS|EVENT|FOREIGN|GROUP|CAST|COLLATION|CONVERSION|AGGREGATE|STATISTICS|"
    "SERVER|PUBLICATION|SUBSCRIPTION|PROCEDURAL|LANGUAGE|TRANSFORM|PROPERTY|LOGIN|SYNONYM|CERTIFICATE|CREDENTIAL|"
    "DEFAULT|PREPARE|ASSEMBLY|ASYMMETRIC|SYMMETRIC|FULLTEXT|PARTITION|APPLICATION|SECURITY|XML|SPATIAL|RESOURCE|UNDO|"
    "TEMPORARY|MASTER|MESSAGE|SEARCH|SERVICE|QUEUE|CONTRACT|ROUTE|REMOTE|SIGNATURE|BROKER|AVAILABILITY|EXTERNAL"
)


def read_alter(cursor: Cursor) -> Actions:
    """After ALTER."""
    if cursor.take("TABLE") or cursor.take("FOREIGN", "TABLE"):
        yield from read_alter_table(cursor)
        return
    if cursor.take("SYSTEM"):
        yield Outside("ALTER SYSTEM")
        cursor.rest()
        return
    if cursor.take("POLICY"):
        name = cursor.identifier()
        cursor.expect("ON")
        yield AlterPolicy(cursor.name(), name, cursor.rest())
        return
    if cursor.take("TYPE"):
        yield from _type(cursor)
    elif cursor.take("DOMAIN"):
        yield from _domain(cursor)
    elif cursor.sees("SCHEMA|VIEW|MATERIALIZED|INDEX|SEQUENCE"):
        yield from _renamed(cursor)
    elif not cursor.sees(
        "FUNCTION|PROCEDURE|ROUTINE|ROLE|USER|DATABASE|DEFAULT|EXTENSION|TRIGGER|COLLATION|PUBLICATION|SUBSCRIPTION|"
        "OPERATOR|AGGREGATE|STATISTICS|SERVER|EVENT|TEXT|GROUP|LANGUAGE|LARGE|RULE|TABLESPACE|LOGIN|AUTHORIZATION|"
        "CONVERSION|FOREIGN|PROPERTY"
    ):
        cursor.refuse("What ALTER changes is not known")
    cursor.rest()


def _type(cursor: Cursor) -> Actions:
    name = cursor.name()
    if cursor.take("ADD", "VALUE"):
        cursor.take("IF", "NOT", "EXISTS")
        label = cursor.skip().text
        yield AddLabel(name, label, cursor.sees("BEFORE|AFTER"))
    elif cursor.take("RENAME", "VALUE"):
        yield RenameLabel(name, cursor.skip().text)
    elif cursor.take("RENAME", "TO"):
        yield Rename("type", name, cursor.identifier())


def _domain(cursor: Cursor) -> Actions:
    name = cursor.name()
    if cursor.take("ADD") or cursor.take("SET", "NOT", "NULL"):
        yield ConstrainDomain(name, has(cursor.rest(), "NOT", "VALID"))
    elif cursor.take("VALIDATE"):
        yield ConstrainDomain(name, not_valid=True)


def _renamed(cursor: Cursor) -> Actions:
    kind = cursor.skip().text.lower()
    if kind == "materialized":
        cursor.expect("VIEW")
        kind = "view"
    cursor.take("IF", "EXISTS")
    name = cursor.name()
    if cursor.take("RENAME", "TO"):
        yield Rename(kind, name, cursor.identifier())
    elif kind == "schema" and cursor.take("TRANSFER"):
        moved = cursor.name()
        yield RenameTable(moved, TableName(name.name, moved.name))
    elif cursor.take("SET", "TABLESPACE"):
        yield Rewrite("SET TABLESPACE", name)
    else:
        yield ChangeSetting(name, kind)


def read_drop(cursor: Cursor) -> Actions:
    """After DROP."""
    known = cursor.sees(_DROPPED)
    kind = cursor.skip().text.upper()
    if kind == "OWNED":
        cursor.rest()
        yield Drop("owned", TableName("", "owned"))
        return
    if kind in ("MATERIALIZED", "FOREIGN", "EVENT", "ACCESS", "TEXT", "OPERATOR"):
        kind = f"{kind} {cursor.skip().text.upper()}"
    concurrently = cursor.take("CONCURRENTLY")
    cursor.take("IF", "EXISTS")
    if kind in ("TRIGGER", "POLICY", "RULE"):
        name = cursor.name()
        if cursor.take("ON"):
            table = cursor.name()
        else:
            table = TableName("", "")
        if kind == "TRIGGER":
            yield DropTrigger(table, name.name)
        elif kind == "POLICY":
            yield DropPolicy(table, name.name)
    elif kind == "INDEX":
        names = cursor.names()
        on = cursor.name() if cursor.take("ON") else None
        for name in names:
            yield DropIndex(name, concurrently, on)
    elif kind in ("TABLE", "FOREIGN TABLE", "SCHEMA", "DATABASE", "VIEW", "MATERIALIZED VIEW", "SEQUENCE", "TYPE"):
        names = cursor.names()
        cascade = cursor.sees("CASCADE")
        for name in names:
            yield Drop(kind.lower(), name, cascade)
        if kind != "DATABASE" and not cursor.done and not cursor.take("CASCADE|RESTRICT"):
            cursor.refuse("What is dropped is not clear")
    elif kind in ("FUNCTION", "PROCEDURE", "ROUTINE", "DOMAIN", "EXTENSION", "ROLE", "USER", "TABLESPACE"):
        name = cursor.name()
        if kind == "TABLESPACE":
            yield Outside("DROP TABLESPACE")
        yield Drop(kind.lower(), name, has(cursor.rest(), "CASCADE"))
    elif not known:
        cursor.at -= 1
        cursor.refuse("What DROP takes away is not known")
    cursor.rest()


def read_grant(cursor: Cursor, *, revoke: bool) -> Actions:
    words = cursor.rest()
    if not has(words, "FROM" if revoke else "TO"):
        cursor.refuse("Who it is about is missing")
    yield Grant(words, has(words, "FROM" if revoke else "TO", "PUBLIC"), revoke)


def read_truncate(cursor: Cursor) -> Actions:
    cursor.take("TABLE")
    cursor.take("ONLY")
    tables = cursor.names()
    cascade = has(cursor.rest(), "CASCADE")
    for table in tables:
        yield Truncate(table, cascade)


def read_lock(cursor: Cursor) -> Actions:
    if cursor.take("TABLES"):
        table = cursor.name()
        yield LockTable(table, "WRITE" if has(cursor.rest(), "WRITE") else "READ")
        return
    cursor.take("TABLE")
    cursor.take("ONLY")
    tables = cursor.names()
    mode = "ACCESS EXCLUSIVE"
    if cursor.take("IN"):
        mode = " ".join(word.text.upper() for word in cursor.until("MODE"))
    cursor.rest()
    for table in tables:
        yield LockTable(table, mode)


def read_reindex(cursor: Cursor) -> Actions:
    options = cursor.group() if cursor.sees("(") else ()
    if not cursor.sees("INDEX|TABLE|SCHEMA|DATABASE|SYSTEM"):
        name = TableName("", "") if cursor.done else cursor.name()
        yield Reindex("index", name)
        return
    what = cursor.skip().text.lower()
    concurrently = cursor.take("CONCURRENTLY") or has(options, "CONCURRENTLY")
    name = TableName("", "") if cursor.done else cursor.name()
    yield Reindex(what, name, concurrently)


def read_vacuum(cursor: Cursor) -> Actions:
    options = cursor.group() if cursor.sees("(") else ()
    full = has(options, "FULL") and not has(options, "FULL", "FALSE") and not has(options, "FULL", "OFF")
    while cursor.sees("FULL|FREEZE|VERBOSE|ANALYZE|ANALYSE"):
        full = cursor.skip().is_("FULL") or full
    table = None if cursor.done else cursor.name()
    cursor.rest()
    if cursor.server.kind == "sqlite" or full:
        yield Rewrite("VACUUM" if cursor.server.kind == "sqlite" else "VACUUM FULL", table)
    yield Outside("VACUUM")


def read_cluster(cursor: Cursor, how: str) -> Actions:
    options = cursor.group() if cursor.sees("(") else ()
    cursor.take("VERBOSE")
    table = None if cursor.done else cursor.name()
    cursor.rest()
    if not has(options, "CONCURRENTLY"):
        yield Rewrite(how, table)
    else:
        yield Outside(f"{how} CONCURRENTLY")


def read_refresh(cursor: Cursor) -> Actions:
    cursor.expect("MATERIALIZED", "VIEW")
    concurrently = cursor.take("CONCURRENTLY")
    yield RefreshView(cursor.name(), concurrently)
    cursor.rest()
