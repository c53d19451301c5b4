"""What an erasure and a retention call, so that what they leave still verifies and what they took cannot be guessed."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from itertools import groupby

from sqlalchemy import Connection

from holdfast.database import execute
from holdfast.dialects.base import Dialect
from holdfast.dialects.evidence import KINDS, Evidence, Kind
from holdfast.dialects.query import Query
from holdfast.evidence.leaves import SALT, Ranges, all_salts, count, extend, inner, merged, overlaps, read

_AT_ONCE = 1_000


def seal_lock(connection: Connection, dialect: Dialect) -> None:
    """Keeps sealers out until the transaction in hand ends: what is about to go must not be sealed meanwhile."""
    statement = dialect.evidence.seal_lock()
    if statement is not None:
        execute(connection, statement)


def before_erasing(connection: Connection, dialect: Dialect, intervention: int, changes: Sequence[int]) -> None:
    """Keeps the digests of the sealed ones among these changes and destroys their salts, in the erasure's transaction.

    To be called while the values are still there; ``intervention`` is the recorded erasure.
    """
    seal_lock(connection, dialect)
    evidence = dialect.evidence
    ordered = sorted(set(changes))
    if not ordered:
        return
    wanted: Ranges = []
    for number in ordered:
        extend(wanted, number)
    for row in execute(connection, evidence.holders("change", ordered[0], ordered[-1])):
        members: dict[Kind, Ranges] = {kind: read(getattr(row, f"{kind}s")) for kind in KINDS}
        places = {
            number: place + number - first
            for first, last, place in overlaps(wanted, members["change"])
            for number in range(first, last + 1)
        }
        if not places:
            continue
        salts = _salts(connection, evidence, row.number, members)
        for start in range(0, len(places), _AT_ONCE):
            _keep(connection, evidence, intervention, salts, dict(list(places.items())[start : start + _AT_ONCE]))
        _drop(salts, places.values())
        execute(connection, evidence.set_salts(row.number, _rest(salts)))


def _keep(
    connection: Connection, evidence: Evidence, intervention: int, salts: bytearray, places: dict[int, int]
) -> None:
    ids = list(places)
    bodies = {row.id: row.body for row in execute(connection, evidence.some("change", ids))}
    earlier = {
        number: list(rows)[-1]
        for number, rows in groupby(execute(connection, evidence.stand_ins(ids)), key=lambda row: row.change)
    }
    for number, place in places.items():
        before = earlier.get(number)
        if number not in bodies or (before is not None and before.intervention == intervention):
            continue
        if before is not None:
            execute(connection, evidence.add_stand_in(number, intervention, bytes(before.remaining)))
            execute(connection, evidence.drop_salt(number, before.intervention))
            continue
        salt = bytes(salts[place * SALT : (place + 1) * SALT])
        execute(connection, evidence.add_stand_in(number, intervention, inner(salt, bodies[number])))


def after_erasing(connection: Connection, dialect: Dialect, intervention: int) -> None:
    """Binds what remains of the changes that ``before_erasing`` was told of, when their values are gone."""
    evidence = dialect.evidence
    ids = [row.change for row in execute(connection, evidence.own_stand_ins(intervention))]
    for start in range(0, len(ids), _AT_ONCE):
        for row in execute(connection, evidence.some("change", ids[start : start + _AT_ONCE])):
            salt = secrets.token_bytes(SALT)
            execute(connection, evidence.set_remaining(row.id, intervention, inner(salt, row.body), salt))


def keep_removed(connection: Connection, dialect: Dialect, intervention: int, kind: Kind, ids: Query) -> None:
    """Writes down which changes or transactions are about to be removed, in the transaction that removes them.

    ``ids`` is a query of one column ``id``. Their digests stay in their epochs; their salts are destroyed.
    """
    seal_lock(connection, dialect)
    execute(connection, dialect.evidence.add_removed(intervention, kind, ids))
    forget_salts(connection, dialect.evidence, intervention)


def forget_salts(connection: Connection, evidence: Evidence, intervention: int, only: str | None = None) -> None:
    """Destroys the salts of all that an intervention removed, so that nobody can try values on the digests."""
    rows = [row for row in execute(connection, evidence.removed(intervention)) if only in (None, row.kind)]
    for kind in KINDS:
        wanted = merged((row.first, row.last) for row in rows if row.what == kind)
        if not wanted:
            continue
        for row in execute(connection, evidence.holders(kind, wanted[0][0], wanted[-1][1])):
            members: dict[Kind, Ranges] = {each: read(getattr(row, f"{each}s")) for each in KINDS}
            found = list(overlaps(wanted, members[kind]))
            if not found:
                continue
            salts = _salts(connection, evidence, row.number, members)
            skipped = sum(count(members[each]) for each in KINDS[: KINDS.index(kind)])
            for first, last, place in found:
                _drop(salts, range(skipped + place, skipped + place + last - first + 1))
            execute(connection, evidence.set_salts(row.number, _rest(salts)))


def _salts(connection: Connection, evidence: Evidence, number: int, members: dict[Kind, Ranges]) -> bytearray:
    [large] = execute(connection, evidence.large(number))
    if large.seed is not None:
        return all_salts(bytes(large.seed), members)
    if large.salts is not None:
        return bytearray(large.salts)
    return bytearray(SALT * sum(count(each) for each in members.values()))


def _drop(salts: bytearray, places: Iterable[int]) -> None:
    for place in places:
        salts[place * SALT : (place + 1) * SALT] = bytes(SALT)


def _rest(salts: bytearray) -> bytes | None:
    return bytes(salts) if any(salts) else None
