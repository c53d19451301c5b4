"""Guards: a statement that touches more rows than expected, and a TRUNCATE, are refused unless announced."""

from __future__ import annotations

from holdfast.dialects.postgresql.sql import function, literal, trigger
from holdfast.objects import DatabaseObject, Protection
from holdfast.policies import Guard

MEANT = "If it is meant, say so first in the same transaction: SET LOCAL holdfast.allow = "


def guarding(policy: Guard, protection: Protection, owner: str | None) -> tuple[DatabaseObject, ...]:
    objects: list[DatabaseObject] = []
    if policy.max_rows is not None:
        objects += _guard_rows(policy.max_rows, protection, owner)
    if not policy.truncate:
        objects += guard_truncate(protection, owner, "Guard")
    return tuple(objects)


def _guard_rows(max_rows: int, protection: Protection, owner: str | None) -> list[DatabaseObject]:
    table = protection.table
    # The triggers of a partitioned table do not see what is aimed at a leaf, so each leaf has its own.
    targets = (table.name, *table.partitions)
    objects: list[DatabaseObject] = []
    for event in ("update", "delete"):
        name = f"guard_{event}_{protection.relation.id}"
        complaint = literal(f"{event.upper()} of {table.name} would touch ")
        body = f"""\
declare
    v_rows bigint;
begin
    -- For almost every statement there is no such row, and nothing to count.
    perform from old_rows offset {max_rows};
    if found then
        select count(*) into v_rows from old_rows;
        perform holdfast.refuse_unless_allowed(
            'mass', v_rows, 'HF204',
            concat({complaint}, v_rows, ' rows; up to {max_rows} are expected.'),
            concat({literal(MEANT + "'")}, v_rows, '''')
        );
    end if;
    return null;
end"""
        purpose = f"Refuses an {event} of more than {max_rows} rows of {table.name}."
        objects.append(function(name, body, policy="Guard", purpose=purpose, owner=owner, definer=True))
        for target in targets:
            objects.append(
                trigger(
                    f"holdfast_guard_{event}",
                    target,
                    name,
                    f"after {event}",
                    "statement",
                    "referencing old table as old_rows",
                    policy="Guard",
                )
            )
    return objects


def guard_truncate(protection: Protection, owner: str | None, policy: str) -> list[DatabaseObject]:
    table = protection.table
    name = f"guard_truncate_{protection.relation.id}"
    message = f"TRUNCATE of {table.name} would remove every row."
    body = f"""\
begin
    perform holdfast.refuse_unless_allowed(
        'truncate', 'infinity', 'HF205',
        {literal(message)},
        {literal(MEANT + "'truncate'")}
    );
    return null;
end"""
    objects: list[DatabaseObject] = [
        function(name, body, policy=policy, purpose=f"Refuses a TRUNCATE of {table.name}.", owner=owner, definer=True)
    ]
    for target in (table.name, *table.partitions):
        objects.append(trigger("holdfast_guard_truncate", target, name, "before truncate", "statement", policy=policy))
    return objects
