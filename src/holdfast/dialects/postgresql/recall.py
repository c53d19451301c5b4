"""What a session needs of the past: values with their types, and views that stand before the tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from holdfast.dialects.postgresql.sql import literal, qualified, quote
from holdfast.dialects.postgresql.undo_table import TableUndo
from holdfast.dialects.postgresql.values import exactly, from_text, key_text
from holdfast.dialects.query import Query
from holdfast.dialects.recall import Recall
from holdfast.errors import HoldfastError
from holdfast.objects import Protection
from holdfast.tables import ColumnInfo, TableName

# The path is set even where temporary names come first anyway: a statement that was prepared before is then planned
# anew, and does not read the table that it read then.
_PATH = """\
select set_config('search_path', concat_ws(', ', 'pg_temp', nullif(current_setting('search_path'), '')), true)"""

_REFUSE = """\
create function pg_temp.holdfast_refuse(of anyelement, code text, complaint text, advice text)
returns setof anyelement
language plpgsql
as $$
begin
    raise exception using errcode = code, message = complaint, hint = advice;
end
$$"""


class PostgreSQLRecall(Recall):
    schema = "pg_temp"

    def key(self, protection: Protection, parameters: Sequence[str]) -> str:
        columns = TableUndo(protection).key_columns
        listed = ", ".join(
            f"cast(:{name} as {c.type}) as {quote(c.name)}" for name, c in zip(parameters, columns, strict=True)
        )
        spelled, values = zip(*(_in_utc(c, f"t.{quote(c.name)}") for c in columns), strict=True)
        return f"select {key_text(list(spelled), list(values))}\nfrom (select {listed}) as t"

    def rows(
        self, protection: Protection, columns: Sequence[ColumnInfo], documents: Sequence[Mapping[str, Any]]
    ) -> Query:
        names = ", ".join(f"{quote(c.name)} text" for c in columns)
        values = "".join(
            f",\n    {exactly(c, from_text(c, f'b.{quote(c.name)}'), f'b.{quote(c.name)}')} as {quote(c.name)}"
            for c in columns
        )
        return Query(
            f"select g.position - 1 as holdfast_position{values}\n"
            "from json_array_elements(cast(:holdfast_documents as json)) with ordinality as g (document, position)\n"
            f"cross join lateral json_to_record(g.document) as b ({names})",
            {"holdfast_documents": json.dumps(documents, default=str)},
        )

    def prepare_views(self) -> tuple[str, ...]:
        return (_PATH, _REFUSE)

    def refusing(self, name: str, table: TableName, error: HoldfastError) -> str:
        said = ", ".join(literal(text) for text in (error.code, error.message, error.hint))
        return self.view(name, f"select * from pg_temp.holdfast_refuse(null::{qualified(table)}, {said})")


def _in_utc(column: ColumnInfo, value: str) -> tuple[ColumnInfo, str]:
    """The text of a time in a key is the one that a recorder writes, whatever the session's time zone is."""
    if column.base_type != "timestamptz":
        return column, value
    return replace(column, base_type="text"), f"((to_json({value} at time zone 'UTC') #>> '{{}}') || '+00:00')"
