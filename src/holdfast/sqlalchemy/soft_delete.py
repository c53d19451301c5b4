"""Reading rows that live, and saying so where dead ones are meant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Delete, Insert, Select, Table, TextClause, Update, inspect
from sqlalchemy.orm import InstanceState, Mapper, ORMExecuteState, Session
from sqlalchemy.orm.interfaces import ORMOption, UserDefinedOption

from holdfast.errors import DeclarationError
from holdfast.policies import Tenant
from holdfast.sqlalchemy.marks import Marks, RowsFilter, marks_of
from holdfast.sqlalchemy.marks import mark_of as mark_of
from holdfast.sqlalchemy.narrowing import Rows, narrowed
from holdfast.sqlalchemy.sources import metadata_of, reads, tables_of
from holdfast.sqlalchemy.stamps import is_stamped
from holdfast.sqlalchemy.tables import policy_of
from holdfast.sqlalchemy.tenants import ACROSS, hold_to_tenant


class RowsOption(UserDefinedOption):
    """Which rows of the entities a statement means; without entities, of those that it returns itself."""

    def __init__(self, rows: Rows, entities: tuple[Mapper[Any], ...]) -> None:
        super().__init__((rows, entities))
        self.rows: Rows = rows
        self.entities = entities
        # What is loaded beside must know it too: it may have this statement within it.
        self.propagate_to_loaders = True

    def __reduce__(self) -> tuple[Any, ...]:
        """An instance has the options that it was loaded with, and may be pickled."""
        return _restored, (self.rows, *(mapper.class_ for mapper in self.entities))


def include_deleted(*entities: type[Any]) -> RowsOption:
    """A statement option: rows that are marked are read as well.

    Without entities it is about the rows that the statement itself returns, and what is loaded along with them
    stays filtered; an entity that is named is read whole wherever it occurs, in what is loaded beside included.
    """
    return RowsOption("all", _mappers(entities))


def only_deleted(*entities: type[Any]) -> RowsOption:
    """A statement option: only rows that are marked are read. Entities as for ``include_deleted``."""
    return RowsOption("dead", _mappers(entities))


def filtered_at_once(
    session: Session, statement: Any, options: Mapping[str, Any] | None, bound: Mapping[str, Any] | None
) -> Any:
    """A statement as the listener would leave it; None where it takes that, for which SQLAlchemy prepares much.

    ``options`` and ``bound`` are the execution options and the bind arguments that it is executed with.
    """
    if not isinstance(statement, Select):
        return statement if _is_left_alone(statement, bound) else None
    if statement._memoized_select_entities:
        return None
    if options and ("yield_per" in options or "sa_top_level_orm_context" in options):
        return None
    given = None
    for option in statement._with_options:
        if isinstance(option, RowsOption):
            return None
        if isinstance(option, RowsFilter):
            given = option
    mapper, marks = _about(statement, bound)
    if marks is None or not (mapper in marks.mappers or marks.are_met_by(statement, mapper)):
        return statement
    if mapper is None:
        return None
    rows = _usual(session, marks, mapper, statement)
    if given is rows:
        return statement
    filtered = statement.options(rows)
    return None if given or marks.leave_open(filtered) else filtered


def usual_filter(session: Session, mapper: Mapper[Any]) -> RowsFilter | None:
    """What a session of ours filters reads of the class with; None where it leaves out no row of it."""
    marks = marks_of(mapper.registry.metadata)
    if marks is None or mapper not in marks.mappers:
        return None
    return marks.filter_across if ACROSS in session.info else marks.filter


def filtered_to_keep(statement: Select[Any], mapper: Mapper[Any], rows: RowsFilter) -> Select[Any]:
    """The statement with its session's filter: it can be executed often, and gets no other then.

    It is given as it is where a filter is not enough: then the session looks at it each time.
    """
    marks = marks_of(mapper.registry.metadata)
    filtered = statement.options(rows)
    return statement if marks is None or marks.leave_open(filtered) else filtered


def _is_left_alone(statement: Any, bound: Mapping[str, Any] | None) -> bool:
    """Whether the listener has nothing to do with a statement that is no SELECT."""
    if isinstance(statement, Insert):
        return not reads(statement)
    if not isinstance(statement, (Update, Delete, TextClause)):
        return False
    mapper, marks = _about(statement, bound)
    if mapper is not None and isinstance(statement, Update) and is_stamped(mapper):
        return False
    return marks is None or not (
        statement._with_options or mapper in marks.mappers or marks.are_met_by(statement, mapper)
    )


def filter_rows(state: ORMExecuteState) -> None:
    """At ``do_orm_execute``: a statement is about rows that live, unless it says otherwise."""
    if state.execution_options.get("yield_per") and state.is_relationship_load:
        # SQLAlchemy 2.0 hands it down wherever anybody listens, and then refuses it.
        state.update_execution_options(yield_per=None)
    statement = state.statement
    # A lambda statement is what it resolves to.
    plain: Any = getattr(statement, "_resolved", statement)
    mapper, marks = _about(plain, state.bind_arguments)
    if marks is None or (isinstance(plain, Insert) and not reads(plain)):
        return
    wanted = _said(state)
    if not (wanted or mapper in marks.mappers or marks.are_met_by(plain, mapper)):
        return
    rows = _usual(state.session, marks, mapper, plain)
    across = rows is marks.filter_across
    said: Mapping[Table, Rows]
    if wanted:
        rows, said = _wanted(state, marks, wanted, across)
    else:
        said = marks.as_they_are if mapper is None and marks.is_core(plain) else {}
    filtered = statement if any(each is rows for each in statement._with_options) else statement.options(rows)
    if not state.is_column_load and (wanted or said or marks.leave_open(filtered)):
        filtered = narrowed(getattr(filtered, "_resolved", filtered), said, across=across)
    state.statement = filtered


def _about(statement: Any, bound: Mapping[str, Any] | None) -> tuple[Mapper[Any] | None, Marks | None]:
    """The mapper that a statement is about, as SQLAlchemy finds it for its listeners, and the marks it may meet."""
    subject = statement._propagate_attrs.get("plugin_subject")
    mapper: Mapper[Any] | None = subject.mapper if subject is not None else bound.get("mapper") if bound else None
    metadata = mapper.registry.metadata if mapper is not None else metadata_of(statement)
    return mapper, marks_of(metadata) if metadata is not None else None


def _usual(session: Session, marks: Marks, mapper: Mapper[Any] | None, statement: Any) -> RowsFilter:
    """The filter where a statement does not say which rows it means; the session is held to its tenant."""
    if ACROSS in session.info:
        return marks.filter_across
    if marks.tenanted and _has_tenant(marks, mapper, statement):
        hold_to_tenant(session)
    return marks.filter


def _said(state: ORMExecuteState) -> list[RowsOption]:
    statement = state.statement
    if not getattr(statement, "_with_options", True) and not getattr(statement, "_memoized_select_entities", ()):
        # Most statements have no options, and the list of none is made for each of them.
        return []
    return [option for option in state.user_defined_options if isinstance(option, RowsOption)]


def _has_tenant(marks: Marks, mapper: Mapper[Any] | None, statement: Any) -> bool:
    if mapper is not None:
        return mapper in marks.tenanted
    return any(policy_of(table, Tenant) is not None for table in tables_of(statement))


def is_hidden(instance: object, options: Iterable[ORMOption] | None) -> bool:
    """Whether a row that is at hand is one that a read would not have found."""
    mapper: Mapper[Any] = inspect(instance).mapper
    mark = mark_of(mapper)
    if mark is None:
        return False
    rows = _rows(mapper, options)
    dead = getattr(instance, mark.key) is not None
    return rows != "all" and dead != (rows == "dead")


def names_dead(mapper: Mapper[Any], options: Iterable[ORMOption] | None) -> bool:
    """Whether the options say that marked rows of the class are meant as well."""
    return _rows(mapper, options) != "live"


def revived(instances: Iterable[Any]) -> list[tuple[Any, str, Any]]:
    """Those whose mark would be taken away by a flush: the instance, the attribute, and the mark."""
    found = []
    for each in instances:
        state: InstanceState[Any] = inspect(each)
        mark = mark_of(state.mapper)
        if mark is not None:
            history = state.attrs[mark.key].history
            if history.deleted and history.deleted[0] is not None and list(history.added) == [None]:
                found.append((each, mark.key, history.deleted[0]))
    return found


def _rows(mapper: Mapper[Any], options: Iterable[ORMOption] | None) -> Rows:
    rows: Rows = "live"
    for option in options or ():
        if isinstance(option, RowsOption) and (not option.entities or any(mapper.isa(e) for e in option.entities)):
            rows = option.rows
    return rows


def _restored(rows: Rows, *entities: type[Any]) -> RowsOption:
    return RowsOption(rows, _mappers(entities))


def _mappers(entities: Iterable[type[Any]]) -> tuple[Mapper[Any], ...]:
    mappers = []
    for entity in entities:
        mapper: Any = inspect(entity, raiseerr=False)
        if not isinstance(mapper, Mapper) or mark_of(mapper) is None:
            raise DeclarationError(
                "HF114",
                f"{getattr(entity, '__name__', entity)!s} has no SoftDelete, so none of its rows is marked.",
                "Name a class that is SoftDeletable, or none: then the statement's own entities are meant.",
            )
        mappers.append(mapper)
    return tuple(mappers)


def _wanted(
    state: ORMExecuteState, marks: Marks, wanted: list[RowsOption], across: bool
) -> tuple[RowsFilter, Mapping[Table, Rows]]:
    """The filter where a statement says which rows it means, and the same by table."""
    rows: dict[Mapper[Any], Rows] = dict.fromkeys(marks.roots, "live")
    for option in wanted:
        for mapper in option.entities or _own(state, marks):
            root = next((each for each in mapper.iterate_to_root() if each in rows), None)
            if root is not None:
                rows[root] = option.rows
    said = {table: each for mapper, each in rows.items() for table in mapper.tables if isinstance(table, Table)}
    return RowsFilter((marks, *rows.values()), rows.items(), across=across), said


def _own(state: ORMExecuteState, marks: Marks) -> set[Mapper[Any]]:
    """The mappers of the rows that the statement itself returns, or that it loads something beside."""
    path, subject = state.loader_strategy_path, state.bind_mapper
    if state.is_relationship_load and path is not None:
        # What is loaded beside may have the first statement within it, to know for which rows.
        first: Mapper[Any] = inspect(path[0]).mapper
        return set() if subject is None or first.base_mapper is subject.base_mapper else {first}
    if state.all_mappers:
        return set(state.all_mappers)
    tables = tables_of(state.statement, where=False)
    found = {each for each in marks.mappers if tables.intersection(each.tables)}
    return found or ({subject} if subject is not None else set())
