"""What a session needs of the past: values with their types, and views that stand before the tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from holdfast.dialects.query import Query
from holdfast.dialects.recall import Recall
from holdfast.dialects.sqlite.sql import quote
from holdfast.dialects.sqlite.values import key_json, key_of
from holdfast.errors import HoldfastError
from holdfast.objects import Protection
from holdfast.tables import ColumnInfo, TableName


class SQLiteRecall(Recall):
    schema = "temp"

    def key(self, protection: Protection, parameters: Sequence[str]) -> str:
        key = protection.table.key
        listed = ", ".join(f":{parameter} as {quote(name)}" for parameter, name in zip(parameters, key, strict=True))
        shown = key_json(f"t.{quote(key[0])}") if len(key) == 1 else key_of("t", key)
        return f"select {shown}\nfrom (select {listed}) as t"

    def rows(
        self, protection: Protection, columns: Sequence[ColumnInfo], documents: Sequence[Mapping[str, Any]]
    ) -> Query:
        names = ", ".join(quote(c.name) for c in columns)
        parameters: dict[str, Any] = {}
        rows = []
        for position, document in enumerate(documents):
            row = [str(position)]
            for number, column in enumerate(columns):
                name = f"holdfast_{position}_{number}"
                parameters[name] = _value(column, document.get(column.name))
                row.append(f":{name}")
            rows.append(f"({', '.join(row)})")
        values = ",\n    ".join(rows)
        return Query(
            f"with r (holdfast_position, {names}) as (values\n    {values}\n)\nselect holdfast_position, {names} from r",
            parameters,
        )

    def prepare_views(self) -> tuple[str, ...]:
        return ()

    def refusing(self, name: str, table: TableName, error: HoldfastError) -> str:
        # A view is looked into when it is read. This one is of a table that there is not, with the answer for a name.
        said = f"{error.code}: {error.message} Hint: {error.hint}"
        return self.view(name, f"select * from {quote(said)}")


def _value(column: ColumnInfo, value: Any) -> Any:
    """A value of a document as it was in the table."""
    if isinstance(value, Decimal):
        return float(value)
    if (
        isinstance(value, str)
        and value.startswith("\\x")
        and ("blob" in column.base_type or "binary" in column.base_type)
    ):
        return bytes.fromhex(value[2:])
    if value in ("Infinity", "-Infinity") and any(each in column.base_type for each in ("real", "floa", "doub")):
        return float(value)
    return value
