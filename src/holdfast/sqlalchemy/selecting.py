"""The statements that a repository's reads begin with: which rows, and what is loaded along."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from sqlalchemy import bindparam, select
from sqlalchemy.orm.interfaces import ORMOption

from holdfast.sqlalchemy.eager import Load, loading
from holdfast.sqlalchemy.loading import strict as strictly
from holdfast.sqlalchemy.marks import RowsFilter
from holdfast.sqlalchemy.model import Model
from holdfast.sqlalchemy.soft_delete import RowsOption, filtered_to_keep, include_deleted, only_deleted

Rows = Literal["live", "dead", "all"]
"""Which rows a read means, of a model that is soft-deleted."""
_REMEMBERED = 100


class Reading(NamedTuple):
    """What a read asks for beside its filter."""

    load: str | tuple[str, ...]
    rows: Rows
    strict: bool | None
    """None for what the repository declares."""
    usual: RowsFilter | None = None
    """What the session filters with by itself, where the statement may have it already."""


@dataclass(frozen=True)
class Selects:
    """Statements about one model: to make one takes longer than to execute it again."""

    model: Model[Any]
    strict: bool
    """Where a read does not say whether it is."""
    _known: dict[Any, Any] = field(default_factory=dict)

    def of(self, reading: Reading) -> Any:
        """What a read begins with."""
        return self.kept("first", reading._replace(usual=None), lambda first: first)

    def by_key(self, reading: Reading) -> Any:
        """The statement for one row, whose key is given when it is executed (``key_values``)."""
        names = self.key_values(self.model.key)
        return self.kept("key", reading, lambda first: first.where(*self.model.is_key([*map(bindparam, names)])))

    def key_values(self, identity: Sequence[Any]) -> dict[str, Any]:
        return {f"key_of_row_{place}": value for place, value in enumerate(identity)}

    def kept(self, shape: Hashable, reading: Reading, build: Callable[[Any], Any]) -> Any:
        """The statement that ``build`` makes of the first one; made once for its shape.

        It has the session's own filter already where that is all there is to filter.
        """
        # A class that was mapped meanwhile may have made it another one.
        key = shape, reading, self.model.mapper.selectable
        statement = self._known.get(key)
        if statement is None:
            statement = build(select(self.model.model).options(*self.options(*reading[:3])))
            if reading.usual is not None and reading.rows == "live":
                statement = filtered_to_keep(statement, self.model.mapper, reading.usual)
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[key] = statement
        return statement

    def options(self, load: Load, rows: Rows, strict: bool | None) -> list[ORMOption]:
        options: list[ORMOption] = [*self.meaning(rows)]
        if self.strict if strict is None else strict:
            options.append(strictly())
        if load:
            options += loading(self.model.mapper, load)
        return options

    def meaning(self, rows: Rows, *entities: type[Any]) -> tuple[RowsOption, ...]:
        """The option for these rows; HF412 for a model without marks."""
        if rows == "live":
            return ()
        self.model.needs_mark()
        return (include_deleted(*entities) if rows == "all" else only_deleted(*entities),)
