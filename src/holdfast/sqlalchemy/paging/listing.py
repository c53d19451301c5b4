"""A list to be paged: a statement, and an order in which no two of its rows stand at one place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Connection, Dialect, FromClause, Select, SelectBase, Table
from sqlalchemy.orm import Session, scoped_session
from sqlalchemy.sql import visitors
from sqlalchemy.sql.elements import ClauseElement, Over

from holdfast.dialects import dialect_for
from holdfast.errors import PagingError
from holdfast.sqlalchemy.paging.order import OrderColumn, parse_order
from holdfast.sqlalchemy.paging.uniqueness import Key, bare, is_nullable, missing, sources
from holdfast.sqlalchemy.paging.values import dumps

AnySession = Session | scoped_session[Any] | Connection
OrderBy = Iterable[Any]
"""Columns and expressions, each perhaps with ``.desc()``, ``.nulls_first()`` or ``.nulls_last()``."""

_REMEMBERED = 500


@dataclass(frozen=True, slots=True)
class _Facts:
    """What follows from the shape of a statement and its order, whatever the parameters are."""

    missing: Key
    nullable: tuple[bool, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Listing:
    """``identity`` is the same for the same order, filter and scope, in every process."""

    statement: Select[Any]
    columns: tuple[OrderColumn, ...]
    identity: bytes
    row_ranges: bool
    """Whether the database makes a range of an index of a row value."""


_facts: dict[Any, _Facts] = {}
"""By shape. To work them out takes longer than the database takes for a page."""


def listing(
    session: AnySession, statement: Select[Any], order_by: OrderBy, *, unique_order: bool = False, scope: Any = None
) -> Listing:
    """The statement with its order completed; HF641 and HF642 where there is none that pages could follow."""
    _refuse_unpageable(statement)
    given = [order_by] if isinstance(order_by, str | ColumnElement) else list(order_by)
    described = (statement if statement._distinct else bare(statement)).order_by(*given)
    columns = parse_order(described._order_by_clauses)
    if not columns:
        raise PagingError("HF641", "order_by is empty.", "Give at least one column: order_by=[Order.id].")
    dialect = dialect_of(session, statement)
    key = described._generate_cache_key()
    shape = None if key is None else (key.key, dialect.name, dialect.driver, unique_order)
    facts = _facts.get(shape) if shape is not None else None
    if facts is None:
        facts = _work_out(described, columns, dialect, unique_order)
        if shape is not None and _may_be_kept(facts):
            if len(_facts) >= _REMEMBERED:
                _facts.clear()
            _facts[shape] = facts
    # In the direction of the last column, so that row values can compare them together.
    columns += [OrderColumn(column, columns[-1].descending) for column in facts.missing]
    complete = tuple(replace(each, nullable=null) for each, null in zip(columns, facts.nullable, strict=True))
    parameters = _parameters(described) if key is None else key.bindparams
    carried = [_carried(each, dialect) for each in parameters]
    identity = dumps([facts.text, carried, scope]).encode()
    return Listing(statement, complete, identity, dialect_for(dialect.name).features.row_value_ranges)


def dialect_of(session: AnySession, statement: Select[Any]) -> Dialect:
    """SQLAlchemy's dialect for the database on which the session will run the statement."""
    if isinstance(session, Connection):
        return session.dialect
    entity = next((each["entity"] for each in statement.column_descriptions if each.get("entity")), None)
    dialect: Dialect = session.get_bind(entity, clause=statement).dialect
    return dialect


def _refuse_unpageable(statement: Any) -> None:
    hint = ""
    if not isinstance(statement, Select):
        hint = "Make a select() over it: select(Order).from_statement(…) becomes select(aliased(Order, ….subquery()))."
        raise PagingError("HF641", f"A {type(statement).__name__} cannot be paged, only a select().", hint)
    if statement._order_by_clauses:
        has, hint = "an order_by", "Give the order as order_by=[…]: its columns are completed, and read both ways."
    elif any(each is not None for each in (statement._limit_clause, statement._offset_clause, statement._fetch_clause)):
        has, hint = "a limit or an offset", "Leave it out, or page over select(aliased(Order, statement.subquery()))."
    elif statement._distinct_on:
        has, hint = "DISTINCT ON", "Page over select(aliased(Order, statement.subquery()))."
    else:
        return
    raise PagingError("HF641", f"The statement has {has} of its own and cannot be paged.", hint)


def refuse_windows(listing: Listing) -> None:
    """A page that begins in the middle would begin the windows there too."""
    shown = [*listing.statement._raw_columns, *(column.expression for column in listing.columns)]
    if any(_has_window(each) for each in shown):
        raise PagingError(
            "HF641",
            "The statement has a window function, which would count from the page's first row.",
            "Compute it in a subquery and page over that, or take offset_page.",
        )


def _has_window(element: Any) -> bool:
    if isinstance(element, Over):
        return True
    if isinstance(element, FromClause | SelectBase):
        return False
    return any(_has_window(each) for each in element.get_children())


def _work_out(described: Select[Any], columns: Sequence[OrderColumn], dialect: Dialect, unique_order: bool) -> _Facts:
    found = sources((bare(described) if described._distinct else described).get_final_froms())
    expressions = [column.expression for column in columns]
    added: Key | None = ()
    if not unique_order:
        added = missing(described, {hash(each) for each in expressions}, found)
    if added is None:
        raise PagingError(
            "HF642",
            "It is not known what tells the rows of this statement apart, so some could get lost between two pages.",
            "End order_by with columns that are unique together, and say unique_order=True.",
        )
    whole = [*columns, *(OrderColumn(column) for column in added)]
    nullable = tuple(is_nullable(column.expression, found) for column in whole)
    return _Facts(added, nullable, str(described.compile(dialect=dialect)))


def _may_be_kept(facts: _Facts) -> bool:
    """An alias is another one each time it is made, though the statements have one shape."""
    return all(isinstance(getattr(column, "table", None), Table) for column in facts.missing)


def _parameters(statement: ClauseElement) -> list[BindParameter[Any]]:
    return [part for part in visitors.iterate(statement) if isinstance(part, BindParameter)]


def _carried(parameter: BindParameter[Any], dialect: Dialect) -> Any:
    """The parameter's value as a cursor can be bound to it: as it is, or as its type gives it to the driver."""
    value = parameter.effective_value
    try:
        return _listed(value)
    except PagingError:
        process = parameter.type.dialect_impl(dialect).bind_processor(dialect)
    try:
        if process is None:
            raise PagingError("HF643", "")
        return _listed([process(each) for each in value or ()] if parameter.expanding else process(value))
    except PagingError as error:
        raise PagingError(
            "HF643",
            f"A cursor cannot be bound to a parameter of type {type(value).__qualname__} in the filter.",
            "Give the parameter as a number, text, time, bytes or UUID.",
        ) from error


def _listed(value: Any) -> str:
    """Sets have no order of their own."""
    if isinstance(value, set | frozenset):
        return dumps(sorted(dumps([each]) for each in value))
    return dumps([value])
