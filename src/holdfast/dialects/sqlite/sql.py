"""Names, strings, conditions, and the statement that every trigger is made with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from holdfast.objects import DatabaseObject
from holdfast.tables import ForeignKey, TableInfo, TableName, UniqueKey

# An expression may be nested 1,000 deep, and a chain of ORs nests once for each term.
_CHAIN = 30


def quote(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def qualified(table: TableName) -> str:
    return f"{quote(table.schema)}.{quote(table.name)}"


def any_of(conditions: Iterable[str]) -> str:
    """A condition that holds where one of them does."""
    return _chain(list(conditions), " or ", "false")


def all_of(conditions: Iterable[str]) -> str:
    return _chain(list(conditions), " and ", "true")


def joined(texts: Iterable[str]) -> str:
    """An expression: the texts one after the other."""
    return _chain(list(texts), " || ", "''")


def _chain(terms: Sequence[str], operator: str, empty: str) -> str:
    if not terms:
        return empty
    while len(terms) > _CHAIN:
        terms = ["(" + operator.join(terms[i : i + _CHAIN]) + ")" for i in range(0, len(terms), _CHAIN)]
    return terms[0] if len(terms) == 1 else "(" + operator.join(terms) + ")"


def differ(left: str, right: str) -> str:
    """A condition: not the same, but for the sign of zero, which no function shows.

    IS alone takes 1 for 1.0, and 'a' for 'A' under NOCASE.
    """
    return f"({left} collate binary is not {right} or typeof({left}) <> typeof({right}))"


def same(left: str, right: str) -> str:
    return f"({left} collate binary is {right} and typeof({left}) = typeof({right}))"


def matching(key: ForeignKey, child: str, parent: str) -> str:
    """A condition: the one row refers to the other, as the key compares them: by the collation of the left side."""
    return all_of(
        f"{parent}.{quote(target)} = {child}.{quote(column)}"
        for column, target in zip(key.columns, key.target_columns, strict=True)
    )


def found_by(key: ForeignKey, child: str, parent: str) -> str:
    """A condition: the one row refers to the other, as SQLite looks a parent up.

    The child's values, which the plus leaves without a type, take that of the parent's columns. So the child is not
    found by an index, the parent is.
    """
    return all_of(
        f"{parent}.{quote(target)} = +{child}.{quote(column)}"
        for column, target in zip(key.columns, key.target_columns, strict=True)
    )


def holds(unique: UniqueKey, row: str, values: Sequence[str]) -> str:
    """A condition: the row has these values of the unique key, as its index compares them."""
    return all_of(
        f"{row}.{quote(name)}{collation} = {value}"
        for (name, collation), value in zip(compared(unique), values, strict=True)
    )


def refusing(verb: str, table: TableInfo) -> str:
    """INSERT or UPDATE that takes no other row away, whatever the table's constraints say.

    The clause also holds for what triggers write by then, so it is left out where no constraint has one.
    """
    return f"{verb} or abort" if table.conflict_clauses else verb


def compared(unique: UniqueKey) -> list[tuple[str, str]]:
    """The columns of a unique key, each with the COLLATE by which the key tells its values apart.

    That need not be the column's own, and goes behind one side of a comparison.
    """
    if not unique.collations:
        return [(name, "") for name in unique.columns]
    collated = zip(unique.columns, unique.collations, strict=True)
    return [(name, f" collate {quote(collation)}") for name, collation in collated]


def row_is(table: TableInfo, row: str) -> str:
    """A condition that finds the row of an AFTER trigger again, by the quickest way there is."""
    names = {column.name.lower() for column in table.columns}
    if not table.without_rowid:
        for alias in ("rowid", "_rowid_", "oid"):
            if alias not in names:
                return f"{alias} = {row}.{alias}"
    return all_of(
        # By an index, then told exactly.
        f"{quote(name)} is {row}.{quote(name)} and {same(quote(name), f'{row}.{quote(name)}')}"
        for name in table.key
    )


def trigger(
    name: str,
    table: TableName,
    event: str,
    steps: Sequence[str],
    *,
    policy: str,
    purpose: str,
    when: str = "",
) -> DatabaseObject:
    """A trigger; dropped and made anew, which costs no more here than the change of one catalog row."""
    comment = " ".join(purpose.split())
    lines = [f"create trigger main.{quote(name)}", f"{event} on {quote(table.name)}", "for each row"]
    if when:
        lines.append(f"when {when}")
    # Not indented: a name may go over several lines.
    lines += ["begin", f"-- holdfast: {comment}", *steps, "end"]
    return DatabaseObject(
        "trigger",
        name,
        table,
        policy,
        (f"drop trigger if exists main.{quote(name)}", "\n".join(lines)),
        (f"drop trigger if exists main.{quote(name)}",),
    )


def refusal(code: str, message: str, hint: str) -> str:
    """RAISE with the one text that SQLite lets it carry: code, message and hint."""
    return f"raise(abort, {literal(f'{code}: {message} Hint: {hint}')})"
