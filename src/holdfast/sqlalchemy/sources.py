"""What a statement names: its tables and entities, where they stand in it, and the MetaData that they are of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from sqlalchemy import (
    Column,
    ColumnClause,
    CompoundSelect,
    Delete,
    FromClause,
    Insert,
    Join,
    MetaData,
    Select,
    SelectBase,
    Table,
    Update,
)
from sqlalchemy.orm import QueryableAttribute
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import AliasedReturnsRows, FromGrouping
from sqlalchemy.sql.visitors import iterate

Source = tuple[FromClause, bool]
"""What is read, and whether it was named as an entity."""


def table_of(source: FromClause) -> Table | None:
    """The table that the source is, or is another name of; the ORM annotates what it names, so of the metadata."""
    table = source.element if isinstance(source, AliasedReturnsRows) else source
    return table.metadata.tables.get(table.key, table) if isinstance(table, Table) else None


def tables_of(statement: Any, *, where: bool = True) -> set[Table]:
    """The tables that the statement itself reads or writes, without what stands in its subqueries."""
    sources = (*explicit_sources(statement), *named_sources(where_of(statement) if where else ()))
    return {table for table in (table_of(source) for source, _ in sources) if table is not None}


def metadata_of(statement: Any) -> MetaData | None:
    """The MetaData of the first table that is found in a statement of Core."""
    if not isinstance(statement, Select):
        if isinstance(statement, (Insert, Update, Delete)):
            return statement.table.metadata if isinstance(statement.table, Table) else None
        if isinstance(statement, CompoundSelect):
            return next((found for found in map(metadata_of, statement.selects) if found is not None), None)
        return None
    last = statement._raw_columns[-1] if statement._raw_columns else None
    source = last.table if isinstance(last, Column) else last
    if isinstance(source, Table):
        return source.metadata
    tables = (table_of(source) for source, _ in (*explicit_sources(statement), *named_sources(where_of(statement))))
    inside = (table_of(each) for each in iterate(statement) if isinstance(each, Table))
    return next((table.metadata for table in chain(tables, inside) if table is not None), None)


def reads(statement: Any) -> bool:
    """Whether an INSERT reads any table: one that has values alone writes what it is given."""
    return statement.select is not None or any(isinstance(each, SelectBase) for each in iterate(statement))


def explicit_sources(statement: Any) -> Iterator[Source]:
    """What the ORM gives its criteria to: what is selected, or written, and what is joined to it."""
    if isinstance(statement, Select):
        yield from named_sources(statement._raw_columns)
        yield from named_sources((*statement._from_obj, *(each[0] for each in statement._setup_joins)))
    elif (table := getattr(statement, "table", None)) is not None:
        yield table, True


def where_of(statement: Any) -> tuple[Any, ...]:
    """A union has none, nor has a text that gives entities."""
    condition = getattr(statement, "whereclause", None)
    return () if condition is None else (condition,)


def named_sources(clauses: Iterable[Any]) -> Iterator[Source]:
    """The sources in the clauses and of their columns, without those of the subqueries among them."""
    stack = [clause for clause in clauses if clause is not None]
    while stack:
        each = stack.pop()
        if isinstance(each, QueryableAttribute):
            # A join along a relationship names the relationship.
            comparator: Any = each.comparator
            yield comparator.entity.selectable, True
        elif isinstance(each, Join):
            stack += [each.left, each.right]
        elif isinstance(each, FromGrouping):
            # A join that stands in another one.
            stack.append(each.element)
        elif isinstance(each, FromClause) and not isinstance(each, FunctionElement):
            yield each, _is_entity(each, each)
        elif isinstance(each, ColumnClause):
            if each.table is not None:
                yield each.table, _is_entity(each, each.table)
        elif not isinstance(each, SelectBase):
            stack.extend(each.get_children())


def _is_entity(named: Any, source: FromClause) -> bool:
    """Whether the ORM knows the source for an entity; it does not where ``any()`` of a self-reference has an alias."""
    entity = named._annotations.get("parententity")
    return entity is not None and (entity.is_aliased_class or not isinstance(source, AliasedReturnsRows))
