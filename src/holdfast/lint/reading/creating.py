"""CREATE TABLE, INDEX, TYPE, DOMAIN, TRIGGER, POLICY, FUNCTION and VIEW."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from holdfast.lint.actions import (
    Action,
    Column,
    Constraint,
    CreateDomain,
    CreateFunction,
    CreateIndex,
    CreatePolicy,
    CreateTable,
    CreateTrigger,
    CreateType,
    CreateView,
    Outside,
)
from holdfast.lint.reading.columns import read_column, read_constraint, starts_constraint
from holdfast.lint.reading.types import read_type
from holdfast.lint.words import Cursor, Words, has, split_at_commas, text_of

Actions = Iterator[Action]
# Nothing that is there already is touched or waited for.
_HARMLESS = {
    *("SCHEMA", "SEQUENCE", "EXTENSION", "ROLE", "USER", "COLLATION", "OPERATOR", "AGGREGATE", "CAST", "TEXT"),
    *("STATISTICS", "SERVER", "FOREIGN", "PUBLICATION", "SUBSCRIPTION", "LANGUAGE", "CONVERSION", "ACCESS", "GROUP"),
    *("EVENT", "RULE", "PROPERTY", "LOGIN", "CERTIFICATE", "SYNONYM", "TRANSFORM"),
}


def read_create(cursor: Cursor) -> Actions:
    """After CREATE."""
    cursor.take("OR", "REPLACE|ALTER")
    while cursor.sees("TEMP|TEMPORARY|GLOBAL|LOCAL|UNLOGGED|RECURSIVE|CONSTRAINT|TRUSTED|PROCEDURAL|VIRTUAL|DEFAULT"):
        cursor.skip()
    if cursor.take("TABLE"):
        yield _table(cursor)
        return
    if cursor.sees("UNIQUE|INDEX|CLUSTERED|NONCLUSTERED|FULLTEXT|SPATIAL"):
        yield _index(cursor)
        return
    if cursor.take("TRIGGER"):
        yield _trigger(cursor)
        return
    kind = cursor.skip().text.upper()
    if kind in _KINDS:
        yield _KINDS[kind](cursor)
    elif kind == "MATERIALIZED":
        cursor.expect("VIEW")
        yield _view(cursor, materialized=True)
    elif kind in ("DATABASE", "TABLESPACE"):
        yield Outside(f"CREATE {kind}")
        cursor.rest()
    elif kind in _HARMLESS:
        cursor.rest()
    else:
        cursor.at -= 1
        cursor.refuse("What CREATE makes is not known")


def _table(cursor: Cursor) -> Action:
    if_not_exists = cursor.take("IF", "NOT", "EXISTS")
    table = cursor.name()
    if cursor.take("PARTITION", "OF"):
        parent = cursor.name()
        cursor.rest()
        return CreateTable(table, if_not_exists=if_not_exists, partition_of=parent)
    columns: list[Column] = []
    constraints: list[Constraint] = []
    query: Words = ()
    if cursor.sees("(") and not cursor.sees("(", "SELECT|WITH"):
        start = cursor.at
        inner = cursor.inside(cursor.group())
        if not _definitions(inner, columns, constraints):
            # The names of a table that is filled by a query.
            columns.clear()
            cursor.at = start
            cursor.group()
    rest = cursor.rest()
    for at, word in enumerate(rest):
        if word.is_("AS") or (word.is_("SELECT") and at == 0):
            query = rest[at + word.is_("AS") :]
            break
    return CreateTable(
        table,
        columns=tuple(columns),
        constraints=tuple(constraints),
        if_not_exists=if_not_exists,
        partitioned=has(rest, "PARTITION", "BY"),
        query=query,
    )


def _definitions(inner: Cursor, columns: list[Column], constraints: list[Constraint]) -> bool:
    """Reads them into the lists; False where there are names alone."""
    if all(len(part) == 1 for part in split_at_commas(inner.words)) and inner.server.kind != "sqlite":
        return False
    while not inner.done:
        if starts_constraint(inner) or inner.sees("NOT", "NULL"):
            constraints.append(read_constraint(inner))
        elif inner.take("LIKE"):
            inner.name()
            inner.until()
        elif (inner.server.kind in ("mysql", "mariadb") and inner.sees("INDEX|KEY|FULLTEXT|SPATIAL")) or inner.sees(
            "PERIOD"
        ):
            inner.until()
        else:
            columns.append(read_column(inner))
        if not inner.take(",") and not inner.done:
            inner.refuse("A comma is missing")
    return True


def _index(cursor: Cursor) -> Action:
    unique = cursor.take("UNIQUE")
    while cursor.sees("CLUSTERED|NONCLUSTERED|FULLTEXT|SPATIAL|COLUMNSTORE"):
        cursor.skip()
    cursor.expect("INDEX")
    concurrently = cursor.take("CONCURRENTLY")
    if_not_exists = cursor.take("IF", "NOT", "EXISTS")
    name = "" if cursor.sees("ON") else cursor.name().name
    cursor.take("USING", "BTREE|HASH")
    cursor.expect("ON")
    only = cursor.take("ONLY")
    table = cursor.name()
    if cursor.take("USING"):
        cursor.identifier()
    columns = tuple(_plain(cursor.inside(part)) for part in split_at_commas(cursor.group()))
    rest = cursor.rest()
    at = next((i for i, word in enumerate(rest) if word.is_("WHERE")), len(rest))
    online = has(rest, "ONLINE", "=", "ON")
    return CreateIndex(table, name, columns, unique, concurrently, if_not_exists, only, rest[at + 1 :], online)


def _plain(cursor: Cursor) -> str:
    """A column without its order and operator class; an expression as it is."""
    if cursor.next.kind in ("word", "name") and not (len(cursor.words) > 1 and cursor.words[1].is_("(")):
        return cursor.identifier()
    return text_of(cursor.words)


def _type(cursor: Cursor) -> Action:
    name = cursor.name()
    labels: tuple[str, ...] = ()
    if cursor.take("AS", "ENUM"):
        labels = tuple(word.text for word in cursor.group() if word.kind == "string")
    cursor.rest()
    return CreateType(name, labels)


def _domain(cursor: Cursor) -> Action:
    name = cursor.name()
    cursor.take("AS")
    read_type(cursor)
    rest = cursor.rest()
    return CreateDomain(name, has(rest, "CHECK") or has(rest, "NOT", "NULL"))


def _trigger(cursor: Cursor) -> Action:
    cursor.take("IF", "NOT", "EXISTS")
    name = cursor.name().name
    start = cursor.at
    while not cursor.sees("ON"):
        cursor.skip()
    cursor.expect("ON")
    table = cursor.name()
    cursor.rest()
    return CreateTrigger(table, name, tuple(cursor.words[start:]))


def _policy(cursor: Cursor) -> Action:
    name = cursor.identifier()
    cursor.expect("ON")
    return CreatePolicy(cursor.name(), name, cursor.rest())


def _function(cursor: Cursor) -> Action:
    cursor.take("IF", "NOT", "EXISTS")
    name = cursor.name()
    words = cursor.rest()
    return CreateFunction(
        name,
        volatile=not (has(words, "IMMUTABLE") or has(words, "STABLE")),
        security_definer=has(words, "SECURITY", "DEFINER"),
        search_path=has(words, "SET", "SEARCH_PATH"),
    )


def _view(cursor: Cursor, *, materialized: bool = False) -> Action:
    cursor.take("IF", "NOT", "EXISTS")
    name = cursor.name()
    start = cursor.at
    while not cursor.done and not cursor.sees("AS"):
        cursor.skip()
    options = cursor.words[start : cursor.at]
    invoker = has(options, "SECURITY_INVOKER") and not has(options, "SECURITY_INVOKER", "=", "FALSE")
    cursor.expect("AS")
    return CreateView(name, materialized, invoker, cursor.rest())


def _procedure(cursor: Cursor) -> Action:
    return _function(cursor)


_KINDS: dict[str, Callable[[Cursor], Action]] = {
    "TYPE": _type,
    "DOMAIN": _domain,
    "POLICY": _policy,
    "FUNCTION": _function,
    "PROCEDURE": _procedure,
    "VIEW": _view,
}
