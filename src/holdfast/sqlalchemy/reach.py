"""How far a statement goes: the tables and classes it is made of, and those that it may load."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Column, Select, Table
from sqlalchemy.orm import Mapper
from sqlalchemy.sql.visitors import iterate

from holdfast.sqlalchemy.narrowing import is_filtered
from holdfast.sqlalchemy.sources import table_of, tables_of


def parts(key: Any) -> Iterator[Any]:
    """All that a cache key is made of: the tables and the mappers stand in it as they are."""
    stack = [key]
    while stack:
        each = stack.pop()
        if isinstance(each, tuple):
            stack.extend(each)
        elif isinstance(each, Table):
            yield table_of(each)
        else:
            yield each


def reached(mapper: Mapper[Any], far: bool) -> Iterator[Mapper[Any]]:
    """The classes whose rows a statement about this one may load: with joins that the mapping brings, or with any."""
    seen: set[Mapper[Any]] = set()
    stack = [mapper]
    while stack:
        each = stack.pop()
        if each in seen:
            continue
        seen.add(each)
        yield each
        stack += [*each.iterate_to_root(), *each.self_and_descendants]
        stack += [one.mapper for one in each.relationships if far or one.lazy in ("joined", False)]


def is_computed(mapper: Mapper[Any], far: bool) -> bool:
    """Whether an attribute of the class is computed from marked rows, or may be by what an option says."""
    for attribute in mapper.column_attrs:
        if far and ("query_expression", True) in attribute.strategy_key:
            return True
        for column in attribute.columns:
            if not isinstance(column, Column) and any(
                is_filtered(table) for each in iterate(column) if isinstance(each, Select) for table in tables_of(each)
            ):
                return True
    return False
