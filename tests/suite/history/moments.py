"""Moments between commits, and the rows of a table as they were then."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from holdfast.history import as_of, rows_as_of
from holdfast.inspector import inspect
from tests.harness import Protected

Row = dict[str, Any]
Rows = dict[int, Row]


def now(protected: Protected) -> datetime:
    """A moment between what was committed before and what will be after."""
    if protected.name == "sqlite":
        time.sleep(0.0025)
        moment = datetime.now(UTC)
        time.sleep(0.0025)
        return moment
    [(moment,)] = protected.rows("select clock_timestamp()")
    return moment  # type: ignore[no-any-return]


def past(protected: Protected, table: str = "item", **when: Any) -> list[Row]:
    with protected.database.snapshot() as connection:
        dialect, inventory = inspect(connection, protected.database.dialect)
        return list(rows_as_of(connection, dialect, as_of(connection, dialect, inventory, table, **when)))


def as_rows(rows: list[Row]) -> Rows:
    return {row["id"]: {name: value for name, value in row.items() if name != "id"} for row in rows}
