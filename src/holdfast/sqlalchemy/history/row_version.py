"""A row as one transaction left it, with the attributes of its class, and what differs between two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import Column
from sqlalchemy.orm import Mapper, make_transient_to_detached
from sqlalchemy.orm.attributes import set_committed_value

from holdfast.errors import HistoryError
from holdfast.journal import Operation

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class RowVersion(Generic[_T]):
    """A row as one transaction left it: who, when, why, and the whole row by attribute, of the types of the mapping.

    Number 0 is what was there before the first recorded change: it has no transaction. ``values`` is None where the
    row was gone; it lacks the attributes of which the journal keeps no values (``Audit(exclude=, mask=, large=)``), and
    those that were erased.

    >>> from sqlalchemy import Integer, String, inspect
    >>> from sqlalchemy.orm import DeclarativeBase, mapped_column
    >>> class Base(DeclarativeBase): ...
    >>> class Order(Base):
    ...     __tablename__ = "orders"
    ...     id = mapped_column(Integer, primary_key=True)
    ...     status = mapped_column(String)
    >>> values = {"id": 1, "status": "paid"}
    >>> version = RowVersion(1, "7", None, "ada", None, None, "insert", (1,), values, inspect(Order))
    >>> version.values["status"], version.as_instance().status
    ('paid', 'paid')
    """

    number: int
    transaction: str | None
    at: datetime | None
    """When the transaction began to commit (on SQLite: when it first wrote)."""
    actor: str | None
    tenant: str | None
    reason: str | None
    operation: Operation | None
    key: tuple[Any, ...]
    values: Mapping[str, Any] | None
    mapper: Mapper[_T] = field(repr=False, compare=False)

    def as_instance(self) -> _T:
        """An instance of the class with these values, detached: no session knows it, and it loads nothing.

        A relationship of it, or an attribute that is not kept, raises SQLAlchemy's ``DetachedInstanceError``: what was
        around the row then is read under ``as_of``. HF437 where the row was gone.
        """
        if self.values is None:
            raise gone(self.mapper, self.key, self.number)
        instance = self.mapper.class_manager.new_instance()
        for attribute in self.mapper.column_attrs:
            if attribute.key in self.values:
                set_committed_value(instance, attribute.key, self.values[attribute.key])
        make_transient_to_detached(instance)
        return instance


def diff(a: RowVersion[_T], b: RowVersion[_T]) -> dict[str, tuple[Any, Any]]:
    """The attributes that differ, each with its value in ``a`` and in ``b``; a row that is gone has None everywhere.

    >>> from sqlalchemy import Integer, String, inspect
    >>> from sqlalchemy.orm import DeclarativeBase, mapped_column
    >>> class Base(DeclarativeBase): ...
    >>> class Order(Base):
    ...     __tablename__ = "orders"
    ...     id = mapped_column(Integer, primary_key=True)
    ...     status = mapped_column(String)
    >>> a = RowVersion(1, "7", None, "ada", None, None, "insert", (1,), {"id": 1, "status": "new"}, inspect(Order))
    >>> b = RowVersion(2, "9", None, "bob", None, None, "update", (1,), {"id": 1, "status": "paid"}, inspect(Order))
    >>> diff(a, b)
    {'status': ('new', 'paid')}
    """
    before, after = a.values or {}, b.values or {}
    types = {**_types(a.mapper), **_types(b.mapper)}
    return {
        name: (before.get(name), after.get(name))
        for name in {**before, **after}
        if name not in before or name not in after or not types[name].compare_values(before[name], after[name])
    }


def _types(mapper: Mapper[Any]) -> dict[str, Any]:
    return {each.key: each.columns[0].type for each in mapper.column_attrs if isinstance(each.columns[0], Column)}


def gone(mapper: Mapper[Any], key: Sequence[Any], number: int) -> HistoryError:
    return HistoryError(
        "HF437",
        f"Version {number} of {mapper.class_.__name__} {', '.join(str(each) for each in key)} is its delete.",
        "Choose a version in which the row lived.",
    )
