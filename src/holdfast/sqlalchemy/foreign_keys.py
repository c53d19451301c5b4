"""Foreign keys that no index serves: every delete of a parent then reads all of its children's table."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import ForeignKeyConstraint, Index, MetaData, PrimaryKeyConstraint, Table, UniqueConstraint


def unindexed_foreign_keys(metadata: MetaData) -> list[ForeignKeyConstraint]:
    """The foreign keys whose columns are not the first of any key or index of their table, in any order.

    A partial index does not count, one over the rows that live included: the database looks for the children of
    a parent among all rows.

    >>> from sqlalchemy import Column, ForeignKey, Integer
    >>> metadata = MetaData()
    >>> orders = Table("orders", metadata, Column("id", Integer, primary_key=True))
    >>> order_id = Column("order_id", Integer, ForeignKey("orders.id"))
    >>> items = Table("items", metadata, Column("id", Integer, primary_key=True), order_id)
    >>> [each.table.name for each in unindexed_foreign_keys(metadata)]
    ['items']
    """
    return [
        key
        for table in sorted(metadata.tables.values(), key=lambda table: table.fullname)
        for key in sorted(table.foreign_key_constraints, key=lambda key: list(key.column_keys))
        if not _is_served(key, table)
    ]


def _is_served(key: ForeignKeyConstraint, table: Table) -> bool:
    columns = {element.parent.name for element in key.elements}
    return any(set(indexed[: len(columns)]) == columns for indexed in _indexed(table))


def _indexed(table: Table) -> Iterator[list[str]]:
    """The columns of each key and index that finds rows by equality."""
    for constraint in table.constraints:
        if isinstance(constraint, PrimaryKeyConstraint | UniqueConstraint):
            yield [column.name for column in constraint.columns]
    for index in table.indexes:
        if _is_whole(index):
            yield [getattr(expression, "name", "") or "" for expression in index.expressions]


def _is_whole(index: Index) -> bool:
    options = {name.partition("_")[2]: value for name, value in index.dialect_kwargs.items() if value is not None}
    return "where" not in options and options.get("using", "btree") in ("btree", "hash")
