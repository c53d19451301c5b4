"""A list to be paged: a statement, and an order in which no two of its rows stand at one place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Connection, Dialect, Select, Table
from sqlalchemy.orm import Session, scoped_session
from sqlalchemy.sql import visitors
from sqlalchemy.sql.elements import ClauseElement

from holdfast.dialects import dialect_for
from holdfast.errors import PagingError
from holdfast.sqlalchemy.paging.frame import Frame, is_lasting
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
    digest: str
    """Of the text of what a cursor is bound to."""
    bound: tuple[int, ...] = ()
    """Which of the statement's parameters that text has."""
    frame: Frame | None = None
    """None where each statement needs another one."""


@dataclass(frozen=True, slots=True)
class Listing:
    """``identity`` is the same for the same order, filter and scope, in every process."""

    statement: Select[Any]
    frame: Frame
    identity: bytes

    @property
    def columns(self) -> tuple[OrderColumn, ...]:
        return self.frame.columns


_facts: dict[Any, _Facts] = {}
"""By shape. To work them out takes longer than the database takes for a page."""


def listing(
    session: AnySession, statement: Select[Any], order_by: OrderBy, *, unique_order: bool = False, scope: Any = None
) -> Listing:
    """The statement with its order completed; HF641 and HF642 where there is none that pages could follow."""
    _refuse_unpageable(statement)
    given = [order_by] if isinstance(order_by, str | ColumnElement) else list(order_by)
    dialect = dialect_of(session, statement)
    key, parameters = _shape(statement, given)
    shape = None if key is None else (key, dialect.name, dialect.driver, unique_order)
    facts = _facts.get(shape) if shape is not None else None
    if facts is not None and facts.frame is not None:
        frame, bound = facts.frame, [parameters[place] for place in facts.bound]
    else:
        described = (statement if statement._distinct else bare(statement)).order_by(*given)
        columns = parse_order(described._order_by_clauses)
        if not columns:
            raise PagingError("HF641", "order_by is empty.", "Give at least one column: order_by=[Order.id].")
        known = facts or _work_out(described, columns, dialect, unique_order)
        # In the direction of the last column, so that row values can compare them together.
        columns += [OrderColumn(column, columns[-1].descending) for column in known.missing]
        columns = [replace(each, nullable=null) for each, null in zip(columns, known.nullable, strict=True)]
        frame = Frame(statement, columns, dialect, dialect_for(dialect.name).features.row_value_ranges)
        bound = _parameters(described)
        if shape is not None and facts is None and _may_be_kept(known):
            if len(_facts) >= _REMEMBERED:
                _facts.clear()
            _facts[shape] = _lasting(known, frame, bound, parameters)
        facts = known
    carried = [_carried(each, dialect) for each in bound]
    return Listing(statement, frame, dumps([facts.digest, carried, scope]).encode())


def _lasting(
    facts: _Facts, frame: Frame, bound: list[BindParameter[Any]], parameters: list[BindParameter[Any]]
) -> _Facts:
    """What is kept of a shape: the frame too, if it fits all statements of it."""
    places = {id(each): place for place, each in enumerate(parameters)}
    if all(map(is_lasting, frame.columns)) and all(id(each) in places for each in bound):
        return replace(facts, frame=frame, bound=tuple(places[id(each)] for each in bound))
    return facts


def _shape(statement: Select[Any], order: Iterable[Any]) -> tuple[Any, list[BindParameter[Any]]]:
    """What all statements of one shape share, None where that is not known; and the parameters of this one."""
    shape: list[Any] = []
    parameters: list[BindParameter[Any]] = []
    for each in (statement, *order):
        element = each.__clause_element__() if hasattr(each, "__clause_element__") else each
        key = element._generate_cache_key() if isinstance(element, ClauseElement) else None
        if key is None:
            return None, []
        shape.append(key.key)
        parameters += key.bindparams
    return tuple(shape), parameters


def dialect_of(session: AnySession, statement: Select[Any]) -> Dialect:
    """SQLAlchemy's dialect for the database on which the session will run the statement."""
    if isinstance(session, Connection):
        return session.dialect
    subject = statement._propagate_attrs.get("plugin_subject")
    dialect: Dialect = session.get_bind(None if subject is None else subject.mapper, clause=statement).dialect
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
    if listing.frame.has_window:
        raise PagingError(
            "HF641",
            "The statement has a window function, which would count from the page's first row.",
            "Compute it in a subquery and page over that, or take offset_page.",
        )


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
    text = str(described.compile(dialect=dialect))
    return _Facts(added, nullable, sha256(text.encode()).hexdigest())


def _may_be_kept(facts: _Facts) -> bool:
    """An alias is another one each time it is made, though the statements have one shape."""
    return all(isinstance(getattr(column, "table", None), Table) for column in facts.missing)


def _parameters(statement: ClauseElement) -> list[BindParameter[Any]]:
    key = statement._generate_cache_key()
    if key is not None:
        return list(key.bindparams)
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
