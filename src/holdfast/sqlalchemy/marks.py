"""What a MetaData has of classes whose rows are marked, and which statements can meet one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnClause, MetaData, Select, Table, inspect
from sqlalchemy.orm import InstrumentedAttribute, Mapper, RelationshipProperty, with_loader_criteria
from sqlalchemy.sql.visitors import iterate

from holdfast.errors import DeclarationError
from holdfast.policies import SoftDelete
from holdfast.sqlalchemy.mapping import SOFT_DELETED
from holdfast.sqlalchemy.mixins import SoftDeletable
from holdfast.sqlalchemy.narrowing import narrowed, tables_of
from holdfast.sqlalchemy.tables import policy_of

_MARKS = "holdfast.marks"
"""The key in ``MetaData.info`` of its Marks."""
_REMEMBERED = 2000
"""How many different statements are remembered: about as many as SQLAlchemy's own cache holds, and a few."""


class Marks:
    """The marked classes of a MetaData; what was found out about a statement is kept by its cache key."""

    def __init__(self, mappers: tuple[Mapper[Any], ...]) -> None:
        self.mappers = frozenset(mapper for each in mappers for mapper in each.self_and_descendants)
        self.roots = mappers
        self.filters = tuple(_live_filters(mappers))
        self._met: dict[Any, bool] = {}
        self._open: dict[Any, bool] = {}
        self._reach: dict[tuple[Mapper[Any], bool], bool] = {}

    def are_met_by(self, statement: Any, mapper: Mapper[Any]) -> bool:
        """Whether the statement can read or write a marked row; one that cannot is left alone."""
        return _remembered(self._met, statement, lambda: self._meets(statement, mapper))

    def leave_open(self, statement: Any) -> bool:
        """Whether the filters alone are not enough for the statement."""
        return _remembered(self._open, statement, lambda: narrowed(statement, set()) is not statement)

    def _meets(self, statement: Any, mapper: Mapper[Any]) -> bool:
        with_options = bool(statement._with_options)
        for each in (statement, *iterate(statement)):
            if isinstance(each, Select) or each is statement:
                if any(policy_of(table, SoftDelete) for table in tables_of(each)):
                    return True
            named = each._annotations.get("parentmapper")
            if named is not None and self._reaches(named, with_options):
                return True
        return self._reaches(mapper, with_options)

    def _reaches(self, mapper: Mapper[Any], with_options: bool) -> bool:
        """Whether a statement about the class can come to a marked one: by a join that it brings, or by any at all."""
        key = mapper, with_options
        if key not in self._reach:
            self._reach[key] = any(
                each in self.mappers or _computed_from_marked(each) for each in _reached(mapper, with_options)
            )
        return self._reach[key]


def marks_of(metadata: MetaData) -> Marks | None:
    """The marks of a MetaData, or nothing where no class is marked; gathered again when a class was added."""
    known: list[Mapper[Any]] | None = metadata.info.get(SOFT_DELETED)
    if not known:
        return None
    marks: Marks | None = metadata.info.get(_MARKS)
    if marks is None or len(marks.roots) != len(known) or marks.size != _size(known):
        marks = metadata.info[_MARKS] = Marks(tuple(known))
    return marks
