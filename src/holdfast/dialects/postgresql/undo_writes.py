"""Undo, the writes: everything in one statement.

One statement, because foreign keys are then checked when all of it is done: no order of tables is needed, and
cycles and self-references come back like anything else. Within it rows leave before others change and come,
so that unique values are free when they are taken again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from holdfast.dialects.postgresql.sql import indent, quote
from holdfast.dialects.postgresql.undo_refusals import uniques
from holdfast.dialects.postgresql.undo_rows import ROWS
from holdfast.dialects.postgresql.undo_table import TableUndo
from holdfast.tables import ColumnInfo


def apply(parts: Sequence[TableUndo]) -> str:
    """Everything in one statement; each phase starts when the one before it is done."""
    steps = [(f"deleted_{number}", _delete(part)) for number, part in enumerate(parts) if part.occurs("delete")]
    aside = [(number, part) for number, part in enumerate(parts) if uniques(part) and part.restored]
    steps += [(f"aside_{number}", _leave(part)) for number, part in aside]
    left = _done(name for name, _ in steps)
    steps += [(f"updated_{number}", _update(part, left)) for number, part in enumerate(parts) if part.restored]
    changed = _done(name for name, _ in steps)
    steps += [
        (f"inserted_{number}", _insert(part, changed)) for number, part in enumerate(parts) if part.occurs("insert")
    ]
    steps += [(f"again_{number}", _come_again(part, f"aside_{number}", changed)) for number, part in aside]
    rendered = ",\n".join(f"{name} as (\n{indent(text, '    ')}\n)" for name, text in steps)
    if not steps:
        return "select 0"
    total = " + ".join(f"(select count(*) from {name})" for name, _ in steps)
    return f"with {rendered}\nselect {total}"


def _done(names: Iterable[str]) -> str:
    """A condition that is always true, and known only when these steps are done."""
    counts = " + ".join(f"(select count(*) from {name})" for name in names)
    return f"\n    and {counts} >= 0" if counts else ""


def _delete(part: TableUndo) -> str:
    return (
        f"delete from {part.rows} as t\nusing {ROWS} as u\n"
        f"where u.relation = {part.relation} and u.action = 'delete' and {part.same_row('t', 'u.key')}\nreturning 1"
    )


def _update(part: TableUndo, after: str) -> str:
    columns = part.restored
    assignments = ",\n    ".join(f"{quote(c.name)} = {_restored(part, c, 'b', 't')}" for c in columns)
    # The target may not be named in a lateral item of FROM, so the document is opened in a subquery.
    values = ", ".join(f'b."{part.id(c.name)}"' for c in columns)
    return (
        f"update {part.rows} as t\nset {assignments}\nfrom (\n"
        f"    select u.key, u.had, {values}\n    from {ROWS} as u\n"
        f"    cross join lateral {part.document('u.before', columns, 'b')}\n"
        f"    where u.relation = {part.relation} and u.action = 'update' and not u.steps_aside\n"
        f") as b\nwhere {part.same_row('t', 'b.key')}{after}\nreturning 1"
    )


def _restored(part: TableUndo, column: ColumnInfo, document: str, row: str) -> str:
    if part.always(3, ("update",)):
        return part.value(column, document)
    return (
        f"case when {part.in_(f'{document}.had', column.name)} then {part.value(column, document)} "
        f"else {row}.{quote(column.name)} end"
    )


def _insert(part: TableUndo, after: str) -> str:
    columns = part.columns
    names = ", ".join(quote(column.name) for column in columns)
    values = ",\n    ".join(_inserted(part, column) for column in columns)
    return (
        f"insert into {part.table} ({names})\noverriding system value\nselect {values}\nfrom {ROWS} as u\n"
        f"cross join lateral {part.document('u.before', columns, 'b')}\n"
        f"where u.relation = {part.relation} and u.action = 'insert'{after}\nreturning 1"
    )


def _inserted(part: TableUndo, column: ColumnInfo) -> str:
    value = part.value(column, "b")
    if column.default is None:
        return value
    # A column that was added since has its default, as every row that was there then.
    return f"case when {part.absent(column, 'b')} then {column.default} else {value} end"


def _leave(part: TableUndo) -> str:
    return (
        f"delete from {part.rows} as t\nusing {ROWS} as u\n"
        f"where u.relation = {part.relation} and u.steps_aside and {part.same_row('t', 'u.key')}\n"
        "returning t.*, u.key as holdfast_key"
    )


def _come_again(part: TableUndo, aside: str, after: str) -> str:
    """The row as it was a moment ago, columns that the journal does not keep included."""
    columns = part.protection.table.writable
    updatable = part.restored
    names = ", ".join(quote(column.name) for column in columns)
    values = ",\n    ".join(
        _restored(part, column, "b", "a") if column in updatable else f"a.{quote(column.name)}" for column in columns
    )
    listed = ", ".join(f'd."{part.id(column.name)}"' for column in updatable)
    return (
        f"insert into {part.table} ({names})\noverriding system value\nselect {values}\nfrom {aside} as a\n"
        f"join (\n    select u.key, u.had, {listed}\n    from {ROWS} as u\n"
        f"    cross join lateral {part.document('u.before', updatable, 'd')}\n"
        f"    where u.relation = {part.relation} and u.steps_aside\n"
        f") as b on b.key = a.holdfast_key\nwhere true{after}\nreturning 1"
    )
