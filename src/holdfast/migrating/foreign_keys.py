"""Foreign keys that were not enforced for a while: what they find is counted before and after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from holdfast.database import execute
from holdfast.dialects.base import Dialect
from holdfast.errors import MigrationError

BrokenKeys = Counter[tuple[str, int | None, str]]
"""Table, number of the row, and what it refers to that is not there."""
_SHOWN = 5


def broken_keys(connection: Connection, dialect: Dialect, concerning: Container[str] | None = None) -> BrokenKeys:
    """Of all tables, or of those that have one of these names, lower case, or refer to it."""
    found: BrokenKeys = Counter()
    listed = execute(connection, dialect.migrating.tables_with_keys())
    asked = {
        table
        for table, target in listed
        if concerning is None or table.lower() in concerning or target.lower() in concerning
    }
    for table in sorted(asked):
        try:
            rows = execute(connection, dialect.migrating.broken_keys(table))
        except DBAPIError as error:
            # What it refers to is not unique, so that no row can be looked up.
            if "mismatch" not in str(error.orig):
                raise
            found[(table, None, str(error.orig))] += 1
        else:
            found.update((row[0], row[1], f"a row of {row[2]}") for row in rows)
    return found


def refuse_broken(broken: BrokenKeys, what: str) -> None:
    if broken:
        raise MigrationError(
            "HF472",
            f"{what} would leave rows that refer to what is not there: {described(broken)}",
            "Nothing is changed. While a table is made anew ON DELETE does nothing: put statements that delete rows "
            "into a revision before it, or mend the rows there.",
        )


def described(broken: BrokenKeys) -> str:
    lines = [
        f"{table}: {target}" if row is None else f"row {row} of {table} refers to {target}"
        for table, row, target in sorted(broken, key=str)[:_SHOWN]
    ]
    more = broken.total() - len(lines)
    return "; ".join(lines) + (f"; and {more} more." if more > 0 else ".")
