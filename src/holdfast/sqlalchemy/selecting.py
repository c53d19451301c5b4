"""The statements that a repository's reads begin with: which rows, and what is loaded along."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

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


@dataclass(frozen=True)
class Selects:
    """Statements about one model, each made once for what it loads."""

    model: Model[Any]
    strict: bool
    """Where a read does not say whether it is."""
    _known: dict[Any, Any] = field(default_factory=dict)

    def of(self, load: Load, rows: Rows, strict: bool | None) -> Any:
        return self._once((load, rows, strict), lambda: self._select(load, rows, strict))

    def by_key(self, load: Load, rows: Rows, strict: bool | None, usual: RowsFilter | None) -> Any:
        """The statement for one row, whose key is given when it is executed (``key_values``).

        ``usual`` is what the session filters with; the statement has it already where it need not say more.
        """

        def build() -> Any:
            is_key = self.model.is_key([bindparam(name) for name in self._key_names])
            statement = self._select(load, rows, strict).where(*is_key)
            if usual is None or rows != "live":
                return statement
            return filtered_to_keep(statement, self.model.mapper, usual)

        return self._once((load, rows, strict, usual), build)

    def key_values(self, identity: Sequence[Any]) -> dict[str, Any]:
        return dict(zip(self._key_names, identity, strict=True))

    @cached_property
    def _key_names(self) -> list[str]:
        return [f"key_of_row_{place}" for place in range(len(self.model.key))]

    def _select(self, load: Load, rows: Rows, strict: bool | None) -> Any:
        return select(self.model.model).options(*self.options(load, rows, strict))

    def _once(self, asked: tuple[Any, ...], build: Callable[[], Any]) -> Any:
        load, *others = asked
        # A class that was mapped meanwhile may have made it another one.
        key = self.model.mapper.selectable, load if isinstance(load, str) else tuple(load), *others
        statement = self._known.get(key)
        if statement is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            statement = self._known[key] = build()
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
