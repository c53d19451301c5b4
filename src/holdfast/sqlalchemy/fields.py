"""Which attributes of a model may be named from outside, and what such a filter, an order or a value means."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from sqlalchemy import Column, ColumnElement, UnaryExpression
from sqlalchemy.ext.hybrid import HybridExtensionType
from sqlalchemy.orm import ColumnProperty, QueryableAttribute
from sqlalchemy.sql.elements import True_

from holdfast.errors import DeclarationError, InvalidFilterError, InvalidWriteError
from holdfast.sqlalchemy.filters import Conditions, Field, parse_filter, suggestion
from holdfast.sqlalchemy.model import M, Model
from holdfast.sqlalchemy.paging.cursor import Keys, Secret
from holdfast.sqlalchemy.selecting import Selects

Names = Collection[str]
Where = ColumnElement[bool] | QueryableAttribute[bool] | Mapping[str, Any]
"""An expression, written in code; or a filter of declared fields, which may come from outside."""
OrderBy = str | ColumnElement[Any] | QueryableAttribute[Any]
"""An expression, or the name of a declared field: ``"total"``, ``"-total"`` for the largest first."""
Kind = Literal["filterable", "sortable", "writable"]


@dataclass(frozen=True)
class Fields(Model[M]):
    """One model, and the names that are declared over it."""

    owner: str
    """The repository's name, for messages."""
    filterable: Names = ()
    sortable: Names = ()
    writable: Names = ()
    strict: bool = False
    secret: Secret | Sequence[Secret] | None = None

    def check(self) -> None:
        """HF115 unless every declared name is one of the model's."""
        readable = {*self.mapper.columns.keys(), *self._hybrids}
        self._check("filterable", self.filterable, readable)
        self._check("sortable", self.sortable, readable)
        self._check("writable", self.writable, set(self.columns))
        if kept := sorted(self.kept.intersection(self.writable)):
            raise DeclarationError(
                "HF115",
                f"{self.owner}.writable names {', '.join(kept)}, which the database itself writes.",
                f"Take {kept[0]} out: times, versions and marks are not written by hand.",
            )

    def _check(self, kind: Kind, names: Any, allowed: set[str]) -> None:
        if isinstance(names, str) or not all(isinstance(each, str) for each in names):
            raise DeclarationError(
                "HF115", f"{self.owner}.{kind} is not a set of names.", f'Write {kind} = {{"status"}}, names in text.'
            )
        for name in sorted(set(names) - allowed):
            raise DeclarationError(
                "HF115",
                f"{self.owner}.{kind} names {name!r}, and {self.model.__name__} has no such column.",
                suggestion(name, allowed, f"{self.model.__name__} has"),
            )

    @cached_property
    def selects(self) -> Selects:
        """The statements that reads of the model begin with."""
        return Selects(self, self.strict)

    @cached_property
    def cursor_keys(self) -> Keys | None:
        """What cursors are signed with, where the repository has a secret."""
        return None if self.secret is None else Keys(self.secret)

    @cached_property
    def _hybrids(self) -> dict[str, Any]:
        return {
            name: each
            for name, each in self.mapper.all_orm_descriptors.items()
            if each.extension_type is HybridExtensionType.HYBRID_PROPERTY
        }

    # ------------------------------------------------------------------ filters and orders

    @cached_property
    def filters(self) -> dict[str, Field]:
        return {name: self._field(name) for name in self.filterable}

    def _field(self, name: str) -> Field:
        column = self.mapper.columns.get(name)
        attribute = self.attribute(name)
        plain = type(column.type).__module__.startswith("sqlalchemy.") if isinstance(column, Column) else False
        plain = plain and type(attribute.comparator) is ColumnProperty.Comparator
        return Field(name, attribute, column is None or getattr(column, "nullable", True), plain)

    def conditions(self, where: Iterable[Where]) -> Conditions:
        """What the filters say together; HF623 for what is neither an expression nor a filter of declared fields."""
        clauses: list[Any] = []
        restricts = False
        for each in where:
            if isinstance(each, Mapping):
                parsed = parse_filter(each, self.filters, self.owner)
                clauses += parsed.clauses
                restricts |= parsed.restricts
            elif isinstance(each, (ColumnElement, QueryableAttribute)):
                if not isinstance(each, True_):
                    clauses.append(each)
                    restricts = True
            else:
                raise InvalidFilterError(
                    "HF623",
                    f"{each!r} is no filter."
                    + (" An attribute of an instance was compared, in Python." if isinstance(each, bool) else ""),
                    f"Write {self.model.__name__}.{self.key[0]} == 7, or a dictionary of declared fields.",
                )
        return Conditions(tuple(clauses), restricts)

    def order(self, order_by: OrderBy | Iterable[OrderBy] | None) -> list[Any]:
        """The clauses of an order; that of the key where none is said. HF623 for a name that is not declared."""
        if order_by is None:
            return [self.attribute(name) for name in self.key]
        single = isinstance(order_by, (str, ColumnElement, QueryableAttribute))
        given: Iterable[Any] = [order_by] if single else order_by
        return [self._sorted_by(each) if isinstance(each, str) else each for each in given]

    def total_order(self, order_by: OrderBy | Iterable[OrderBy] | None) -> list[Any]:
        """The same, and the key behind it: no two rows stand at one place. An empty order stays empty."""
        clauses = self.order(order_by)
        if order_by is None or not clauses:
            return clauses
        named = {_sorted(each) for each in clauses}
        return clauses + [a for name in self.key if (a := self.attribute(name)).expression not in named]

    def _sorted_by(self, name: str) -> Any:
        plain = name.removeprefix("-")
        if plain not in self.sortable:
            raise InvalidFilterError(
                "HF623",
                f"{self.owner} cannot be ordered by {plain!r}.",
                suggestion(plain, self.sortable, f"{self.owner}.sortable declares"),
            )
        field = self._field(plain)
        directed = field.expression.desc() if plain != name else field.expression.asc()
        # Nulls count as the largest, as in pages, on every database.
        if not field.nullable:
            return directed
        return directed.nulls_first() if plain != name else directed.nulls_last()

    # ------------------------------------------------------------------ values to write

    def values(self, given: Mapping[Any, Any], *, change: bool = False) -> dict[str, Any]:
        """What to write, by attribute. A name in text must be declared writable; an attribute of the model is code.

        HF625 for any other, and in a ``change`` of rows that are there for their key.
        """
        found = {}
        for name, value in given.items():
            if isinstance(name, str):
                if name not in self.writable:
                    raise self._not_writable(name)
            elif isinstance(name, QueryableAttribute) and name.key in self.columns and name.class_ in self._line:
                name = name.key
            else:
                raise self._not_writable(str(name))
            found[name] = value
        if change and (keys := [name for name in self.key if name in found]):
            raise InvalidWriteError(
                "HF625",
                f"The key of a row is not changed: {', '.join(keys)}.",
                "Create the other row, and delete this one.",
            )
        return found

    @cached_property
    def _line(self) -> set[type[Any]]:
        return {each.class_ for each in self.mapper.iterate_to_root()}

    def _not_writable(self, name: str) -> InvalidWriteError:
        kept = name in self.kept
        return InvalidWriteError(
            "HF625",
            f"{self.owner} does not write {name!r}" + (": the database does." if kept else "."),
            suggestion(name, self.writable, f"{self.owner}.writable declares"),
        )


def _sorted(clause: Any) -> Any:
    while isinstance(clause, UnaryExpression):
        clause = clause.element
    return getattr(clause, "expression", clause)
