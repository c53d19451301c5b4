"""Rows that INSERT OR REPLACE takes away.

SQLite fires no DELETE trigger for them unless the connection has set recursive_triggers. So before each row is
written, those that stand in its way are kept aside; after it was written, those that are gone were replaced. A row
that is still there was in the way of an upsert or of INSERT OR IGNORE, and is forgotten with the next statement.
"""

from __future__ import annotations

from holdfast.dialects.sqlite.defaults import default_value
from holdfast.dialects.sqlite.recording import AT_ONCE, Recorder
from holdfast.dialects.sqlite.sql import all_of, any_of, compared, literal, quote, same, trigger
from holdfast.dialects.sqlite.statement import BEGIN, SETTLE
from holdfast.dialects.sqlite.values import key_of
from holdfast.objects import DatabaseObject, Protection
from holdfast.policies import Audit
from holdfast.tables import TableInfo, UniqueKey


def is_watched(protection: Protection) -> str:
    """A condition: rows of this table are kept aside."""
    return f"exists (select 1 from holdfast_replaced where relation = {protection.relation.id})"


def watching(protection: Protection) -> tuple[DatabaseObject, ...]:
    """The triggers that keep aside what a row to be written may replace; the same for every policy that asks."""
    recorder = Recorder(protection, protection.get(Audit) or Audit())
    return tuple(_watching(recorder, event) for event in ("insert", "update"))


def _watching(recorder: Recorder, event: str) -> DatabaseObject:
    table = recorder.protection.table
    in_the_way = _in_the_way(table, event)
    exists = [f"({moved}exists (select 1 from {recorder.table} as t where {met}))" for moved, met in in_the_way]
    condition = any_of(f"({moved}{met})" for moved, met in in_the_way)
    return trigger(
        f"holdfast_watch_{event}_{recorder.relation}",
        table.name,
        f"before {event}",
        [BEGIN, *_forget(recorder, event, condition), *_keep(recorder, condition), SETTLE],
        when=any_of(exists),
        policy="Audit" if recorder.protection.get(Audit) is not None else "SoftDelete",
        purpose=f"keeps aside what an {event} of {literal(table.name.name)} may replace",
    )


def _in_the_way(table: TableInfo, event: str) -> list[tuple[str, str]]:
    """For each unique key: when it can be that rows ``t`` are in the way, and which ones are."""
    uniques = [unique for unique in table.uniques if not unique.partial]
    if table.key not in [unique.columns for unique in uniques]:
        uniques.append(UniqueKey("", table.key))
    found = []
    for unique in uniques:
        columns = [(quote(name), f"{_written(table, name)}{collate}") for name, collate in compared(unique)]
        met = all_of(f"t.{column} = {value}" for column, value in columns)
        if event == "update":
            moved = any_of(f"old.{column} is not {value}" for column, value in columns)
            itself = all_of(same(f"t.{quote(name)}", f"old.{quote(name)}") for name in table.key)
            found.append((f"{moved} and ", f"{met} and not {itself}"))
        else:
            found.append(("", met))
    return found


def _written(table: TableInfo, name: str) -> str:
    """An expression: what the row will have in the column.

    REPLACE puts the default where NULL must not be, and does so only after the BEFORE triggers.
    """
    column, value = table.column(name), f"new.{quote(name)}"
    if column is None or column.nullable or column.default is None or column.generated:
        return value
    return f"coalesce({value}, {default_value(column.default)})"


def _forget(recorder: Recorder, event: str, condition: str) -> list[str]:
    relation = recorder.relation
    others = f"relation = {relation} and statement <> (select number from holdfast_statement)"
    steps = [f"delete from holdfast_replaced where {others};"]
    if event == "insert":
        # A row of this very statement that is still there: it was ignored.
        gone = recorder.replaced(moved=False, r="holdfast_replaced")
        steps.append(f"delete from holdfast_replaced\nwhere relation = {relation} and not {gone};")
    key = key_of("t", recorder.key)
    steps.append(
        f"delete from holdfast_replaced\nwhere relation = {relation}\n"
        f"    and key in (select {key} from {recorder.table} as t where {condition});"
    )
    return steps


def _keep(recorder: Recorder, condition: str) -> list[str]:
    protection, key = recorder.protection, recorder.key
    names = [column.name for column in recorder.kept] if protection.get(Audit) is not None else []
    selects = [
        f"select {recorder.relation}, s.number, s.event, {key_of('t', key)}, {protection.relation.column_id(name)}, "
        f"{recorder.seen('t', name)}\n"
        f"from {recorder.table} as t, holdfast_statement as s\nwhere {condition}"
        for name in (*names, *(name for name in key if name not in names))
    ]
    return [
        "insert into holdfast_replaced (relation, statement, start, key, column_id, value)\n"
        + "\nunion all\n".join(selects[i : i + AT_ONCE])
        + ";"
        for i in range(0, len(selects), AT_ONCE)
    ]
