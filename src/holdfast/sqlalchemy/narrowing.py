"""Marked tables that a statement names where the ORM's own criteria do not reach.

The criteria of ``with_loader_criteria`` are given to entities. A table of Core has none, SQLAlchemy 2.0 passes by an
entity that stands in a WHERE alone, and the second table of an UPDATE or a DELETE is only named.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from types import MappingProxyType
from typing import Any, Literal

import sqlalchemy
from sqlalchemy import (
    CTE,
    Column,
    ColumnClause,
    ColumnElement,
    CompoundSelect,
    FromClause,
    Insert,
    Join,
    MetaData,
    Select,
    SelectBase,
    Table,
    and_,
)
from sqlalchemy.orm import QueryableAttribute
from sqlalchemy.orm.interfaces import ORMOption
from sqlalchemy.sql.annotation import _deep_deannotate
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.selectable import AliasedReturnsRows
from sqlalchemy.sql.visitors import iterate, replacement_traverse

from holdfast.policies import SoftDelete, Tenant
from holdfast.sqlalchemy.present_tenant import is_own
from holdfast.sqlalchemy.tables import policy_of

# From 2.1 the criteria also reach an entity that stands in a WHERE alone.
_WHERE_IS_REACHED = not sqlalchemy.__version__.startswith("2.0.")
Rows = Literal["live", "dead", "all"]
_SEALED = "no_replacement_traverse"
"""The mark of a condition within ``any()`` and ``has()``, into which a traversal does not go."""
_NOTHING: Mapping[Table, Rows] = MappingProxyType({})
_Source = tuple[FromClause, bool]
"""What is read, and whether it was named as an entity."""


def narrowed(statement: Any, said: Mapping[Table, Rows] = _NOTHING, *, across: bool = False) -> Any:
    """The statement with the condition that a row lives, and is the present tenant's, wherever a table that says so is
    named and nothing else filters it; ``across`` is for all tenants.

    The very same object where there is nothing to add; the one that was given is never changed. ``said`` are tables of
    which other rows are meant.
    """
    return _narrowed(statement, _Meaning(said, across), frozenset())


@dataclass(frozen=True)
class _Meaning:
    said: Mapping[Table, Rows]
    across: bool

    def condition(self, source: FromClause) -> ColumnElement[bool] | None:
        table = table_of(source)
        if table is None:
            return None
        soft_delete, tenant = policy_of(table, SoftDelete), policy_of(table, Tenant)
        return meant(
            None if soft_delete is None else source.c[soft_delete.column],
            self.said.get(table, "live"),
            None if tenant is None or self.across else source.c[tenant.column],
        )


def meant(mark: Any, rows: Rows, tenant: Any) -> ColumnElement[bool] | None:
    """The condition of the rows that are meant, by the columns of the mark and of the tenant, where there are such."""
    conditions = []
    if mark is not None and rows != "all":
        conditions.append(mark.is_(None) if rows == "live" else mark.is_not(None))
    if tenant is not None:
        conditions.append(is_own(tenant))
    return and_(*conditions) if conditions else None


def is_filtered(table: FromClause) -> bool:
    """Whether rows of the table are left out of what is read: marked ones, or those of other tenants."""
    return policy_of(table, SoftDelete) is not None or policy_of(table, Tenant) is not None


def _narrowed(statement: Any, meaning: _Meaning, outer: frozenset[FromClause]) -> Any:
    """``outer`` is what an enclosing statement reads: a column of it that stands in the WHERE is no second reading."""
    is_select = isinstance(statement, Select)
    statement = _opened(statement)
    explicit = dict(_explicit(statement))
    beside = {each: entity for each, entity in _named(_where(statement)) if each not in explicit}
    found = _narrowed_inside(statement, meaning, outer.union(explicit, beside))
    has_criteria = statement._propagate_attrs.get("compile_state_plugin") == "orm"
    far = dict(_far_sides(statement)) if is_select else {}
    for source, is_entity in {**explicit, **beside}.items():
        if is_select:
            is_reached = has_criteria and is_entity and (source in explicit or _WHERE_IS_REACHED)
        else:
            is_reached = source in explicit
        # A row that a FULL JOIN made by itself passes the condition; of a LEFT JOIN it would drop the near row.
        if source in outer or (far.get(source) == "left") or (is_reached and source not in far):
            continue
        condition = meaning.condition(source)
        if condition is not None:
            found = found.where(condition)
    return found


def table_of(source: FromClause) -> Table | None:
    """The table that the source is, or is another name of; the ORM annotates what it names, so of the metadata."""
    table = source.element if isinstance(source, AliasedReturnsRows) else source
    return table.metadata.tables.get(table.key, table) if isinstance(table, Table) else None


def tables_of(statement: Any, *, where: bool = True) -> set[Table]:
    """The tables that the statement itself reads or writes, without what stands in its subqueries."""
    sources = (*_explicit(statement), *_named(_where(statement) if where else ()))
    return {table for table in (table_of(source) for source, _ in sources) if table is not None}


def metadata_of(statement: Any) -> MetaData | None:
    """The MetaData of the first table that is found in a statement of Core."""
    if not isinstance(statement, Select):
        if isinstance(statement, Insert):
            return metadata_of(statement.select)
        if isinstance(statement, CompoundSelect):
            return next((found for found in map(metadata_of, statement.selects) if found is not None), None)
        return None
    last = statement._raw_columns[-1] if statement._raw_columns else None
    source = last.table if isinstance(last, Column) else last
    if isinstance(source, Table):
        return source.metadata
    tables = (table_of(source) for source, _ in (*_explicit(statement), *_named(_where(statement))))
    inside = (table_of(each) for each in iterate(statement) if isinstance(each, Table))
    return next((table.metadata for table in chain(tables, inside) if table is not None), None)


def _narrowed_inside(statement: Any, meaning: _Meaning, outer: frozenset[FromClause]) -> Any:
    changed = False

    def replace(each: Any, **_: Any) -> Any:
        nonlocal changed
        if isinstance(each, (CTE, ORMOption)):
            return each
        if each is statement or not isinstance(each, Select):
            return None
        found = _narrowed(each, meaning, outer)
        changed = changed or found is not each
        return found

    if not any(isinstance(each, Select) and each is not statement for each in iterate(statement)):
        return statement
    traverse: Any = replacement_traverse
    copy = traverse(statement, {}, replace)
    return copy if changed else statement


def _explicit(statement: Any) -> Iterator[_Source]:
    """What the ORM gives its criteria to: what is selected, or written, and what is joined to it."""
    if isinstance(statement, Select):
        yield from _named(statement._raw_columns)
        yield from _named((*statement._from_obj, *(each[0] for each in statement._setup_joins)))
    elif (table := getattr(statement, "table", None)) is not None:
        yield table, True


def _where(statement: Any) -> tuple[Any, ...]:
    """A union has none, nor has a text that gives entities."""
    condition = getattr(statement, "whereclause", None)
    return () if condition is None else (condition,)


def _opened(statement: Any) -> Any:
    """The statement with the conditions within its ``any()`` and ``has()`` open to a traversal."""
    where = None if _WHERE_IS_REACHED else getattr(statement, "whereclause", None)
    if where is None or not any(_SEALED in each._annotations for each in iterate(where)):
        return statement
    opened = statement._generate()
    opened._where_criteria = (_deep_deannotate(where, values=[_SEALED]),)
    return opened


def _far_sides(statement: Any) -> Iterator[tuple[FromClause, str]]:
    """What is joined by an outer join."""
    for target, _, _, flags in statement._setup_joins:
        if flags["isouter"] or flags["full"]:
            yield from ((source, "full" if flags["full"] else "left") for source, _ in _named((target,)))
    stack = list(statement._from_obj)
    while stack:
        each = stack.pop()
        if isinstance(each, Join):
            if each.isouter or each.full:
                yield from ((source, "full" if each.full else "left") for source, _ in _named((each.right,)))
            stack += [each.left, each.right]


def _named(clauses: Iterable[Any]) -> Iterator[_Source]:
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
