"""The recording triggers: row triggers with literal column lists, which write nothing where nothing changed."""

from __future__ import annotations

from holdfast.dialects.sqlite.recording import TRANSACTION, Recorder
from holdfast.dialects.sqlite.replace import is_watched, watching
from holdfast.dialects.sqlite.sql import literal, trigger
from holdfast.dialects.sqlite.statement import BEGIN, OTHERS_HAVE_TRIGGERS, RECORDED, SETTLE
from holdfast.dialects.sqlite.values import key_of
from holdfast.errors import UnsupportedError
from holdfast.objects import DatabaseObject, Protection
from holdfast.policies import Audit


def check_audit(policy: Audit) -> None:
    if policy.form == "statement":
        raise UnsupportedError("HF413", "SQLite has row triggers only.", "Use Audit(form='auto'), or leave it out.")


def recording(policy: Audit, protection: Protection) -> tuple[DatabaseObject, ...]:
    """The triggers that write the journal for one table."""
    check_audit(policy)
    recorder = Recorder(protection, policy)
    table = protection.table
    relation = protection.relation.id
    watched = is_watched(protection)
    moved = recorder.key_differs()
    start, end = [BEGIN, TRANSACTION], [RECORDED]

    def record(name: str, event: str, steps: list[str], purpose: str, when: str = "") -> DatabaseObject:
        return trigger(
            f"holdfast_record_{name}_{relation}",
            table.name,
            f"after {event}",
            [*start, *steps, *end],
            policy="Audit",
            purpose=f"records each {purpose} of {literal(table.name.name)}",
            when=when,
        )

    return (
        *watching(protection),
        trigger(
            f"holdfast_start_{relation}",
            table.name,
            "before update",
            [
                BEGIN,
                f"delete from holdfast_started\nwhere relation = {relation}"
                " and statement <> (select number from holdfast_statement);",
                "insert into holdfast_started (relation, statement, start, key, image)\n"
                f"select {relation}, s.number, s.event, {key_of('old', table.key)}, {recorder.image()}\n"
                "from holdfast_statement as s;",
                SETTLE,
            ],
            when=f"{OTHERS_HAVE_TRIGGERS} and ({moved} or {recorder.changed()})",
            policy="Audit",
            purpose=f"notes that an update of {literal(table.name.name)} begins",
        ),
        # What was replaced is recorded before what came, so both are of one trigger.
        record(
            "insert", "insert", [*recorder.record_replaced(moved=True, event="insert"), *recorder.came("'I'")], "insert"
        ),
        record(
            "update",
            "update",
            recorder.changed_in_place(),
            "update",
            when=recorder.outside(f"not {moved} and {recorder.changed()}"),
        ),
        record(
            "push",
            "update",
            recorder.record_replaced(moved=False),
            "row that an update replaced",
            when=f"{watched} and not {moved}",
        ),
        # The row went from one key to another: it left the one and came to the other.
        record(
            "move",
            "update",
            [
                recorder.no_longer_replaced(),
                *recorder.record_replaced(moved=True),
                *recorder.went("'U'"),
                *recorder.came("'U'"),
            ],
            "change of a key",
            when=moved,
        ),
        record(
            "delete",
            "delete",
            [*recorder.went("'D'"), recorder.no_longer_replaced()],
            "delete",
        ),
    )
