"""Marked tables that a statement names where the ORM's own criteria do not reach.

The criteria of ``with_loader_criteria`` are given to entities. A bare ``exists().where(…)`` has none, SQLAlchemy 2.0
passes by an entity that stands in a WHERE alone, and the second table of an UPDATE or DELETE is only named.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import sqlalchemy
from sqlalchemy import CTE, Exists, FromClause, Join, ScalarSelect, Select, Subquery, Table, true
from sqlalchemy.sql.selectable import AliasedReturnsRows
from sqlalchemy.sql.visitors import iterate, replacement_traverse

from holdfast.policies import SoftDelete
from holdfast.sqlalchemy.tables import policy_of

_Source = tuple[FromClause, Table]
# From 2.1 the criteria also reach entities that stand in a WHERE alone.
_WHERE_IS_REACHED = not sqlalchemy.__version__.startswith("2.0.")


def narrowed(statement: Any, excluded: set[Table]) -> Any:
    """The statement with the condition that the row lives wherever a marked table is named and not yet filtered.

    The very same object where there is nothing to add; the one that was given is never changed.
    """
    return _narrowed(statement, frozenset(), excluded)


def names_marked(statement: Any) -> bool:
    """Whether any table that the statement names is marked."""
    return any(isinstance(each, Table) and policy_of(_plain(each), SoftDelete) for each in iterate(statement))


def _narrowed(statement: Any, outer: frozenset[FromClause], excluded: set[Table]) -> Any:
    is_select = isinstance(statement, Select)
    sources = list(_sources(statement.get_final_froms() if is_select else _targets(statement)))
    visible = outer.union(source for source, _ in sources)

    def replace(each: Any, **_: Any) -> Any:
        if each is statement or not isinstance(each, Select):
            return None
        changed = _narrowed(each, visible, excluded)
        return changed if changed is not each else None

    holds_others = any(isinstance(each, Select) for each in iterate(statement) if each is not statement)
    found = replacement_traverse(statement, {}, replace) if holds_others and _changes(statement, visible, excluded) else statement
    for source, table in sources:
        policy = policy_of(table, SoftDelete)
        if policy is None or source in outer or table in excluded or _is_reached(statement, source):
            continue
        found = found.where(source.c[policy.column].is_(None))
    return found
