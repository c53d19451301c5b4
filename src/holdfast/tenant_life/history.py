"""What the journal has of a tenant's rows goes, in a way that sealed evidence can tell from forgery."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from holdfast.database import execute, explained
from holdfast.dialects.base import Dialect
from holdfast.dialects.retention import Part, Rules
from holdfast.errors import UnsupportedError
from holdfast.evidence import keep_removed, seal, seal_lock
from holdfast.holds import freeze
from holdfast.install import patiently
from holdfast.steps import LOCK_TIMEOUT
from holdfast.tenant_life.place import Place, Work

_BATCH = 2_000
_DEADLINE = 60.0


def count_history(connection: Connection, place: Place, tenant: str, relations: Sequence[int]) -> int:
    return int(execute(connection, place.life.history.count(tenant, relations))[0][0])


def forget_history(connection: Connection, work: Work, relations: Sequence[int]) -> int:
    """Removes every change of the tenant's rows, and the transactions that have no other; how many changes.

    What is not sealed yet is sealed first where the journal is sealed at all. HF483 where a change stays, since a
    transaction that was begun before it has not ended.
    """
    total = left = 0
    dialect = work.place.database.dialect
    for attempt in range(2):
        with connection.begin():
            parts = [Part(row.name, row.lower, row.upper) for row in execute(connection, dialect.retention.parts())]
        # First what is known as the tenant's only by what was recorded later.
        for unowned in (True, False):
            total += sum(_forget_part(connection, work, relations, part, unowned) for part in parts)
        with connection.begin():
            left = count_history(connection, work.place, work.tenant, relations)
        if not left:
            return total
        if not attempt:
            seal(work.place.database)
    raise UnsupportedError(
        "HF483",
        f"{left} changes of tenant {work.tenant!r} cannot be sealed yet, and stay in the journal until they are.",
        "A transaction that was open before has not ended. When it has, run the command again: it goes on.",
    )


def _forget_part(connection: Connection, work: Work, relations: Sequence[int], part: Part, unowned: bool) -> int:
    dialect = work.place.database.dialect
    sql, evidence = dialect.retention, dialect.evidence
    rules = Rules({}, evidence.unsealed("change", "c"), evidence.unsealed("transaction", "t"))
    with connection.begin():
        first, end, step = execute(connection, sql.pieces(part, rules, _BATCH))[0]
    gone = 0
    for start in range(int(first), int(end), int(step)):
        piece = (start, start + int(step))
        query = work.place.life.history.in_part(part, piece, work.tenant, relations, rules.unsealed, unowned=unowned)
        with connection.begin():
            if not execute(connection, query):
                continue

        def attempt(piece: tuple[int, int] = piece, query: Any = query) -> int:
            with explained(dialect), connection.begin():
                return _forget_piece(connection, work, dialect, part, rules, piece, query)

        gone += patiently(f"The journal's part {part.name}", attempt, _DEADLINE)
    return gone


def _forget_piece(
    connection: Connection, work: Work, dialect: Dialect, part: Part, rules: Rules, piece: tuple[int, int], query: Any
) -> int:
    """The caller's transaction; nobody seals and nobody places a hold until it ends."""
    sql = dialect.retention
    seal_lock(connection, dialect)
    for statement in (*dialect.lock_settings(LOCK_TIMEOUT), *sql.begin_removing()):
        execute(connection, statement)
    freeze(connection, dialect)
    ids = [row.id for row in execute(connection, query)]
    if not ids:
        return 0
    details = {"tenant": work.digest, "part": part.name, "changes": len(ids)}
    recorded = dialect.record_intervention("tenant_history", work.actor, work.reason, details)
    intervention = int(execute(connection, recorded)[0][0])
    keep_removed(connection, dialect, intervention, "change", sql.chosen(ids))
    answers = [execute(connection, each) for each in sql.remove(part, piece, ids)][-1]
    transactions: Sequence[Any] = sorted({tuple(row[1:]) for row in answers})
    bare = [row[0] for row in execute(connection, sql.bare(transactions, rules))]
    if bare:
        keep_removed(connection, dialect, intervention, "transaction", sql.chosen(bare))
        execute(connection, sql.remove_transactions(bare))
    for statement in sql.end_removing():
        execute(connection, statement)
    return len(ids)
