"""What is known of a mapped class: its columns, its key, what marks a deleted row and what counts versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, inspect
from sqlalchemy.orm import InstrumentedAttribute, Mapper

from holdfast.errors import DeclarationError, InvalidFilterError, UnsupportedError
from holdfast.policies import SoftDelete, Timestamps, Version, columns_needed
from holdfast.sqlalchemy.coercing import Coerce, coercer
from holdfast.sqlalchemy.locking import version_column
from holdfast.sqlalchemy.soft_delete import mark_of
from holdfast.sqlalchemy.tables import policies_of

M = TypeVar("M")


@dataclass(frozen=True)
class Model(Generic[M]):
    """A mapped class whose rows are read and written by their key."""

    model: type[M]

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
        # What most keys are is no mapping, and asking costs more than all that is done with one.
        if type(key) not in (int, str) and isinstance(key, Mapping):
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

    def is_key(self, identity: Sequence[Any]) -> list[ColumnElement[bool]]:
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
