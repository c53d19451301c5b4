"""What reads and writes rows, from sqlglot's tree: which tables, and whether it is about named rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from holdfast.lint.actions import Action, Opaque, Read, Setting, Write
from holdfast.lint.servers import Server
from holdfast.lint.words import NotUnderstoodError, parsed
from holdfast.tables import TableName

_KEYS = {
    *("id", "uuid", "key", "ctid", "rowid", "version_num", "code", "slug", "pk", "email", "name", "username", "login"),
    *("token", "sku", "iban"),
}
"""Columns that are keys wherever they occur."""
# They only look, or set what is looked at elsewhere.
_QUIET_FUNCTIONS = {
    *("set_config", "current_setting", "version", "now", "current_database", "setval", "nextval", "currval", "lastval"),
}


def read_data(sql: str, server: Server) -> Iterator[Action]:
    """INSERT, UPDATE, DELETE, MERGE, SELECT and WITH."""
    from sqlglot import exp

    tree = parsed(sql, server)
    found = False
    for node in tree.find_all(exp.Insert, exp.Update, exp.Delete, exp.Merge):
        if node.find_ancestor(exp.Merge) is not None:
            continue
        found = True
        yield _write(node, server)
    if isinstance(tree, exp.Command):
        yield Opaque(str(tree.this).upper())
    elif not found:
        yield from _read(tree, server)


def _write(node: Any, server: Server) -> Write:
    from sqlglot import exp

    verbs: dict[type, Literal["insert", "update", "delete", "merge"]] = {
        exp.Insert: "insert",
        exp.Update: "update",
        exp.Delete: "delete",
        exp.Merge: "merge",
    }
    verb = verbs[type(node)]
    table = next(_tables(node.this or node.args.get("tables"), server), None)
    if table is None:
        raise NotUnderstoodError("HF442", f"Which table the {verb.upper()} is about cannot be told.")
    if verb == "insert":
        query = node.args.get("expression")
        from_query = isinstance(query, exp.Query) and _reads_table(query)
        bounded = not from_query or _limited(query) or _bounded(query)
        return Write(table, verb, bounded=bounded, from_query=from_query)
    if verb == "merge":
        return Write(table, verb, bounded=False, from_query=True)
    return Write(table, verb, bounded=_bounded(node))


def _bounded(node: Any) -> bool:
    """Whether it names its rows by a key or by both ends of a range, or takes at most so many."""
    from sqlglot import exp

    if node.args.get("limit") is not None or _takes_some(node):
        return True
    where = node.args.get("where")
    if where is None:
        return False
    condition = where.this
    parts = list(condition.flatten()) if isinstance(condition, exp.And) else [condition]
    lower, upper = set(), set()
    for part in parts:
        part = part.unnest()
        if _names_rows(part) or (isinstance(part, exp.Boolean) and not part.this):
            return True
        if isinstance(part, exp.Between):
            return True
        column = part.this.name if isinstance(part, exp.Binary) and isinstance(part.this, exp.Column) else ""
        if isinstance(part, exp.GT | exp.GTE):
            lower.add(column)
        elif isinstance(part, exp.LT | exp.LTE):
            upper.add(column)
    return bool(lower & upper)


def _takes_some(node: Any) -> bool:
    """Whether the rows come from a subquery or a CTE that takes at most so many, and not what they are set to."""
    from sqlglot import exp

    assigned = {id(query) for each in node.args.get("expressions") or () for query in each.find_all(exp.Select)}
    return any(
        query.args.get("limit") is not None and id(query) not in assigned and query is not node
        for query in node.find_all(exp.Select)
    )


def _reads_table(query: Any) -> bool:
    """Whether its rows are those of a table; a table that is only looked at in WHERE gives none."""
    from sqlglot import exp

    return any(
        each.find(exp.Table) is not None and each.find_ancestor(exp.Where) is None for each in query.find_all(exp.From)
    )


def _names_rows(part: Any) -> bool:
    from sqlglot import exp

    if isinstance(part, exp.In):
        query = part.args.get("query")
        if query is not None:
            return _limited(query)
        return _is_key(part.this)
    if isinstance(part, exp.EQ):
        sides = (part.this, part.expression)
        for column, value in (sides, sides[::-1]):
            if _limited(value):
                return True
            if _is_key(column) and value.find(exp.Column) is None and value.find(exp.Query) is None:
                return True
    return False


def _is_key(node: Any) -> bool:
    from sqlglot import exp

    if not isinstance(node, exp.Column):
        return False
    name = node.name.lower()
    return name in _KEYS or name.endswith(("_id", "_uuid", "_key", "_code"))


def _limited(node: Any) -> bool:
    from sqlglot import exp

    return any(query.args.get("limit") is not None for query in node.find_all(exp.Select))


def _tables(node: Any, server: Server) -> Iterator[TableName]:
    from sqlglot import exp

    for table in node.find_all(exp.Table) if isinstance(node, exp.Expression) else ():
        identifier = table.this
        if not isinstance(identifier, exp.Identifier):
            continue
        name = identifier.name if identifier.quoted or not server.folds_names else identifier.name.lower()
        schema = table.db.lower() if server.folds_names else table.db
        yield TableName("" if schema == server.default_schema else schema, name)


def _read(tree: Any, server: Server) -> Iterator[Action]:
    from sqlglot import exp

    tables = tuple(_tables(tree, server))
    called = [node for node in tree.find_all(exp.Anonymous) if not node.name.lower().startswith("pg_")]
    functions = [node for node in called if node.name.lower() not in _QUIET_FUNCTIONS]
    for node in tree.find_all(exp.Anonymous):
        if node.name.lower() == "set_config" and len(node.expressions) > 1:
            yield Setting(node.expressions[0].name.lower(), node.expressions[1].name)
    if functions and not tables:
        yield Opaque(f"{functions[0].name}()")
    yield Read(tables)
