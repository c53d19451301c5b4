"""What a repository knows of its model: its key, its columns, and which of them may be named from outside."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, Literal, TypeVar

from sqlalchemy import ColumnElement, UnaryExpression, inspect
from sqlalchemy.ext.hybrid import HybridExtensionType
from sqlalchemy.orm import InstrumentedAttribute, Mapper, QueryableAttribute
from sqlalchemy.sql.elements import True_

from holdfast.errors import DeclarationError, InvalidFilterError, InvalidWriteError, UnsupportedError
from holdfast.policies import SoftDelete, Timestamps, Version, columns_needed
from holdfast.sqlalchemy.coercing import Coerce, coercer
from holdfast.sqlalchemy.filters import Conditions, Field, parse_filter, suggestion
from holdfast.sqlalchemy.locking import version_column
from holdfast.sqlalchemy.paging.cursor import Keys, Secret
from holdfast.sqlalchemy.soft_delete import mark_of
from holdfast.sqlalchemy.tables import policies_of

M = TypeVar("M")
Names = Collection[str]
Where = ColumnElement[bool] | QueryableAttribute[bool] | Mapping[str, Any]
"""An expression, written in code; or a filter of declared fields, which may come from outside."""
OrderBy = str | ColumnElement[Any] | QueryableAttribute[Any]
"""An expression, or the name of a declared field: ``"total"``, ``"-total"`` for the largest first."""
Kind = Literal["filterable", "sortable", "writable"]


@dataclass(frozen=True)
class Fields(Generic[M]):
    """One model, and the names that are declared over it."""

    model: type[M]
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

    # ------------------------------------------------------------------ the model

    @cached_property
    def mapper(self) -> Mapper[M]:
        mapper: Mapper[M] = inspect(self.model)
        return mapper

    @cached_property
    def columns(self) -> dict[str, Any]:
        """Attribute to column, of those that a row is stored in."""
        tables = set(self.mapper.tables)
        return {
            name: column
            for name, column in self.mapper.columns.items()
            if getattr(column, "table", None) in tables and column.computed is None
        }

    @cached_property
    def kept(self) -> frozenset[str]:
        """The attributes that the database writes by itself."""
        kept = set()
        for each in self.mapper.iterate_to_root():
            policies = [p for p in policies_of(each.local_table) if isinstance(p, (Timestamps, Version, SoftDelete))]
            names = {column for column, _ in columns_needed(policies)}
            kept |= {each.get_property_by_column(c).key for c in each.local_table.columns if c.name in names}
        if self.version is not None:
            kept.add(self.version)
        return frozenset(kept)

    @cached_property
    def key(self) -> tuple[str, ...]:
        """The attributes of the primary key, in its order."""
        return tuple(self.mapper.get_property_by_column(column).key for column in self.mapper.primary_key)

    @cached_property
    def mark(self) -> InstrumentedAttribute[Any] | None:
        return mark_of(self.mapper)

    @cached_property
    def version(self) -> str | None:
        """The attribute that counts versions, where the model has one."""
        try:
            return self.mapper.get_property_by_column(version_column(self.mapper)).key
        except KeyError:
            column: Any = self.mapper.version_id_col
            return None if column is None else self.mapper.get_property_by_column(column).key

    @cached_property
    def selects(self) -> dict[Any, Any]:
        """The statements that the repository's reads begin with, by what they load."""
        return {}

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

    def attribute(self, name: str) -> Any:
        return getattr(self.model, name)

    def needs_mark(self) -> None:
        if self.mark is None:
            raise UnsupportedError(
                "HF412",
                f"{self.model.__name__} is not soft-deleted, so none of its rows is marked.",
                "Declare SoftDelete (SoftDeletable), or undo the delete (holdfast.undo).",
            )

    def needs_version(self) -> str:
        if self.version is None:
            raise DeclarationError(
                "HF115",
                f"{self.model.__name__} has no version, so a version cannot be expected of its rows.",
                "Declare Version (Versioned), or leave version= away.",
            )
        return self.version

    # ------------------------------------------------------------------ keys

    @cached_property
    def _key_coercers(self) -> tuple[Coerce | None, ...]:
        return tuple(coercer(self.mapper.columns[name].type) for name in self.key)

    def identity(self, key: Any) -> tuple[Any, ...]:
        """A key as the columns hold it; HF623 where it is not one. A dictionary names the attributes."""
        if isinstance(key, Mapping):
            if set(key) != set(self.key):
                raise self._no_key(key)
            key = tuple(key[name] for name in self.key)
        elif not isinstance(key, (tuple, list)):
            key = (key,)
        if len(key) != len(self.key):
            raise self._no_key(key)
        found = []
        for name, value, coerce in zip(self.key, key, self._key_coercers, strict=True):
            try:
                found.append(value if coerce is None else coerce(value))
            except ValueError as error:
                raise InvalidFilterError(
                    "HF623", f"The key {name} of {self.model.__name__} is {error}.", "Give the key as it is stored."
                ) from error
            if value is None:
                raise self._no_key(key)
        return tuple(found)

    def named(self, identity: tuple[Any, ...]) -> str:
        """The row, in words."""
        shown = ", ".join(f"{name}={value!s}" for name, value in zip(self.key, identity, strict=True))
        return f"{self.model.__name__} with {shown}"

    def is_key(self, identity: tuple[Any, ...]) -> list[ColumnElement[bool]]:
        return [self.attribute(name) == value for name, value in zip(self.key, identity, strict=True)]

    def _no_key(self, key: Any) -> InvalidFilterError:
        names = ", ".join(self.key)
        return InvalidFilterError(
            "HF623",
            f"The key of {self.model.__name__} is {names}, and {len(key)} values were given."
            if isinstance(key, (tuple, list)) and len(key) != len(self.key)
            else f"The key of {self.model.__name__} is {names}; what was given is another, or null.",
            "Give the value, or a tuple in this order, or a dictionary.",
        )

    # ------------------------------------------------------------------ filters and orders

    @cached_property
    def _filters(self) -> dict[str, Field]:
        return {name: self._field(name) for name in self.filterable}

    def _field(self, name: str) -> Field:
        column = self.mapper.columns.get(name)
        return Field(name, self.attribute(name), column is None or getattr(column, "nullable", True))

    def conditions(self, where: Iterable[Where]) -> Conditions:
        """What the filters say together; HF623 for what is neither an expression nor a filter of declared fields."""
        clauses: list[Any] = []
        restricts = False
        for each in where:
            if isinstance(each, Mapping):
                parsed = parse_filter(each, self._filters, self.owner)
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
