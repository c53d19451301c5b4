"""Many-to-many relationships through a marked table: links that are dead are no links."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Column, ColumnElement, Table
from sqlalchemy.orm import RelationshipProperty
from sqlalchemy.sql.visitors import iterate

from holdfast.errors import DeclarationError
from holdfast.policies import SoftDelete
from holdfast.sqlalchemy.sources import table_of
from holdfast.sqlalchemy.tables import policy_of


def live_link(secondary: Table, *columns: str) -> Callable[[], ColumnElement[bool]]:
    """The ``secondaryjoin`` of a many-to-many relationship through a marked table: links that are dead are no links.

    ``columns`` are those of the link that refer to what the relationship gives.
    ``tags = relationship(secondary=order_tags, secondaryjoin=live_link(order_tags, "tag_id"))``.

    >>> from sqlalchemy import Column, DateTime, ForeignKey, Integer, MetaData, Table
    >>> from holdfast import SoftDelete
    >>> from holdfast.sqlalchemy import protect
    >>> metadata = MetaData()
    >>> tags = Table("tags", metadata, Column("id", Integer, primary_key=True))
    >>> links = Table("links", metadata, Column("tag_id", ForeignKey("tags.id")), Column("deleted_at", DateTime))
    >>> print(live_link(protect(SoftDelete())(links), "tag_id")())
    tags.id = links.tag_id AND links.deleted_at IS NULL
    """

    def join() -> ColumnElement[bool]:
        policy = policy_of(secondary, SoftDelete)
        if policy is None or not columns:
            raise DeclarationError(
                "HF117",
                f"live_link({secondary.name!r}, …) needs a table with SoftDelete, and the columns that refer.",
                f"Declare {secondary.name} with protect(SoftDelete()), and name its columns.",
            )
        condition: ColumnElement[bool] = secondary.c[policy.column].is_(None)
        for column in reversed(columns):
            [key] = secondary.c[column].foreign_keys
            condition = (key.column == secondary.c[column]) & condition
        return condition

    return join


def check_link(relationship: RelationshipProperty[Any]) -> None:
    secondary = relationship.secondary
    policy = policy_of(secondary, SoftDelete) if secondary is not None else None
    if policy is None or secondary is None:
        return
    joins = (join for join in (relationship.primaryjoin, relationship.secondaryjoin) if join is not None)
    named = (each for join in joins for each in iterate(join) if isinstance(each, Column) and each.table is not None)
    if not any(each.name == policy.column and table_of(each.table) is secondary for each in named):
        columns = ", ".join(f"{column.name!r}" for _, column in relationship.secondary_synchronize_pairs or ())
        raise DeclarationError(
            "HF117",
            f"{relationship} goes through {secondary}, whose rows are marked, and would find dead ones.",
            f"Write relationship(…, secondaryjoin=live_link({secondary}, {columns})).",
        )
