"""Marked tables that a statement names where the ORM's own criteria do not reach.

The criteria of ``with_loader_criteria`` are given to entities. A table of Core has none, SQLAlchemy 2.0 passes by an
entity that stands in a WHERE alone, the second table of an UPDATE or a DELETE is only named, and ``with_expression()``
makes an expression of Core out of what it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import is_
from types import MappingProxyType
from typing import Any, Literal

import sqlalchemy
from sqlalchemy import CTE, ColumnElement, FromClause, Insert, Select, Table, and_
from sqlalchemy.orm import Load
from sqlalchemy.orm.interfaces import ORMOption
from sqlalchemy.sql.annotation import _deep_deannotate
from sqlalchemy.sql.visitors import iterate, replacement_traverse

from holdfast.policies import SoftDelete, Tenant
from holdfast.sqlalchemy.outer_joins import Conditions, far_sides, with_conditions
from holdfast.sqlalchemy.present_tenant import is_own
from holdfast.sqlalchemy.sources import explicit_sources, named_sources, table_of, where_of
from holdfast.sqlalchemy.tables import policy_of

# From 2.1 the criteria also reach an entity that stands in a WHERE alone.
_WHERE_IS_REACHED = not sqlalchemy.__version__.startswith("2.0.")
Rows = Literal["live", "dead", "all"]
_SEALED = "no_replacement_traverse"
"""The mark of a condition within ``any()`` and ``has()``, into which a traversal does not go."""
_EXPRESSION = (("query_expression", True),)
"""The strategy of ``with_expression()``."""
_NARROWED = "holdfast_narrowed"
_NOTHING: Mapping[Table, Rows] = MappingProxyType({})


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
    anew: dict[CTE, CTE] = field(default_factory=dict)
    """Of each CTE that reads itself what it has become, wherever it is named."""

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
    explicit = dict(explicit_sources(statement))
    beside = {each: entity for each, entity in named_sources(where_of(statement)) if each not in explicit}
    found = _with_options(_narrowed_inside(statement, meaning, outer.union(explicit, beside)), meaning)
    has_criteria = statement._propagate_attrs.get("compile_state_plugin") == "orm"
    far = dict(far_sides(statement)) if is_select else {}
    in_joins: Conditions = {}
    for source, is_entity in {**explicit, **beside}.items():
        if is_select:
            is_reached = has_criteria and is_entity and (source in explicit or _WHERE_IS_REACHED)
        else:
            # An INSERT has no condition: what it names itself it writes.
            is_reached = source in explicit and (has_criteria or isinstance(statement, Insert))
        if source in outer or (is_reached and far.get(source) != "full"):
            continue
        condition = meaning.condition(source)
        if condition is None:
            continue
        # A row that a FULL JOIN made by itself passes the condition; of a LEFT JOIN it would drop the near row.
        if far.get(source) == "left":
            in_joins[source] = condition
        else:
            found = found.where(condition)
    return with_conditions(found, in_joins)


def _narrowed_inside(statement: Any, meaning: _Meaning, outer: frozenset[FromClause]) -> Any:
    changed = False

    def replace(each: Any, **_: Any) -> Any:
        nonlocal changed
        if isinstance(each, ORMOption):
            return each
        if each is statement:
            return None
        if isinstance(each, Select):
            found = _narrowed(each, meaning, outer)
        elif isinstance(each, CTE) and _reads_itself(each):
            found = _narrowed_recursion(each, meaning)
        else:
            return None
        changed = changed or found is not each
        return found

    if not any(isinstance(each, Select) and each is not statement for each in iterate(statement)):
        return statement
    traverse: Any = replacement_traverse
    copy = traverse(statement, {}, replace)
    return copy if changed else statement


def _reads_itself(cte: Any) -> bool:
    while cte._cte_alias is not None:
        cte = cte._cte_alias
    return cte._restates is not None


def _narrowed_recursion(cte: Any, meaning: _Meaning) -> Any:
    """A CTE that reads itself: what it begins with, and what reads that, are made anew, for each names the other."""
    if cte not in meaning.anew:
        meaning.anew[cte] = _recursion(cte, meaning) if cte._cte_alias is None else _alias(cte, meaning)
    return meaning.anew[cte]


def _alias(cte: Any, meaning: _Meaning) -> Any:
    aliased = _narrowed_recursion(cte._cte_alias, meaning)
    return cte if aliased is cte._cte_alias else aliased.alias(cte.name)


def _recursion(cte: Any, meaning: _Meaning) -> Any:
    begin, union = cte._restates, cte.element
    selects = _changed((begin.element, *union.selects[1:]), _narrowed, meaning, frozenset())
    if selects is None:
        return cte
    anew = selects[0].cte(begin.name, recursive=True, nesting=begin.nesting)
    traverse: Any = replacement_traverse
    rest = [traverse(each, {}, lambda part, **_: anew if part is begin else None) for each in selects[1:]]
    return anew.union_all(*rest) if union.keyword.name == "UNION_ALL" else anew.union(*rest)


def _with_options(statement: Any, meaning: _Meaning) -> Any:
    """The statement with what its ``with_expression()`` read narrowed."""
    options = _changed(getattr(statement, "_with_options", ()), _narrowed_option, meaning)
    if options is None:
        return statement
    copy = statement._generate()
    copy._with_options = options
    return copy


def _narrowed_option(option: Any, meaning: _Meaning) -> Any:
    elements = _changed(option.context, _narrowed_element, meaning) if isinstance(option, Load) else None
    if elements is None:
        return option
    copy: Any = option._clone()
    copy.context = elements
    return copy


def _narrowed_element(element: Any, meaning: _Meaning) -> Any:
    # What is loaded beside is given the options of the first statement, as they are by then.
    if element.strategy != _EXPRESSION or _NARROWED in element.local_opts:
        return element
    # The path ends with the class and the attribute: of all that is read the expression is about that row.
    outer = frozenset(source for source, _ in named_sources((element.path.path[-2].selectable,)))
    criteria = _changed(element._extra_criteria, _narrowed_inside, meaning, outer)
    if criteria is None:
        return element
    copy = element._update_opts(**{_NARROWED: True})
    copy._extra_criteria = criteria
    return copy


def _changed(parts: Sequence[Any], narrow: Callable[..., Any], *given: Any) -> tuple[Any, ...] | None:
    """The parts as they become; None where each stays the very same."""
    found = tuple(narrow(each, *given) for each in parts)
    return None if all(map(is_, found, parts)) else found


def _opened(statement: Any) -> Any:
    """The statement with the conditions within its ``any()`` and ``has()`` open to a traversal."""
    where = None if _WHERE_IS_REACHED else getattr(statement, "whereclause", None)
    if where is None or not any(_SEALED in each._annotations for each in iterate(where)):
        return statement
    opened = statement._generate()
    opened._where_criteria = (_deep_deannotate(where, values=[_SEALED]),)
    return opened
