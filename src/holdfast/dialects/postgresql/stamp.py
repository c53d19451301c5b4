"""The columns that the database keeps by itself: created and updated times, and the version."""

from __future__ import annotations

import re

from holdfast.dialects.postgresql.retyped import ask, unless_retyped
from holdfast.dialects.postgresql.sql import function, indent, literal, quote, trigger
from holdfast.dialects.postgresql.values import differs
from holdfast.errors import DeclarationError
from holdfast.objects import DatabaseObject, Protection
from holdfast.policies import Timestamps, Version
from holdfast.tables import ColumnInfo, TableInfo

UNDOING = "current_setting('holdfast.undo', true) = 'on'"
AS_IT_WAS = "current_setting('holdfast.undo', true) = 'exact'"
"""A row is copied from elsewhere, with its times and its version."""


def moment(column: ColumnInfo) -> str:
    """The present moment, not the transaction's start, as the column's type keeps it."""
    if column.base_type == "timestamp":
        return "(pg_catalog.clock_timestamp() at time zone 'UTC')"
    return "pg_catalog.clock_timestamp()"


def _key(table: TableInfo) -> str:
    """An expression: the key of the old row, as the journal spells it, whatever its types are by now."""
    values = [f"pg_catalog.to_json(old) -> {literal(name)}" for name in table.key]
    return values[0] if len(values) == 1 else f"pg_catalog.json_build_array({', '.join(values)})"


def check_stamp_types(protection: Protection) -> None:
    table = protection.table
    timestamps, version = protection.get(Timestamps), protection.get(Version)
    for name in (timestamps.created, timestamps.updated) if timestamps else ():
        column = table.column(name)
        if column is not None and column.base_type not in ("timestamptz", "timestamp"):
            raise DeclarationError(
                "HF105",
                f"{table.name}.{name} is of type {column.type}, and Timestamps keeps times.",
                "Use a column of type timestamptz.",
            )
    if version is not None:
        column = table.column(version.column)
        if column is not None and column.base_type not in ("int2", "int4", "int8"):
            raise DeclarationError(
                "HF105",
                f"{table.name}.{version.column} is of type {column.type}, and Version counts.",
                "Use a column of type integer or bigint.",
            )


def stamping(protection: Protection, policy: str) -> tuple[DatabaseObject, ...]:
    """One function for each event keeps times and version together, so that a row pays for one trigger."""
    check_stamp_types(protection)
    table = protection.table
    relation = protection.relation.id
    objects = []
    for event, body in (("insert", _insert(protection)), ("update", _update(protection))):
        name = f"stamp_{event}_{relation}"
        objects.append(
            function(
                name,
                body,
                policy=policy,
                purpose=f"Keeps times and version on each {event} of {table.name}.",
                owner=None,
                definer=False,
            )
        )
        # Last among the BEFORE triggers, to see the row as it will be.
        objects.append(trigger(f"zz_holdfast_stamp_{event}", table.name, name, f"before {event}", "row", policy=policy))
    return tuple(objects)


def _insert(protection: Protection) -> str:
    table = protection.table
    timestamps, version = protection.get(Timestamps), protection.get(Version)
    fresh, undone = [], []
    if timestamps is not None:
        created, updated = table.column(timestamps.created), table.column(timestamps.updated)
        assert created is not None
        assert updated is not None
        fresh += [
            f"new.{quote(created.name)} := {moment(created)};",
            f"new.{quote(updated.name)} := "
            + (f"new.{quote(created.name)};" if created.base_type == updated.base_type else f"{moment(updated)};"),
        ]
        undone.append(_later(updated, "new"))
    if version is not None:
        name = quote(version.column)
        fresh.append(f"new.{name} := 1;")
        undone.append(f"new.{name} := coalesce(new.{name}, 0) + 1;")
    _, arrive = _moving(protection)
    return (
        ("declare\n    v_told text;\n" if arrive else "")
        + "begin\n"
        + (indent(arrive, "    ") + "\n" if arrive else "")
        + f"    if {UNDOING} then\n"
        "        -- A row that comes back keeps the time it was made; its version and update time move on.\n"
        + indent("\n".join(undone), " " * 8)
        + f"\n    elsif {AS_IT_WAS} is not true then\n"
        + indent("\n".join(fresh), " " * 8)
        + "\n    end if;\n    return new;\nend"
    )


def _later(column: ColumnInfo, row: str) -> str:
    """The present moment, or the next one that the column can tell from what it holds."""
    name = quote(column.name)
    digits = re.search(r"\((\d)\)", column.type)
    step = f"{10 ** -int(digits[1]):f} second" if digits else "1 microsecond"
    return f"new.{name} := greatest({moment(column)}, {row}.{name} + interval '{step}');"


def _moving(protection: Protection) -> tuple[str, str]:
    """A row that goes to another partition arrives there as an INSERT: announced by the UPDATE, told by all it holds."""
    table = protection.table
    if table.kind != "partitioned":
        return "", ""

    def image(row: str) -> str:
        told = ", ".join(f"{row}.{quote(column.name)}" for column in table.columns if not column.generated)
        return f"pg_catalog.concat_ws('|', {told})"

    moves = differs(
        (column, f"old.{quote(column.name)}", f"new.{quote(column.name)}")
        for column in table.columns
        if column.name in table.partition_columns
    )
    told = indent(unless_retyped(f"v_told := {image('new')};", ask({"v_told": image("n")}, n="new")), "    ")
    announce = f"""\
if {moves} then
{told}
    perform pg_catalog.set_config('holdfast.moved', v_told, true);
end if;"""
    arrive = f"""\
if current_setting('holdfast.moved', true) <> '' then
{told}
    if current_setting('holdfast.moved', true) = v_told then
        perform pg_catalog.set_config('holdfast.moved', '', true);
        return new;
    end if;
end if;"""
    return announce, arrive


def _update(protection: Protection) -> str:
    table = protection.table
    timestamps, version = protection.get(Timestamps), protection.get(Version)
    own = {timestamps.created, timestamps.updated} if timestamps else set()
    own |= {version.column} if version else set()
    # A generated column is not computed yet in a BEFORE trigger, and follows from the others anyway.
    watched = [column for column in table.columns if column.name not in own and not column.generated]
    asked, changed = (
        differs((c, f"{old}.{quote(c.name)}", f"{new}.{quote(c.name)}") for c in watched)
        for old, new in (("o", "n"), ("old", "new"))
    )
    before, moved, kept = [], [], []
    if version is not None:
        name = quote(version.column)
        before.append(
            f"-- A writer that gives a version says which one it has read: that one, or the one after it.\n"
            f"if new.{name} is distinct from old.{name} and new.{name} is distinct from coalesce(old.{name}, 0) + 1 then\n"
            f"    raise exception using errcode = 'HF202',\n"
            f"        message = pg_catalog.format('{_quoted(table.name.name)} was changed by somebody else: it is at version %s, "
            f"and this write is for version %s.', old.{name}, new.{name}),\n"
            f"        schema = {literal(table.name.schema)}, table = {literal(table.name.name)},\n"
            f"        detail = pg_catalog.json_build_object('key', {_key(table)}, 'expected', new.{name}, 'current', old.{name})::text,\n"
            f"        hint = 'Read the row again and repeat the change on what it is now.';\n"
            f"end if;"
        )
        moved.append(f"new.{name} := coalesce(old.{name}, 0) + 1;")
        kept.append(f"new.{name} := old.{name};")
    if timestamps is not None:
        updated = table.column(timestamps.updated)
        assert updated is not None
        name = quote(timestamps.updated)
        moved.append(_later(updated, "old"))
        kept.append(f"new.{name} := old.{name};")
        before.append(f"new.{quote(timestamps.created)} := old.{quote(timestamps.created)};")
    announce, _ = _moving(protection)
    if announce:
        moved.append(announce)
    compare = unless_retyped(f"v_changed := {changed};", ask({"v_changed": asked}, o="old", n="new"))
    return (
        "declare\n    v_changed boolean;\n"
        + ("    v_told text;\n" if announce else "")
        + "begin\n"
        + indent("\n".join([*before, compare]), "    ")
        + "\n    if v_changed then\n"
        + indent("\n".join(moved), " " * 8)
        + "\n    else\n"
        + indent("\n".join(kept), " " * 8)
        + "\n    end if;\n    return new;\nend"
    )


def _quoted(name: str) -> str:
    """A name inside a string constant that format() reads."""
    return name.replace("'", "''").replace("%", "%%").replace("\\", "")
