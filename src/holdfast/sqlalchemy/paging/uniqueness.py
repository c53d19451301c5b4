"""What tells the rows of a statement apart, and which columns may be null, as far as the metadata says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    CTE,
    Alias,
    Column,
    ColumnElement,
    Index,
    PrimaryKeyConstraint,
    Select,
    Subquery,
    Table,
    UniqueConstraint,
)
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.elements import BinaryExpression, BooleanClauseList
from sqlalchemy.sql.selectable import FromClause, Join

Key = tuple[ColumnElement[Any], ...]


@dataclass(frozen=True, slots=True)
class Source:
    """A table, or what stands for one, in the FROM of a statement."""

    clause: FromClause
    nullable: bool
    """Whether an outer join may have made all of its columns null."""
    determined: bool
    """Whether a row of what it is joined to meets one row of it at most."""


def sources(froms: Sequence[FromClause]) -> list[Source]:
    return [source for clause in froms for source in _sources(clause, nullable=False)]


def _sources(clause: FromClause, nullable: bool, condition: Any = None) -> Iterator[Source]:
    if isinstance(clause, Join):
        yield from _sources(clause.left, nullable or clause.full)
        # What a full join adds of the right side has no row on the left that tells it apart.
        matched = None if clause.full else clause.onclause
        yield from _sources(clause.right, nullable or clause.isouter or clause.full, matched)
    else:
        yield Source(clause, nullable, condition is not None and _meets_one(clause, condition))


def _meets_one(clause: FromClause, condition: ColumnElement[bool]) -> bool:
    """Whether the condition of the join compares a whole key of the source with something outside of it."""
    compared = set()
    parts = [condition]
    while parts:
        part = parts.pop()
        if isinstance(part, BooleanClauseList) and part.operator is operators.and_:
            parts += part.clauses
        elif isinstance(part, BinaryExpression) and part.operator is operators.eq:
            for one, other in (part.left, part.right), (part.right, part.left):
                if getattr(one, "table", None) is not None and _of(one, clause) and not _mentions(other, clause):
                    compared.add(one)
    return any(compared.issuperset(key) for key in keys(clause, strict=False))


def _mentions(expression: ColumnElement[Any], clause: FromClause) -> bool:
    return any(_of(part, clause) for part in visitors.iterate(expression) if getattr(part, "table", None) is not None)


def _of(column: Any, clause: FromClause) -> bool:
    # SQLAlchemy annotates copies; they have the hash of what they are copies of.
    return hash(column.table) == hash(clause)


def keys(clause: FromClause, *, strict: bool = True) -> Iterator[Key]:
    """The sets of columns that tell its rows apart, the primary key first. ``strict``: nulls are told apart too."""
    match clause:
        case Table():
            yield from _table_keys(clause, strict)
        case Alias() if isinstance(clause.element, Table):
            for key in _table_keys(clause.element, strict):
                yield tuple(clause.c[column.key] for column in key)
        case Subquery() | CTE():
            if isinstance(clause.element, Select) and (inner := row_key(clause.element)) is not None:
                outer = [clause.corresponding_column(column) for column in inner]
                if None not in outer:
                    yield tuple(column for column in outer if column is not None)
        case _:
            return


def _table_keys(table: Table, strict: bool) -> Iterator[Key]:
    candidates: list[Sequence[Any]] = []
    for constraint in sorted(table.constraints, key=lambda each: not isinstance(each, PrimaryKeyConstraint)):
        # A deferrable one does not hold until the commit.
        if isinstance(constraint, PrimaryKeyConstraint | UniqueConstraint) and not constraint.deferrable:
            candidates.append(list(constraint.columns))
    candidates += [index.expressions for index in table.indexes if index.unique and not _is_partial(index)]
    for columns in candidates:
        if columns and all(isinstance(each, Column) and not (strict and each.nullable) for each in columns):
            yield tuple(columns)


def _is_partial(index: Index) -> bool:
    return any(name.endswith("_where") and value is not None for name, value in index.dialect_kwargs.items())


def row_key(statement: Select[Any]) -> Key | None:
    """Columns and expressions that together tell the statement's rows apart; None where it is not known."""
    froms = bare(statement).get_final_froms()
    if statement._group_by_clauses:
        grouped = tuple(statement._group_by_clauses)
        # ROLLUP and its kin give a row for all, which has the nulls of a group of nulls.
        return grouped if all(_is_plain(each) for each in grouped) else None
    found: list[ColumnElement[Any]] = []
    known = True
    for source in sources(froms):
        if not source.determined:
            key = next(keys(source.clause), None)
            known = known and key is not None
            found += key or ()
    if statement._distinct:
        selected = tuple(statement.selected_columns)
        return tuple(found) if known and set(found) <= set(selected) else selected
    return tuple(found) if known else None


def _is_plain(expression: Any) -> bool:
    kinds = {"rollup", "cube", "grouping_sets", "grouping sets"}
    return not any(getattr(part, "name", None) in kinds for part in visitors.iterate(expression))


def covers(order: Sequence[ColumnElement[Any]], froms: Sequence[FromClause]) -> set[int]:
    """The positions, among the sources, of those whose rows the columns of the order tell apart by themselves."""
    ordered = {each for each in order if isinstance(each, ColumnElement)}
    return {
        position
        for position, source in enumerate(sources(froms))
        if source.determined or any(ordered.issuperset(key) for key in keys(source.clause))
    }


def is_nullable(expression: ColumnElement[Any], found: Sequence[Source]) -> bool:
    """Whether it may be null; of an expression it is not known."""
    table = getattr(expression, "table", None)
    source = next((each for each in found if table is not None and hash(each.clause) == hash(table)), None)
    if source is None or source.nullable:
        return True
    match source.clause:
        case Table():
            return bool(getattr(expression, "nullable", True))
        case Alias() if isinstance(source.clause.element, Table):
            return bool(getattr(expression, "nullable", True))
        case Subquery() | CTE() if isinstance(source.clause.element, Select):
            inside = source.clause.element
            inner = next(
                (each for each in inside.selected_columns if source.clause.corresponding_column(each) is expression),
                None,
            )
            return inner is None or is_nullable(inner, sources(bare(inside).get_final_froms()))
        case _:
            return True


def bare(statement: Select[Any]) -> Select[Any]:
    """The statement with its FROM and its conditions and no columns to speak of."""
    from sqlalchemy import literal_column

    return statement.with_only_columns(literal_column("1"), maintain_column_froms=True)
