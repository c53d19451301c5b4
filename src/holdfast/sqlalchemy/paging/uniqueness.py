"""What tells the rows of a statement apart, and which columns may be null, as far as the metadata says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    CTE,
    Alias,
    Column,
    ColumnElement,
    Index,
    Label,
    PrimaryKeyConstraint,
    Select,
    Subquery,
    Table,
    UniqueConstraint,
    literal_column,
)
from sqlalchemy.sql import operators, visitors
from sqlalchemy.sql.elements import BinaryExpression, BooleanClauseList
from sqlalchemy.sql.functions import cube, grouping_sets, rollup
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
        case Subquery() | CTE() if isinstance(clause.element, Select):
            inner = missing(clause.element, frozenset(), sources(bare(clause.element).get_final_froms()))
            outer = [_exported(clause, column) for column in inner or ()]
            if outer and all(column is not None for column in outer):
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


def missing(statement: Select[Any], ordered: Set[int], found: Sequence[Source]) -> Key | None:
    """What must be added to an order over the expressions with these hashes, so that it tells all rows of the
    statement apart; None where that is not known."""
    if statement._group_by_clauses:
        grouped = [_grouped(each) for each in statement._group_by_clauses]
        if any(each is None for each in grouped):
            return None
        return tuple(each for each in grouped if not _is_in(each, ordered))
    added: list[ColumnElement[Any]] = []
    known = True
    for source in found:
        if not source.determined:
            candidates = list(keys(source.clause))
            if any(all(_is_in(column, ordered) for column in key) for key in candidates):
                continue
            known = known and bool(candidates)
            added += [column for column in (candidates or [()])[0] if not _is_in(column, ordered)]
    if statement._distinct:
        selected = list(statement.selected_columns)
        within = {hash(column) for column in selected}
        if not known or not all(_is_in(column, within) for column in added):
            return tuple(column for column in selected if not _is_in(column, ordered))
    return tuple(added) if known else None


def _is_in(column: Any, hashes: Set[int]) -> bool:
    return hash(expression_of(column)) in hashes


def expression_of(column: Any) -> Any:
    """What a condition can name: not a label, but what is labelled."""
    return column.element if isinstance(column, Label) else column


def _grouped(clause: Any) -> Any:
    """An expression of GROUP BY; None for text and for ROLLUP and its kin, whose rows it does not tell apart."""
    if clause.__visit_name__ == "label_reference":
        clause = clause.element
    sets = any(isinstance(part, rollup | cube | grouping_sets) for part in visitors.iterate(clause))
    return None if sets or is_text(clause) else clause


def is_text(clause: Any) -> bool:
    return not isinstance(clause, ColumnElement) or clause.__visit_name__ == "textual_label_reference"


def is_nullable(expression: ColumnElement[Any], found: Sequence[Source]) -> bool:
    """Whether it may be null; of an expression it is not known."""
    table = getattr(expression, "table", None)
    source = next((each for each in found if table is not None and hash(each.clause) == hash(table)), None)
    if source is None or source.nullable:
        return True
    clause = source.clause
    if isinstance(clause, Table) or (isinstance(clause, Alias) and isinstance(clause.element, Table)):
        return bool(getattr(expression, "nullable", True))
    if not isinstance(clause, Subquery | CTE) or not isinstance(clause.element, Select):
        return True
    inside = clause.element
    within = sources(bare(inside).get_final_froms())
    return all(
        is_nullable(each, within)
        for each in inside.selected_columns
        if hash(_exported(clause, each)) == hash(expression)
    )


def _exported(clause: FromClause, inner: Any) -> ColumnElement[Any] | None:
    """The column of a subquery that shows one of the statement within."""
    return clause.corresponding_column(inner)


def bare(statement: Select[Any]) -> Select[Any]:
    """The statement with its FROM and its conditions, and without its entities: they bring joins of eager loading."""
    if not statement._setup_joins:
        return statement.with_only_columns(literal_column("1"), maintain_column_froms=True)
    # What is selected says where joins begin, so of each entity a column must stay.
    kept = [next(iter(each.c)) if isinstance(each, FromClause) else each for each in statement._raw_columns]
    light = statement.with_only_columns(*kept)
    inherited = [each for each in statement._raw_columns if isinstance(each, Join)]
    return light.select_from(*inherited) if inherited else light
