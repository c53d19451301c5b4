"""The statements that a repository's reads begin with: which rows, and what is loaded along."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import select
from sqlalchemy.orm.interfaces import ORMOption

from holdfast.sqlalchemy.eager import Load, loading
from holdfast.sqlalchemy.loading import strict as strictly
from holdfast.sqlalchemy.model import Model
from holdfast.sqlalchemy.soft_delete import RowsOption, include_deleted, only_deleted

Rows = Literal["live", "dead", "all"]
"""Which rows a read means, of a model that is soft-deleted."""
_REMEMBERED = 100


@dataclass(frozen=True)
class Selects:
    """Statements about one model, each made once for what it loads."""

    model: Model[Any]
    strict: bool
    """Where a read does not say whether it is."""
    _known: dict[Any, Any] = field(default_factory=dict)

    def of(self, load: Load, rows: Rows, strict: bool | None) -> Any:
        named = load if isinstance(load, str) else tuple(load)
        # A class that was mapped meanwhile may have made it another one.
        key = self.model.mapper.selectable, named, rows, self.strict if strict is None else strict
        statement = self._known.get(key)
        if statement is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            statement = self._known[key] = select(self.model.model).options(*self.options(named, rows, strict))
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
