"""Expand and contract, the triggers: one keeps two columns the same, one notes when a retired column was written."""

from __future__ import annotations

from holdfast.dialects.changing import Target
from holdfast.dialects.expanding import bounded
from holdfast.dialects.postgresql.changing import name_of
from holdfast.dialects.postgresql.sql import dollar, literal, quote
from holdfast.tables import Expansion

MARK = "holdfast-expand "
"""How the comment of a trigger's function begins that is ours for as long as a column is expanded."""


def trigger_name(column: str) -> str:
    # After the users' own, to see the row as it will be; before our stamp, which counts what this one changes.
    return bounded(f"zz_holdfast_expand_{column}")


def function_name(table: Target, column: str) -> str:
    return name_of(Target(table.schema, bounded(f"hf_expand_{table.name}_{column}")))


def sequence_name(table: Target, column: str) -> str:
    return name_of(Target(table.schema, bounded(f"hf_written_{table.name}_{column}")))


def synchronise(table: Target, expansion: Expansion) -> tuple[str, ...]:
    """Either column follows from the other, whichever of them is written."""
    function = function_name(table, expansion.new)
    return (
        f"create or replace function {function}()\nreturns trigger\nlanguage plpgsql\nas "
        + dollar(_body(table, expansion)),
        f"comment on function {function}() is {literal(MARK + expansion.as_text())}",
        f"revoke all on function {function}() from public",
        f"create trigger {quote(trigger_name(expansion.new))}\nbefore insert or update on {name_of(table)}\n"
        f"for each row\nexecute function {function}()",
    )


def watch(table: Target, column: str) -> tuple[str, ...]:
    """A sequence has the time at which the column was last written: it is not taken back with a transaction."""
    sequence, function = sequence_name(table, column), function_name(table, column)
    body = f"""\
-- Writes down when {" ".join(column.split())} of {" ".join(str(table).split())} was last written, until it is dropped.
begin
    if tg_op = 'INSERT' then
        if new.{quote(column)} is null then
            return new;
        end if;
    elsif {_same(f"new.{quote(column)}", f"old.{quote(column)}")} then
        return new;
    end if;
    perform setval({literal(sequence)}, (extract(epoch from clock_timestamp()) * 1000)::bigint);
    return new;
end"""
    return (
        f"create sequence {sequence}",
        # Whoever may write the table must not fail for want of a right on the sequence.
        f"create or replace function {function}()\nreturns trigger\nlanguage plpgsql\nsecurity definer\n"
        f"set search_path = pg_catalog, pg_temp\nas {dollar(body)}",
        f"revoke all on function {function}() from public",
        f"create trigger {quote(trigger_name(column))}\nbefore insert or update on {name_of(table)}\n"
        f"for each row\nexecute function {function}()",
    )


def _same(left: str, right: str) -> str:
    """A condition: the very same value, for types without equality too."""
    return f"row({left})::record *= row({right})::record"


def _derived(table: Target, source: str, expression: str | None) -> str:
    """An expression of the trigger: what follows from the new row's ``source``."""
    value = f"new.{quote(source)}"
    if expression is None:
        return value
    return f"(select {expression} from (values ({value})) as {quote(table.name)} ({quote(source)}))"


def _default(expansion: Expansion) -> str:
    """The old column's, for an INSERT that says neither."""
    if expansion.default is None:
        return ""
    old, new = quote(expansion.old), quote(expansion.new)
    return f"""\
        if new.{old} is null and new.{new} is null then
            new.{old} := {expansion.default};
        end if;
"""


def _body(table: Target, expansion: Expansion) -> str:
    old, new = quote(expansion.old), quote(expansion.new)
    up = _derived(table, expansion.old, expansion.up)
    down = _derived(table, expansion.new, expansion.down)
    said = literal(f"{expansion.old} and {expansion.new} of {table.name} were written with values that differ.")
    return f"""\
-- Keeps {" ".join(expansion.old.split())} and {" ".join(expansion.new.split())} of {" ".join(table.name.split())} the same, for code that writes the one and code that writes the other.
#variable_conflict use_column
declare
    v_row record;
begin
    if tg_op = 'INSERT' then
{_default(expansion)}\
        if new.{new} is null then
            new.{new} := {up};
            return new;
        elsif new.{old} is null then
            new.{old} := {down};
            return new;
        end if;
    elsif {_same(f"new.{new}", f"old.{new}")} then
        if {_same(f"new.{old}", f"old.{old}")} is not true or new.{new} is null then
            new.{new} := {up};
        end if;
        return new;
    end if;
    v_row := new;
    v_row.{new} := {up};
    if {_same(f"v_row.{new}", f"new.{new}")} then
        return new;
    end if;
    if tg_op = 'UPDATE' then
        if {_same(f"new.{old}", f"old.{old}")} then
            new.{old} := {down};
            return new;
        end if;
    end if;
    v_row.{old} := {down};
    if {_same(f"v_row.{old}", f"new.{old}")} then
        return new;
    end if;
    raise exception using errcode = 'HF465',
        message = {said},
        hint = 'Write one of them: the other follows.',
        table = {literal(table.name)}, column = {literal(expansion.new)};
end"""
