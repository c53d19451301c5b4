"""Outer joins: what stands on their far side, and conditions of that, which must not drop the near row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Join, and_
from sqlalchemy.exc import ArgumentError
from sqlalchemy.sql.selectable import FromGrouping
from sqlalchemy.sql.util import join_condition

from holdfast.sqlalchemy.sources import explicit_sources, named_sources

Conditions = dict[FromClause, ColumnElement[bool]]


def far_sides(statement: Any) -> Iterator[tuple[FromClause, str]]:
    """What is joined by an outer join."""
    for target, _, _, flags in statement._setup_joins:
        if flags["isouter"] or flags["full"]:
            yield from ((source, "full" if flags["full"] else "left") for source, _ in named_sources((target,)))
    stack = list(statement._from_obj)
    while stack:
        each = stack.pop()
        if isinstance(each, Join):
            if each.isouter or each.full:
                yield from ((source, "full" if each.full else "left") for source, _ in named_sources((each.right,)))
            stack += [each.left, each.right]
        elif isinstance(each, FromGrouping):
            stack.append(each.element)


def with_conditions(statement: Any, conditions: Conditions) -> Any:
    """The statement with these conditions in the ON of the LEFT JOINs that have the sources on their far side.

    One that has no place there goes to the WHERE: rather a near row less than a far row too much.
    """
    if not conditions:
        return statement
    # Each goes to the innermost join that it is on the far side of.
    missing = dict(conditions)
    found = statement._generate()
    found._from_obj = tuple(_joined(each, missing) for each in statement._from_obj)
    found._setup_joins = tuple(_set_up(statement, each, missing) for each in statement._setup_joins)
    return found.where(*missing.values())


def _joined(source: Any, missing: Conditions) -> Any:
    if isinstance(source, FromGrouping):
        element = _joined(source.element, missing)
        return source if element is source.element else element.self_group()
    if not isinstance(source, Join):
        return source
    left, right = _joined(source.left, missing), _joined(source.right, missing)
    more = _taken(right, missing) if source.isouter and source.onclause is not None else []
    if left is source.left and right is source.right and not more:
        return source
    found: Any = source._clone()
    found.left, found.right = left, right
    if source.onclause is not None:
        found.onclause = and_(source.onclause, *more)
    found._reset_memoizations()
    return found


def _set_up(statement: Any, join: Any, missing: Conditions) -> Any:
    """A join that SQLAlchemy makes when it compiles: what is joined, ON what, from what, and how."""
    target, on, start, flags = join
    target = _joined(target, missing)
    if flags["isouter"] and any(each in missing for each, _ in named_sources((target,))):
        on = on if on is not None else _by_keys(statement, target, start)
        on = on if on is None else and_(on, *_taken(target, missing))
    return (target, on, start, flags)


def _taken(source: Any, missing: Conditions) -> list[ColumnElement[bool]]:
    return [missing.pop(each) for each, _ in named_sources((source,)) if each in missing]


def _by_keys(statement: Any, target: Any, start: Any) -> ColumnElement[bool] | None:
    """What SQLAlchemy joins by where nothing is said: the foreign keys to the only source that has such."""
    found = []
    near = named_sources((start,)) if start is not None else explicit_sources(statement)
    for each in dict.fromkeys(source for source, _ in near if source is not target):
        try:
            found.append(join_condition(each, target))
        except ArgumentError:
            continue
    return found[0] if len(found) == 1 else None
