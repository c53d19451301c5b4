"""Indexes over the rows that live: what a deleted row held is free again, and a list of the living reads no others."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Index, TextClause, column

from holdfast.sqlalchemy.naming import LIVE

Indexed = str | ColumnElement[Any] | TextClause
"""A column by its name in the database, or an expression: ``desc("created_at")``, ``text("lower(email)")``."""


def unique_live(*columns: Indexed, name: str | None = None, mark: str = "deleted_at") -> Index:
    """No two rows that live hold the same in these columns; a deleted row is in nobody's way.

    It goes into ``__table_args__``. ``mark`` is the column of ``SoftDelete``. Without ``name`` the naming
    convention gives one: ``uq_customers_email_live``. A restore of a row whose value was taken meanwhile is
    refused by the database as any other duplicate. As everywhere in SQL, NULL is no duplicate of NULL.

    >>> unique_live("tenant_id", "slug", name="slugs").unique
    True
    """
    return _live(columns, name, mark, unique=True)


def index_live(*columns: Indexed, name: str | None = None, mark: str = "deleted_at") -> Index:
    """An index over the rows that live, for what is searched or sorted among them.

    It goes into ``__table_args__``. ``mark`` is the column of ``SoftDelete``. Without ``name`` the naming
    convention gives one: ``ix_orders_status_created_at_desc_live``. It serves queries that say
    ``deleted_at IS NULL``, and no others: a foreign key needs an index over all rows.

    >>> from sqlalchemy import desc
    >>> index_live("status", desc("created_at"), name="newest").unique
    False
    """
    return _live(columns, name, mark, unique=False)


def _live(columns: tuple[Indexed, ...], name: str | None, mark: str, *, unique: bool) -> Index:
    lives: Any = column(mark).is_(None)
    return Index(name, *columns, unique=unique, info={LIVE: mark}, postgresql_where=lives, sqlite_where=lives)
