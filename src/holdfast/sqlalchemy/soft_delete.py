"""Reading rows that live, and saying so where dead ones are meant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal

from sqlalchemy import ColumnElement, Exists, FromClause, Insert, Join, Select, Table, inspect
from sqlalchemy.orm import InstrumentedAttribute, Mapper, ORMExecuteState, with_loader_criteria
from sqlalchemy.orm.interfaces import ORMOption, UserDefinedOption
from sqlalchemy.sql.selectable import AliasedReturnsRows
from sqlalchemy.sql.visitors import iterate, replacement_traverse

from holdfast.errors import DeclarationError
from holdfast.policies import SoftDelete
from holdfast.sqlalchemy.mapping import SOFT_DELETED
from holdfast.sqlalchemy.tables import policy_of

Rows = Literal["live", "dead", "all"]
_FILTERS = "holdfast.live"
"""The key in ``MetaData.info`` of the options that every statement gets: made once, for as many mappers."""


class RowsOption(UserDefinedOption):
    """Which rows of the entities a statement means; without entities, of those that it returns itself."""

    def __init__(self, rows: Rows, entities: tuple[Mapper[Any], ...]) -> None:
        super().__init__((rows, entities))
        self.rows: Rows = rows
        self.entities = entities
        # What is said of the statement's own rows is not said of what is loaded beside them.
        self.propagate_to_loaders = bool(entities)


def include_deleted(*entities: type[Any]) -> RowsOption:
    """A statement option: rows that are marked are read as well.

    Without entities it is about the rows that the statement itself returns, and what is loaded along with them
    stays filtered; an entity that is named is read whole wherever it occurs, in what is loaded beside included.
    """
    return RowsOption("all", _mappers(entities))


def only_deleted(*entities: type[Any]) -> RowsOption:
    """A statement option: only rows that are marked are read. Entities as for ``include_deleted``."""
    return RowsOption("dead", _mappers(entities))


def mark_of(mapper: Mapper[Any]) -> InstrumentedAttribute[Any] | None:
    """The attribute that marks deleted rows of the class, where it has one."""
    for each in mapper.iterate_to_root():
        policy = policy_of(each.local_table, SoftDelete)
        if policy is not None:
            key = each.get_property_by_column(each.local_table.c[policy.column]).key
            attribute: InstrumentedAttribute[Any] = getattr(mapper.class_, key)
            return attribute
    return None


def filter_rows(state: ORMExecuteState) -> None:
    """A listener for ``do_orm_execute``: every read, update and delete is of rows that live, unless it says otherwise."""
    mapper = state.bind_mapper
    # A refresh is about a row that is already there, dead or not.
    if mapper is None or state.is_column_load:
        return
    marked: list[Mapper[Any]] | None = mapper.registry.metadata.info.get(SOFT_DELETED)
    if not marked:
        return
    wanted = [option for option in state.user_defined_options if isinstance(option, RowsOption)]
    filters = _wanted_filters(state, marked, wanted) if wanted else _filters(mapper, marked)
    statement = state.statement
    if isinstance(statement, Insert):
        if statement.select is not None:
            state.statement = _with_filters_inside(statement, filters)
        return
    where = getattr(statement, "whereclause", None)
    if where is not None and any(isinstance(each, Exists) for each in iterate(where)):
        statement = _narrowed(statement, _excluded(state, wanted))
    state.statement = statement.options(*filters)


def is_hidden(instance: object, options: Iterable[ORMOption] | None) -> bool:
    """Whether a row that is at hand is one that a read would not have found."""
    mapper: Mapper[Any] = inspect(instance).mapper  # type: ignore[union-attr]
    mark = mark_of(mapper)
    if mark is None:
        return False
    rows: Rows = "live"
    for option in options or ():
        if isinstance(option, RowsOption) and (not option.entities or any(mapper.isa(e) for e in option.entities)):
            rows = option.rows
    dead = getattr(instance, mark.key) is not None
    return rows != "all" and dead != (rows == "dead")


def _mappers(entities: Iterable[type[Any]]) -> tuple[Mapper[Any], ...]:
    mappers = []
    for entity in entities:
        mapper: Mapper[Any] | None = inspect(entity, raiseerr=False)
        if mapper is None or mark_of(mapper) is None:
            raise DeclarationError(
                "HF114",
                f"{getattr(entity, '__name__', entity)!s} has no SoftDelete, so none of its rows is marked.",
                "Name a class that is SoftDeletable, or none: then the statement's own entities are meant.",
            )
        mappers.append(mapper)
    return tuple(mappers)


def _filters(mapper: Mapper[Any], marked: list[Mapper[Any]]) -> tuple[Any, ...]:
    """The options that leave out the dead of every class; made again when a class was added."""
    info = mapper.registry.metadata.info
    made: tuple[int, tuple[Any, ...]] = info.get(_FILTERS, (0, ()))
    if made[0] != len(marked):
        made = len(marked), tuple(_filter(each, "live") for each in marked)
        info[_FILTERS] = made
    return made[1]


def _filter(mapper: Mapper[Any], rows: Rows) -> Any:
    mark = mark_of(mapper)
    assert mark is not None
    criterion: ColumnElement[bool] = mark.is_(None) if rows == "live" else mark.is_not(None)
    return with_loader_criteria(mapper, criterion, include_aliases=True, propagate_to_loaders=False)


def _wanted_filters(state: ORMExecuteState, marked: list[Mapper[Any]], wanted: list[RowsOption]) -> tuple[Any, ...]:
    rows: dict[Mapper[Any], Rows] = dict.fromkeys(marked, "live")
    own = state.all_mappers
    for option in wanted:
        for mapper in option.entities or (() if state.is_relationship_load else own):
            root = next((each for each in mapper.iterate_to_root() if each in rows), None)
            if root is not None:
                rows[root] = option.rows
    return tuple(_filter(mapper, each) for mapper, each in rows.items() if each != "all")


def _excluded(state: ORMExecuteState, wanted: list[RowsOption]) -> set[Table]:
    """The tables of entities that are named: they are read whole wherever they occur."""
    return {
        table for option in wanted for mapper in option.entities for table in mapper.tables if isinstance(table, Table)
    }


def _narrowed(statement: Any, excluded: set[Table]) -> Any:
    """The statement, with the rows that live in each EXISTS that has no entity for the ORM to filter."""
    outer = set(_sources(statement.get_final_froms() if isinstance(statement, Select) else [statement.table]))

    def replace(each: Any, **_: Any) -> Any:
        if not isinstance(each, Exists):
            return None
        inner = getattr(each.element, "element", each.element)
        if not isinstance(inner, Select) or (inner._from_obj and inner._propagate_attrs):
            return None
        for source, table in _sources(inner.get_final_froms()):
            policy = policy_of(table, SoftDelete)
            if policy is not None and table not in excluded and (source, table) not in outer:
                each = each.where(source.c[policy.column].is_(None))
        return each

    return replacement_traverse(statement, {}, replace)


def _sources(clauses: Iterable[Any]) -> Iterator[tuple[FromClause, Table]]:
    """Each table or alias that the clauses name, and the table that it stands for."""
    for clause in clauses:
        if isinstance(clause, Join):
            yield from _sources((clause.left, clause.right))
            continue
        table = clause.element if isinstance(clause, AliasedReturnsRows) else clause
        if isinstance(table, Table):
            # The ORM annotates what it names; the table of the metadata is the one and same.
            plain = table.metadata.tables[table.key]
            yield (plain if table is clause else clause), plain


def _with_filters_inside(statement: Insert, filters: tuple[Any, ...]) -> Any:
    def replace(each: Any, **_: Any) -> Any:
        return each.options(*filters) if isinstance(each, Select) else None

    return replacement_traverse(statement, {}, replace)
