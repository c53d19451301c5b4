"""The columns that the database keeps by itself: created and updated times, and the version.

SQLite's BEFORE triggers cannot change the row, so it is corrected right after it was written, by an UPDATE of these
columns alone. The recording triggers do not look at them, and our others stand still meanwhile.
"""

from __future__ import annotations

from holdfast.dialects.sqlite.recording import Recorder
from holdfast.dialects.sqlite.sql import any_of, differ, literal, quote, refusal, row_is, trigger
from holdfast.dialects.sqlite.statement import BEGIN, KEEP, KEPT, NOT_KEEPING, NOT_UNDOING, UNDOING
from holdfast.errors import DeclarationError
from holdfast.objects import DatabaseObject, Protection
from holdfast.policies import Audit, Timestamps, Version

_NOW = "strftime('%Y-%m-%d %H:%M:%f', 'now') || '000'"


def check_stamp_types(protection: Protection) -> None:
    """Refuses a column whose type would turn the value into something else."""
    timestamps, version = protection.get(Timestamps), protection.get(Version)
    for name in (timestamps.created, timestamps.updated) if timestamps else ():
        _check_type(protection, name, ("int", "real", "floa", "doub", "blob"), "Timestamps keeps times as text", "TEXT")
    if version is not None:
        _check_type(
            protection,
            version.column,
            ("char", "clob", "text", "blob", "real", "floa", "doub"),
            "Version counts",
            "INTEGER",
        )


def _check_type(protection: Protection, name: str, wrong: tuple[str, ...], purpose: str, right: str) -> None:
    column = protection.table.column(name)
    if column is None:
        return
    declared = column.type.lower()
    if any(part in declared for part in wrong) and not ("int" in declared and "int" not in wrong):
        raise DeclarationError(
            "HF105",
            f"{protection.table.name}.{name} is of type {column.type}, and {purpose}.",
            f"Use a column of type {right}.",
        )


def _later(old: str) -> str:
    """An expression: the present time, or the first microsecond after ``old`` where that is not earlier."""
    # Without the fraction, which SQLite would round to milliseconds.
    seconds = f"cast(strftime('%s', substr({old}, 1, 19)) as integer)"
    fraction = f"case when substr({old}, 20, 1) = '.' then cast(substr(substr({old}, 21) || '000000', 1, 6) as integer) else 0 end"
    after = f"({seconds} * 1000000 + {fraction} + 1)"
    return (
        f"case when {old} is null or {seconds} is null or replace({old}, 'T', ' ') < {_NOW} then {_NOW}\n"
        f"        else strftime('%Y-%m-%d %H:%M:%S', {after} / 1000000, 'unixepoch')"
        f" || printf('.%06d', {after} % 1000000) end"
    )


def stamping(protection: Protection, policy: str) -> tuple[DatabaseObject, ...]:
    """One trigger for each event keeps times and version together, so that a row is corrected once."""
    check_stamp_types(protection)
    table = protection.table
    relation = protection.relation.id
    name = literal(table.name.name)
    inserted, insert_condition = _insert(protection)
    updated, update_condition = _update(protection)
    objects = [
        trigger(
            f"holdfast_stamp_insert_{relation}",
            table.name,
            "after insert",
            _corrected(protection, inserted),
            when=insert_condition,
            policy=policy,
            purpose=f"keeps times and version of each new row of {name}",
        ),
        trigger(
            f"holdfast_stamp_update_{relation}",
            table.name,
            "after update",
            _corrected(protection, updated),
            when=Recorder(protection, Audit()).outside(f"{NOT_KEEPING} and {update_condition}"),
            policy=policy,
            purpose=f"keeps times and version on each update of {name}",
        ),
    ]
    version = protection.get(Version)
    if version is not None:
        column = quote(version.column)
        refused = refusal(
            "HF202",
            f"A row of {table.name.name} was changed by somebody else: it is at another version than this write is for.",
            "Read the row again and repeat the change on what it is now.",
        )
        objects.append(
            trigger(
                f"holdfast_stale_{relation}",
                table.name,
                f"before update of {column}",
                [f"select {refused};"],
                when=(
                    f"new.{column} is not old.{column} and new.{column} is not coalesce(old.{column}, 0) + 1\n"
                    f"    and {NOT_KEEPING} and {NOT_UNDOING}"
                ),
                policy=policy,
                purpose=f"refuses a stale write to {name}",
            )
        )
    return tuple(objects)


def _corrected(protection: Protection, assignments: list[str]) -> list[str]:
    table = protection.table
    return [
        BEGIN,
        KEEP,
        f"update {quote(table.name.name)}\nset {f',{chr(10)}    '.join(assignments)}\nwhere {row_is(table, 'new')};",
        KEPT,
    ]


def _insert(protection: Protection) -> tuple[list[str], str]:
    timestamps, version = protection.get(Timestamps), protection.get(Version)
    assignments = []
    if timestamps is not None:
        created, updated = quote(timestamps.created), quote(timestamps.updated)
        # A row that an undo brings back keeps the time it was made; its update time and version move on.
        assignments += [
            f"{created} = case when {UNDOING} then new.{created} else {_NOW} end",
            f"{updated} = case when {UNDOING} then {_later(f'new.{updated}')} else {_NOW} end",
        ]
    if version is not None:
        column = quote(version.column)
        assignments.append(f"{column} = case when {UNDOING} then coalesce(new.{column}, 0) + 1 else 1 end")
    return assignments, ""


def _update(protection: Protection) -> tuple[list[str], str]:
    recorder = Recorder(protection, Audit())
    timestamps, version = protection.get(Timestamps), protection.get(Version)
    changed = recorder.changed()
    assignments, forged = [], []
    if timestamps is not None:
        created, updated = quote(timestamps.created), quote(timestamps.updated)
        assignments += [
            f"{created} = old.{created}",
            f"{updated} = case when {changed} then {_later(f'old.{updated}')} else old.{updated} end",
        ]
        forged += [differ(f"old.{name}", f"new.{name}") for name in (created, updated)]
    if version is not None:
        column = quote(version.column)
        assignments.append(f"{column} = case when {changed} then coalesce(old.{column}, 0) + 1 else old.{column} end")
        forged.append(differ(f"old.{column}", f"new.{column}"))
    return assignments, any_of([changed, *forged])
