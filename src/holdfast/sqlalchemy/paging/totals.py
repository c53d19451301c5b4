"""How many rows a list has: counted, counted up to a cap, or as the planner guesses."""

from __future__ import annotations

import json
from typing import Any, Literal, get_args

from sqlalchemy import Connection, Select, event, func, literal_column, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import ORMExecuteState, Session, scoped_session
from sqlalchemy.sql import ClauseElement, Executable
from sqlalchemy.sql.compiler import SQLCompiler

from holdfast.dialects import dialect_for
from holdfast.errors import PagingError, UnsupportedError
from holdfast.sqlalchemy.paging.listing import AnySession, dialect_of
from holdfast.sqlalchemy.paging.pages import Total

CAP = 10_000
_ESTIMATE = "holdfast_estimate"


def check_total(session: AnySession, statement: Select[Any], total: Total | None, cap: int) -> None:
    """Refuses what this database has no answer to, before anything is read."""
    if total is not None and total not in get_args(Total):
        raise PagingError(
            "HF641", f"total={total!r} is not a way to count.", 'Take "exact", "capped", "estimated" or None.'
        )
    if cap < 1:
        raise PagingError("HF641", f"cap={cap!r} leaves nothing to count.", "Take 1 or more.")
    if total == "estimated":
        dialect = dialect_for(dialect_of(session, statement).name)
        if not dialect.features.estimates_rows:
            raise UnsupportedError(
                "HF415",
                f"{dialect.title} does not say how many rows it expects.",
                'Take total="capped", whose cost is bounded too, or total="exact".',
            )


def count(
    session: AnySession, statement: Select[Any], total: Total, cap: int
) -> tuple[int, Literal["exact", "at least", "estimated"]]:
    if total == "estimated":
        # Within a subquery nothing is loaded eagerly, so no join of that multiplies the rows.
        return _estimate(session, select(literal_column("1")).select_from(statement.subquery())), "estimated"
    rows = statement.limit(cap + 1) if total == "capped" else statement
    counted = session.execute(select(func.count()).select_from(rows.subquery())).scalar_one()
    return (cap, "at least") if total == "capped" and counted > cap else (counted, "exact")


def _estimate(session: AnySession, rows: Select[Any]) -> int:
    """The planner's guess for the statement as the session would run it, with all that its hooks add."""
    if isinstance(session, Connection):
        return _planned(session.execute(_Estimate(rows)).scalar_one())
    target: Session = session() if isinstance(session, scoped_session) else session

    def estimating(state: ORMExecuteState) -> Any:
        if state.execution_options.get(_ESTIMATE):
            return state.invoke_statement(statement=_Estimate(state.statement))
        return None

    # The last of the session's hooks: the others have done with the statement what they do.
    event.listen(target, "do_orm_execute", estimating)
    try:
        return _planned(target.execute(rows, execution_options={_ESTIMATE: True}).scalar_one())
    finally:
        event.remove(target, "do_orm_execute", estimating)


def _planned(document: Any) -> int:
    plans = json.loads(document) if isinstance(document, str) else document
    return int(plans[0]["Plan"]["Plan Rows"])


class _Estimate(Executable, ClauseElement):
    """The statement, not run but planned."""

    inherit_cache = False

    def __init__(self, statement: Any) -> None:
        self.statement = statement


@compiles(_Estimate)
def _compile_estimate(element: _Estimate, compiler: SQLCompiler, **options: Any) -> str:
    return dialect_for(compiler.dialect.name).estimate_rows(compiler.process(element.statement, **options))
