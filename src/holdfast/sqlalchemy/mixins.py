"""Mixins: each brings its columns and declares their policy."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import BigInteger, ColumnElement, FetchedValue, Table, Text, event, func
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, Mapper, mapped_column

from holdfast.policies import Audit, Policy, SoftDelete, Tenant, Timestamps, Version, columns_needed
from holdfast.sqlalchemy.keys import UUIDKey
from holdfast.sqlalchemy.mapping import configure
from holdfast.sqlalchemy.tables import declare_for, policies_of
from holdfast.sqlalchemy.times import UTCDateTime

_LAST = 1000
"""The sort order of the columns that the database keeps: after the model's own."""


class Audited:
    """Every change of a row of this model is in the journal, whoever made it.

    For options write ``@protect(Audit(exclude={"iban"}))`` above the class.
    """

    __holdfast__: ClassVar[tuple[Policy, ...]] = (Audit(),)


class Timestamped:
    """``created_at`` and ``updated_at`` are set by the database for every writer; ``updated_at`` strictly grows."""

    __holdfast__: ClassVar[tuple[Policy, ...]] = (Timestamps(),)

    created_at: Mapped[datetime] = mapped_column(UTCDateTime, server_default=func.now(), sort_order=_LAST)
    updated_at: Mapped[datetime] = mapped_column(
        UTCDateTime, server_default=func.now(), server_onupdate=FetchedValue(for_update=True), sort_order=_LAST + 1
    )


class SoftDeletable:
    """A row of this model leaves by being marked in ``deleted_at``; its children follow, and come back with it."""

    __holdfast__: ClassVar[tuple[Policy, ...]] = (SoftDelete(),)

    deleted_at: Mapped[datetime | None] = mapped_column(UTCDateTime, sort_order=_LAST + 2)

    @hybrid_property
    def is_deleted(self) -> bool:
        """Whether the row is marked; in SQL the condition that it is."""
        return self.deleted_at is not None

    @is_deleted.inplace.expression
    @classmethod
    def _is_deleted(cls) -> ColumnElement[bool]:
        return cls.deleted_at.is_not(None)


class Versioned:
    """``version`` counts every real change, for every writer; a write that read an older version is refused."""

    __holdfast__: ClassVar[tuple[Policy, ...]] = (Version(),)

    version: Mapped[int] = mapped_column(BigInteger, server_default="1", sort_order=_LAST + 3)


class TenantOwned:
    """A row belongs to one tenant: filled in from the context, never changed, seen and written by that tenant alone.

    For another name or type declare a column of your own: ``@protect(Tenant("shop_id"))`` above the class.

    >>> from sqlalchemy.orm import DeclarativeBase
    >>> class Base(DeclarativeBase):
    ...     pass
    >>> class Note(TenantOwned, Base):
    ...     __tablename__ = "notes"
    ...     id: Mapped[int] = mapped_column(primary_key=True)
    >>> Note.__table__.columns.keys()
    ['tenant_id', 'id']
    """

    __holdfast__: ClassVar[tuple[Policy, ...]] = (Tenant(),)

    tenant_id: Mapped[str] = mapped_column(Text, sort_order=-_LAST + 1)


class TenantKeyed(TenantOwned):
    """As ``TenantOwned``, and the primary key begins with the tenant: each tenant has keys of its own.

    For keys that the client chooses, such as an invoice's number: a global one tells by a duplicate what others have.

    A parent to whose key rows refer with their own tenant needs ``passive_deletes="all"`` on its relationship to them,
    or ``cascade="all, delete-orphan"``. Otherwise SQLAlchemy sets their foreign key to NULL when the parent is deleted
    while they are loaded, the tenant with it, and fails: "tried to blank-out primary key column".

    >>> from sqlalchemy.orm import DeclarativeBase
    >>> class Base(DeclarativeBase):
    ...     pass
    >>> class Invoice(TenantKeyed, Base):
    ...     __tablename__ = "invoices"
    ...     number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    >>> Invoice.__table__.primary_key.columns.keys()
    ['tenant_id', 'number']
    """

    tenant_id: Mapped[str] = mapped_column(Text, primary_key=True, sort_order=-_LAST + 1)


class ProtectedModel(UUIDKey, Timestamped, SoftDeletable, Versioned, Audited):
    """All of it: a time-ordered key, times, soft delete, version and audit trail."""


def _declare(mapper: Mapper[Any], class_: type[Any]) -> None:
    """A mixin's policy belongs to the table that has its columns: a joined subclass has the audit trail alone."""
    table = mapper.local_table
    if not isinstance(table, Table):
        return
    names = {column.name for column in table.columns}
    present = {type(policy) for policy in policies_of(table)}
    for base in class_.__mro__:
        for policy in base.__dict__.get("__holdfast__", ()):
            if type(policy) not in present and names.issuperset(column for column, _ in columns_needed([policy])):
                declare_for(table, [policy])
    configure(mapper)


for _mixin in (Audited, Timestamped, SoftDeletable, Versioned, TenantOwned):
    event.listen(_mixin, "after_mapper_constructed", _declare, propagate=True)
