"""Soft delete: a row leaves by being marked, its children follow, and come back with exactly their parent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from holdfast.dialects.checking import check_family
from holdfast.dialects.sqlite.family import Family
from holdfast.dialects.sqlite.live_view import live_view
from holdfast.dialects.sqlite.recording import Recorder
from holdfast.dialects.sqlite.replace import is_watched, watching
from holdfast.dialects.sqlite.sql import literal, quote, refusal, row_is, trigger
from holdfast.dialects.sqlite.statement import (
    BEGIN,
    KEEP,
    KEPT,
    NOT_KEEPING,
    NOT_UNDOING,
    REVIVE,
    REVIVED,
    SETTLE,
    STAMP,
    UNDOING,
    allowed,
)
from holdfast.errors import DeclarationError
from holdfast.objects import DatabaseObject, Protection, Protections
from holdfast.policies import Audit, RawDelete, SoftDelete
from holdfast.tables import TableName

_HARD_DELETE = (
    "For a real delete say so first in the same transaction: "
    "INSERT INTO holdfast_context (allow) VALUES ('hard_delete'), and DELETE FROM holdfast_context before the commit."
)


def check_soft_delete(policy: SoftDelete, protection: Protection, protections: Protections, default: RawDelete) -> None:
    """Refuses what would leave a key dangling, or children alive under a dead parent."""
    table = protection.table
    mark = table.column(policy.column)
    if mark is not None and not mark.nullable:
        raise DeclarationError(
            "HF105",
            f"{table.name}.{policy.column} is NOT NULL; the mark is NULL while the row lives.",
            "Use a nullable column of type TEXT.",
        )
    check_family(policy, protection, protections, default)
    for key in protection.followers:
        if key.on_delete == "SET DEFAULT" and key.table not in protections:
            raise DeclarationError(
                "HF107",
                f"{key.table} references {table.name} with ON DELETE SET DEFAULT ({key.name}) and is not protected, "
                "so its default is not known here.",
                f"Protect {key.table} too.",
            )
    _check_cycles(protection, protections)


def _check_cycles(protection: Protection, protections: Protections) -> None:
    """A trigger does not fire within itself unless the connection allows it, so a cascade could stop half way."""
    start = protection.table.name
    seen: set[TableName] = set()
    waiting = [start]
    while waiting:
        each = protections.get(waiting.pop())
        for key in each.table.referenced_by if each else ():
            if key.on_delete != "CASCADE" or key.table == key.target:
                continue
            if key.table == start:
                raise DeclarationError(
                    "HF110",
                    f"{start} cascades to itself by way of other tables ({key.name}), which triggers of SQLite "
                    "cannot follow to the end.",
                    "Let one of the foreign keys of the circle be ON DELETE SET NULL or RESTRICT.",
                )
            if key.table not in seen:
                seen.add(key.table)
                waiting.append(key.table)


def soft_deleting(
    policy: SoftDelete, protection: Protection, protections: Protections, default: RawDelete
) -> tuple[DatabaseObject, ...]:
    """The triggers that mark, stamp, follow, revive, and refuse, for one table and those that point at it."""
    check_soft_delete(policy, protection, protections, default)
    mode = policy.raw_delete or default
    family = Family(protection, policy, protections)
    within_undo = replace(family, undoing=True)
    objects = [*_mark(family), *(_mark_within_undo(within_undo) if within_undo.keys else ())]
    if mode != "allow":
        objects += [_delete(policy, protection, mode), *watching(protection), *_replace(protection)]
    return (*live_view(policy, protection), *objects, *family.living_parents())


def _delete(policy: SoftDelete, protection: Protection, mode: RawDelete) -> DatabaseObject:
    table = protection.table
    name, mark = table.name.name, quote(policy.column)
    if mode == "convert":
        # RAISE(IGNORE) leaves out the delete of this row alone, and keeps what was done before it.
        steps = [
            BEGIN,
            f"update {quote(name)}\nset {mark} = {STAMP}\nwhere {row_is(table, 'old')} and {mark} is null;",
            SETTLE,
            "select raise(ignore);",
        ]
        purpose = f"turns a delete from {literal(name)} into the mark"
    else:
        complaint = f"Rows of {name} are not deleted but marked."
        hint = f"UPDATE {name} SET {policy.column} = CURRENT_TIMESTAMP WHERE …; {_HARD_DELETE[0].lower()}{_HARD_DELETE[1:]}"
        steps = [f"select {refusal('HF201', complaint, hint)};"]
        purpose = f"refuses a delete from {literal(name)}"
    return trigger(
        f"holdfast_soft_delete_{protection.relation.id}",
        table.name,
        "before delete",
        steps,
        when=f"not {allowed('hard_delete')}",
        policy="SoftDelete",
        purpose=purpose,
    )


def _mark(family: Family) -> Iterator[DatabaseObject]:
    mark, name = family.mark, literal(family.protection.table.name.name)
    yield _on_mark(
        family,
        "mark",
        f"old.{mark} is null and new.{mark} is not null",
        [*_correct(family, STAMP), *family.follow(), SETTLE],
        f"stamps the mark of {name}, and marks what refers to it",
    )
    # A dead row keeps the stamp that it died with: its children carry the same.
    yield _on_mark(
        family,
        "marked",
        f"old.{mark} is not null and new.{mark} is not null and old.{mark} is not new.{mark}",
        _correct(family, f"old.{mark}"),
        f"keeps the mark of a deleted row of {name}",
    )
    # The row itself is looked at when all that comes back with it is there: its parent may be among them.
    revived = [REVIVE, *steps, REVIVED] if (steps := family.revive()) else []
    if revived := revived + family.under_dead_parents():
        yield _on_mark(
            family,
            "revive",
            f"old.{mark} is not null and new.{mark} is null",
            [*revived, SETTLE],
            f"revives what was deleted together with a row of {name}",
        )


def _mark_within_undo(family: Family) -> Iterator[DatabaseObject]:
    mark, name = family.mark, literal(family.protection.table.name.name)
    what = f"of {name} within an undo, for children that have no journal"
    yield _on_mark(
        family,
        "undo_mark",
        f"old.{mark} is null and new.{mark} is not null",
        [*family.follow(), SETTLE],
        f"follows a mark {what}",
    )
    yield _on_mark(
        family,
        "undo_revive",
        f"old.{mark} is not null and new.{mark} is null",
        [*family.revive(), SETTLE],
        f"follows a restored row {what}",
    )


def _on_mark(family: Family, what: str, when: str, steps: list[str], purpose: str) -> DatabaseObject:
    return trigger(
        f"holdfast_{what}_{family.protection.relation.id}",
        family.protection.table.name,
        f"after update of {family.mark}",
        [BEGIN, *steps],
        when=f"{when}\n    and {NOT_KEEPING} and {UNDOING if family.undoing else NOT_UNDOING}",
        policy="SoftDelete",
        purpose=purpose,
    )


def _correct(family: Family, value: str) -> list[str]:
    here = row_is(family.protection.table, "new")
    return [KEEP, f"update {family.table}\nset {family.mark} = {value}\nwhere {here};", KEPT]


def _replace(protection: Protection) -> list[DatabaseObject]:
    """INSERT OR REPLACE deletes past every DELETE trigger, unless the connection has set recursive_triggers."""
    table = protection.table
    recorder = Recorder(protection, protection.get(Audit) or Audit())
    refused = refusal(
        "HF201",
        f"This would replace a row of {table.name.name}, whose rows are not deleted but marked.",
        f"Use INSERT … ON CONFLICT DO UPDATE. {_HARD_DELETE}",
    )
    conditions = {
        "insert": recorder.replaced(moved=True),
        "update": f"case when {recorder.key_differs()} then {recorder.replaced(moved=True)} "
        f"else {recorder.replaced(moved=False)} end",
    }
    return [
        trigger(
            f"holdfast_refuse_replace_{event}_{protection.relation.id}",
            table.name,
            f"after {event}",
            [
                f"select {refused}\nfrom holdfast_replaced as r, holdfast_statement as s\n"
                f"where r.relation = {protection.relation.id} and abs(r.statement) = s.number\n    and {condition};"
            ],
            when=f"{is_watched(protection)}\n    and not {allowed('hard_delete')}",
            policy="SoftDelete",
            purpose=f"refuses an {event} that replaces a row of {literal(table.name.name)}",
        )
        for event, condition in conditions.items()
    ]
