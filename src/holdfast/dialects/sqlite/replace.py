"""Rows that INSERT OR REPLACE takes away.

SQLite fires no DELETE trigger for them unless the connection has set recursive_triggers. So before each row is
written, those that stand in its way are kept aside; after it was written, those that are gone were replaced. A row
that is still there was in the way of an upsert or of INSERT OR IGNORE, and is forgotten with the next statement.
"""

from __future__ import annotations

from holdfast.dialects.sqlite.recording import AT_ONCE, Recorder
from holdfast.dialects.sqlite.sql import all_of, any_of, literal, quote, trigger
from holdfast.dialects.sqlite.statement import BEGIN, SETTLE
from holdfast.dialects.sqlite.values import key_of
from holdfast.objects import DatabaseObject, Protection
from holdfast.policies import Audit


def is_watched(protection: Protection) -> str:
    """A condition: rows of this table are kept aside."""
    return f"exists (select 1 from holdfast_replaced where relation = {protection.relation.id})"


def watching(protection: Protection) -> tuple[DatabaseObject, ...]:
    """The triggers that keep aside what a row to be written may replace; the same for every policy that asks."""
    recorder = Recorder(protection, protection.get(Audit) or Audit())
    table = protection.table
    relation = protection.relation.id
    uniques = [unique.columns for unique in table.uniques if not unique.partial]
    if table.key not in uniques:
        uniques.append(table.key)
    audited = protection.get(Audit) is not None
    names = [column.name for column in recorder.kept] if audited else []
    names += [name for name in table.key if name not in names]
    objects = []
    for event in ("insert", "update"):
        in_the_way = []
        for columns in uniques:
            met = all_of(f"t.{quote(name)} = new.{quote(name)}" for name in columns)
            if event == "update":
                moved = any_of(f"old.{quote(name)} is not new.{quote(name)}" for name in columns)
                itself = all_of(f"t.{quote(name)} is old.{quote(name)}" for name in table.key)
                in_the_way.append((f"{moved} and ", f"{met} and not {itself}"))
            else:
                in_the_way.append(("", met))
        exists = [f"{moved}exists (select 1 from {recorder.table} as t where {met})" for moved, met in in_the_way]
        condition = any_of(f"({moved}{met})" for moved, met in in_the_way)
        key = key_of("t", table.key)
        others = f"relation = {relation} and statement <> (select number from holdfast_statement)"
        forget = [f"delete from holdfast_replaced where {others};"]
        if event == "insert":
            # A row of this very statement that is still there: it was ignored.
            gone = recorder.replaced(moved=False, r="holdfast_replaced")
            forget.append(f"delete from holdfast_replaced\nwhere relation = {relation} and not {gone};")
        forget.append(
            f"delete from holdfast_replaced\nwhere relation = {relation}\n"
            f"    and key in (select {key} from {recorder.table} as t where {condition});"
        )
        selects = [
            f"select {relation}, s.number, s.event, {key}, {protection.relation.column_id(name)}, {recorder.seen('t', name)}\n"
            f"from {recorder.table} as t, holdfast_statement as s\nwhere {condition}"
            for name in names
        ]
        steps = [
            "insert into holdfast_replaced (relation, statement, start, key, column_id, value)\n"
            + "\nunion all\n".join(selects[i : i + AT_ONCE])
            + ";"
            for i in range(0, len(selects), AT_ONCE)
        ]
        objects.append(
            trigger(
                f"holdfast_watch_{event}_{relation}",
                table.name,
                f"before {event}",
                [
                    BEGIN,
                    *forget,
                    *steps,
                    SETTLE,
                ],
                when=any_of(f"({each})" for each in exists),
                policy="Audit" if audited else "SoftDelete",
                purpose=f"keeps aside what an {event} of {literal(table.name.name)} may replace",
            )
        )
    return tuple(objects)
