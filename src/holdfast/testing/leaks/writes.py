"""What a write does to another tenant's rows."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy import Table
from sqlalchemy.exc import DBAPIError

from holdfast.testing.leaks.filling import values
from holdfast.testing.leaks.probe import DoesNotApplyError, Leaked, Probe
from holdfast.testing.leaks.stage import Stage
from holdfast.testing.leaks.subject import as_value, of_tenant, tenant_column

_PROTECT = "Declare Tenant for it, and run: holdfast protect"


def rows_do_not_move(stage: Stage, table: Table) -> None:
    stage.row_of(table, stage.a)
    before = stage.all_of(table, stage.b)
    with stage.application(stage.a):
        moved = sa.update(table).values({tenant_column(table).key: as_value(table, stage.b)})
        try:
            stage.connection.execute(moved)
        except DBAPIError:
            return
        stage.leave()
        if stage.all_of(table, stage.b) != before:
            raise Leaked(f"An UPDATE of {table.fullname} gave rows to another tenant.", _PROTECT)


def no_row_is_made_for_another(stage: Stage, table: Table) -> None:
    before = stage.all_of(table, stage.b)
    given = values(table, stage.b)
    row = stage.row_of(table, stage.b)
    given |= {column.key: row[column.key] for column in table.columns if column.foreign_keys}
    with stage.application(stage.a):
        try:
            stage.connection.execute(sa.insert(table).values(given))
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", "") in ("23505", "23502", "23514"):
                raise DoesNotApplyError(f"No row that could be inserted into {table.fullname} is known.") from error
            return
        stage.leave()
        if stage.all_of(table, stage.b) != before:
            raise Leaked(f"A row of {table.fullname} was inserted for another tenant.", _PROTECT)


def other_rows_stay_as_they_are(stage: Stage, table: Table) -> None:
    column = next((each for each in table.columns if not each.primary_key and each.computed is None), None)
    stage.row_of(table, stage.b)
    before = stage.all_of(table, stage.b)
    writes: list[sa.Delete | sa.Update] = [sa.delete(table), sa.delete(table).where(of_tenant(table, stage.b))]
    if column is not None:
        writes.append(sa.update(table).values({column.key: column}).where(of_tenant(table, stage.b)))
    for write in writes:
        with stage.application(stage.a):
            try:
                counted = stage.connection.execute(write).rowcount
            except DBAPIError:
                continue
            stage.leave()
            # An UPDATE to the same values leaves no trace, but was not to find the row.
            if stage.all_of(table, stage.b) != before or (write is not writes[0] and counted):
                raise Leaked(f"A row of another tenant in {table.fullname} was written.", _PROTECT)


PROBES = (
    Probe(12, "moved-row", "An UPDATE gives one's rows to another tenant.", rows_do_not_move),
    Probe(12, "insert-for-another", "A row is inserted for another tenant.", no_row_is_made_for_another),
    Probe(12, "write-of-another", "A row of another tenant is changed or deleted.", other_rows_stay_as_they_are),
)
