"""Soft delete: a row leaves by being marked, its children follow, and come back with exactly their parent."""

from __future__ import annotations

from holdfast.dialects.sqlite.family import Family
from holdfast.dialects.sqlite.live_view import live_view
from holdfast.dialects.sqlite.recording import Recorder
from holdfast.dialects.sqlite.replace import is_watched, watching
from holdfast.dialects.sqlite.sql import all_of, literal, quote, refusal, row_is, trigger
from holdfast.dialects.sqlite.statement import (
    BEGIN,
    KEEP,
    KEPT,
    NOT_KEEPING,
    NOT_REVIVING,
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
from holdfast.policies import Audit, RawDelete, SoftDelete, find
from holdfast.tables import ForeignKey, TableName

_HARD_DELETE = (
    "For a real delete say so first in the same transaction: "
    "INSERT INTO holdfast_context (allow) VALUES ('hard_delete'), and DELETE FROM holdfast_context before the commit."
)


def mark_of(table: TableName, protections: Protections) -> str | None:
    """The column that marks deleted rows of the table, where it has one."""
    protection = protections.get(table)
    policy = find(protection.policies, SoftDelete) if protection else None
    return policy.column if policy else None


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
    for key in table.foreign_keys:
        parent = protections.get(key.target)
        parent_policy = find(parent.policies, SoftDelete) if parent else None
        hard = parent_policy is None or (parent_policy.raw_delete or default) == "allow"
        if key.on_delete == "CASCADE" and hard and (policy.raw_delete or default) == "convert":
            raise DeclarationError(
                "HF106",
                f"{table.name} references {key.target} with ON DELETE CASCADE ({key.name}): a real delete of the "
                f"parent would leave marked rows of {table.name} that point at nothing.",
                f"Declare SoftDelete for {key.target} too, or SoftDelete(raw_delete='allow') for {table.name}.",
            )
    for key in protection.followers:
        if key.on_delete == "CASCADE" and mark_of(key.table, protections) is None:
            raise DeclarationError(
                "HF107",
                f"{key.table} references {table.name} with ON DELETE CASCADE ({key.name}) and has no mark of its own: "
                "its rows could not follow their parent and come back with it.",
                f"Declare SoftDelete for {key.table} too.",
            )
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
    objects = [*_mark(policy, protection, protections)]
    if mode != "allow":
        objects += [_delete(policy, protection, mode), *watching(protection), *_replace(protection)]
    for number, key in enumerate(protection.followers, start=1):
        objects += _living_parent(policy, protection, protections, key, number)
    return (*live_view(policy, protection), *objects)


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


def _mark(policy: SoftDelete, protection: Protection, protections: Protections) -> list[DatabaseObject]:
    table = protection.table
    relation = protection.relation.id
    name, mark = literal(table.name.name), quote(policy.column)
    family = Family(protection, policy, protections)

    def on_mark(what: str, when: str, steps: list[str], purpose: str, undoing: str = NOT_UNDOING) -> DatabaseObject:
        return trigger(
            f"holdfast_{what}_{relation}",
            table.name,
            f"after update of {mark}",
            [BEGIN, *steps],
            when=f"{when}\n    and {NOT_KEEPING} and {undoing}",
            policy="SoftDelete",
            purpose=purpose,
        )

    def correct(value: str) -> list[str]:
        return [KEEP, f"update {quote(table.name.name)}\nset {mark} = {value}\nwhere {row_is(table, 'new')};", KEPT]

    objects = [
        on_mark(
            "mark",
            f"old.{mark} is null and new.{mark} is not null",
            [*correct(STAMP), *family.follow(), SETTLE],
            f"stamps the mark of {name}, and marks what refers to it",
        ),
        # A dead row keeps the stamp that it died with: its children carry the same.
        on_mark(
            "marked",
            f"old.{mark} is not null and new.{mark} is not null and old.{mark} is not new.{mark}",
            correct(f"old.{mark}"),
            f"keeps the mark of a deleted row of {name}",
        ),
    ]
    # The row itself is looked at when all that comes back with it is there: its parent may be among them.
    revived = [REVIVE, *family.revive(), REVIVED] if family.revive() else []
    if revived := revived + _under_dead_parents(policy, protection, protections):
        objects.append(
            on_mark(
                "revive",
                f"old.{mark} is not null and new.{mark} is null",
                [*revived, SETTLE],
                f"revives what was deleted together with a row of {name}",
            )
        )
    undoing = Family(protection, policy, protections, undoing=True)
    if undoing.keys:
        what = f"of {name} within an undo, for children that have no journal"
        objects += [
            on_mark(
                "undo_mark",
                f"old.{mark} is null and new.{mark} is not null",
                [*undoing.follow(), SETTLE],
                f"follows a mark {what}",
                undoing=UNDOING,
            ),
            on_mark(
                "undo_revive",
                f"old.{mark} is not null and new.{mark} is null",
                [*undoing.revive(), SETTLE],
                f"follows a restored row {what}",
                undoing=UNDOING,
            ),
        ]
    return objects


def _under_dead_parents(policy: SoftDelete, protection: Protection, protections: Protections) -> list[str]:
    """Steps: a row does not come back under a dead parent, unless that is coming back just now as well."""
    steps = []
    for key in protection.table.foreign_keys:
        parent_mark = mark_of(key.target, protections)
        if parent_mark is None:
            continue
        match = all_of(
            f"p.{quote(target)} = new.{quote(column)}"
            for column, target in zip(key.columns, key.target_columns, strict=True)
        )
        steps.append(
            f"select {_dead_parent(key)}\nfrom {quote(key.target.name)} as p\n"
            f"where {match} and p.{quote(parent_mark)} is not null\n"
            f"    and (p.{quote(parent_mark)} is not old.{quote(policy.column)} or {NOT_REVIVING});"
        )
    return steps


def _dead_parent(key: ForeignKey) -> str:
    return refusal(
        "HF201",
        f"A row of {key.table.name} cannot refer to a deleted row of {key.target.name}.",
        f"Restore the row of {key.target.name} first, or refer to a living one.",
    )


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


def _living_parent(
    policy: SoftDelete, protection: Protection, protections: Protections, key: ForeignKey, number: int
) -> list[DatabaseObject]:
    """No living child may point at a dead parent, whoever writes the child."""
    child_mark = mark_of(key.table, protections)
    living = [f"new.{quote(name)} is not null" for name in key.columns]
    if child_mark is not None:
        # What is revived is looked at by the child's own trigger.
        living.append(f"new.{quote(child_mark)} is null")
    match = all_of(
        f"p.{quote(target)} = new.{quote(column)}"
        for column, target in zip(key.columns, key.target_columns, strict=True)
    )
    columns = ", ".join(quote(name) for name in key.columns)
    return [
        trigger(
            f"holdfast_living_{event}_{protection.relation.id}_{number}",
            key.table,
            f"after {event}" + (f" of {columns}" if event == "update" else ""),
            [
                f"select {_dead_parent(key)}\nfrom {quote(key.target.name)} as p\nwhere {match} and p.{quote(policy.column)} is not null;"
            ],
            when=all_of([*living, NOT_UNDOING]),
            policy="SoftDelete",
            purpose=f"refuses a living row of {literal(key.table.name)} under a deleted one of {literal(key.target.name)}",
        )
        for event in ("insert", "update")
    ]
