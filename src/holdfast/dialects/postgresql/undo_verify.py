"""Undo, the proof: what did not come back as it was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from holdfast.dialects.postgresql.recording import Recorder
from holdfast.dialects.postgresql.sql import quote
from holdfast.dialects.postgresql.undo_rows import ROWS
from holdfast.dialects.postgresql.undo_table import TableUndo
from holdfast.dialects.postgresql.values import differs
from holdfast.tables import ColumnInfo


def verify(part: TableUndo) -> Iterator[str]:
    """What did not come back as it was: a trigger of the user's own wrote over it."""
    missing = f"t.{quote(part.key_columns[0].name)} is null"
    if part.occurs("delete"):
        yield (
            f"select u.relation, u.key, 'the row is still there', null::text\nfrom {ROWS} as u\n"
            f"join {part.rows} as t on {part.same_row('t', 'u.key')}\n"
            f"where u.relation = {part.relation} and u.action = 'delete'"
        )
    if part.occurs("insert"):
        # Most rows are told by their image; values are compared where that is not the same.
        image = Recorder(part.protection, part.audit).image("t")
        yield _written_over(part, "insert", part.updatable, missing, f"\n    and {image} is distinct from u.before")
    if part.occurs("update"):
        columns = part.restored
        same = columns and part.always(3, ("update",))
        unless = f"\n    and {part.written(columns, 't')} is distinct from u.before" if same else ""
        yield _written_over(part, "update", columns, missing, unless)


def _written_over(part: TableUndo, action: str, columns: Sequence[ColumnInfo], missing: str, unless: str) -> str:
    conditions = [missing]
    always = action == "insert" or part.always(3, ("update",))
    for column in columns:
        different = differs([(column, f"t.{quote(column.name)}", part.value(column, "b"))])
        given = "" if always else f"{part.in_('u.had', column.name)} and "
        older = f" and not ({part.absent(column, 'b')})" if column.default is not None else ""
        conditions.append(f"{given}({different}){older}")
    opened = f"cross join lateral {part.document('u.before', columns, 'b')}\n" if columns else ""
    return f"""\
select u.relation, u.key,
    case when {missing} then 'the row did not come back'
         else 'the row did not come back as it was: a trigger of the database wrote over it' end,
    null::text
from {ROWS} as u
left join {part.rows} as t on {part.same_row("t", "u.key")}
{opened}where u.relation = {part.relation} and u.action = '{action}'{unless}
    and ({" or ".join(conditions)})"""
