"""Stating of a finding that it is known: later verifications list it with the statement and do not count it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from holdfast.context import current
from holdfast.database import Database, execute, stream
from holdfast.dialects.evidence import Evidence
from holdfast.errors import UnsupportedError
from holdfast.evidence.chain import Chain
from holdfast.evidence.results import Finding
from holdfast.evidence.sealing import check_there
from holdfast.evidence.verifying import ACKNOWLEDGEMENT, read_recorded, statements


def acknowledge(database: Database, findings: Sequence[str], *, reason: str, actor: str | None = None) -> list[Finding]:
    """States of findings, by their ids, why they are known, and gives those for which that was not stated before.

    Only what lies between two seals has an id: a trigger or a name that was changed, as in known maintenance. It
    belongs to that epoch alone, so the same thing done again is a new finding. The statement is an intervention, sealed
    like any other. Raises HF314 for an id that no finding of this journal has, HF313 where there is no journal.

    >>> from holdfast import Database
    >>> from holdfast.evidence import acknowledge
    >>> acknowledge(Database(url), ["9c1f0a7be2d34458"], reason="index rebuilt on 6 May")  # doctest: +SKIP
    """
    if not reason.strip():
        raise UnsupportedError("HF314", "A finding is acknowledged with a reason, and none was given.", "Say why.")
    with database.snapshot() as connection:
        check_there(connection, database.dialect.evidence)
        standing = _standing(connection, database.dialect.evidence)
        known = statements(read_recorded(connection, database.dialect.evidence))
    unknown = [each for each in findings if each not in standing]
    if unknown:
        raise UnsupportedError(
            "HF314",
            f"No finding of this journal that could be acknowledged has the id {unknown[0]}.",
            "See the ids with: holdfast verify. What was found since the last epoch has one after: holdfast seal.",
        )
    stated = [standing[each] for each in dict.fromkeys(findings) if each not in known]
    with database.begin() as connection:
        for each in stated:
            details = {"finding": each.id, "kind": each.kind, "epoch": each.epoch, "message": each.message}
            query = database.dialect.record_intervention(
                ACKNOWLEDGEMENT, actor or current().get("actor"), reason, details
            )
            execute(connection, query)
    return stated


def _standing(connection: Connection, evidence: Evidence) -> dict[str, Finding]:
    found: list[Finding] = []
    chain = Chain(found.append)
    chain.read(stream(connection, evidence.epochs("facts"), size=100), read_recorded(connection, evidence))
    return {each.id: each for each in found if each.id is not None}
