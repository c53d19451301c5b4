"""Soft delete: a row leaves by being marked, its children follow, and come back with exactly their parent.

The mark is the time of the statement that deleted the row. So whatever one statement took, children included,
carries one and the same mark, and a restore of the parent finds exactly those again.
"""

from __future__ import annotations

from holdfast.dialects.checking import check_family
from holdfast.dialects.postgresql.guard import guard_truncate
from holdfast.dialects.postgresql.live_view import live_view
from holdfast.dialects.postgresql.soft_delete_convert import converting
from holdfast.dialects.postgresql.soft_delete_family import following, living_parents, locking
from holdfast.dialects.postgresql.soft_delete_refuse import refusing
from holdfast.dialects.postgresql.sql import function, quote, trigger
from holdfast.dialects.postgresql.stamp import UNDOING
from holdfast.errors import DeclarationError
from holdfast.objects import DatabaseObject, Protection, Protections
from holdfast.policies import Guard, RawDelete, SoftDelete


def check_soft_delete(policy: SoftDelete, protection: Protection, protections: Protections, default: RawDelete) -> None:
    """Refuses what would leave a key dangling, or children alive under a dead parent."""
    table = protection.table
    mark = table.column(policy.column)
    if mark is not None and (mark.base_type != "timestamptz" or not mark.nullable):
        raise DeclarationError(
            "HF105",
            f"{table.name}.{policy.column} is {mark.type}{'' if mark.nullable else ' NOT NULL'}; "
            "the mark is the time of the delete, and NULL while the row lives.",
            "Use a nullable column of type timestamptz.",
        )
    check_family(policy, protection, protections, default)


def soft_deleting(
    policy: SoftDelete, protection: Protection, protections: Protections, owner: str | None, default: RawDelete
) -> tuple[DatabaseObject, ...]:
    check_soft_delete(policy, protection, protections, default)
    objects = [*_stamping(policy, protection)]
    mode = policy.raw_delete or default
    if mode == "convert":
        objects += converting(policy, protection)
    elif mode == "refuse":
        objects += refusing(policy, protection)
    if protection.followers:
        objects += locking(policy, protection)
        objects += following(policy, protection, protections)
        objects += living_parents(policy, protection, protections)
    objects += live_view(policy, protection)
    guard = protection.get(Guard)
    if mode != "allow" and not (guard and guard.truncate):
        objects += guard_truncate(protection, owner, "SoftDelete")
    return tuple(objects)


def _stamping(policy: SoftDelete, protection: Protection) -> list[DatabaseObject]:
    """The mark is the database's, whatever a writer gives: it is set once, and does not move."""
    table = protection.table
    column = quote(policy.column)
    name = f"soft_delete_mark_{protection.relation.id}"
    body = f"""\
begin
    if {UNDOING} then
        return new;
    end if;
    if old.{column} is null then
        -- Several statements may be one delete, and have said so.
        if new.{column}::pg_catalog.text is distinct from pg_catalog.current_setting('holdfast.mark', true) then
            new.{column} := pg_catalog.statement_timestamp();
        end if;
    else
        -- A dead row keeps the mark that it died with: its children carry the same.
        new.{column} := old.{column};
    end if;
    return new;
end"""
    return [
        function(
            name, body, policy="SoftDelete", purpose=f"Stamps the mark of {table.name}.", owner=None, definer=False
        ),
        # What our own statements write is right already, and costs no call.
        trigger(
            "zz_holdfast_soft_delete_mark", table.name, name, "before update", "row",
            when=f"new.{column} is not null and old.{column} is distinct from new.{column} "
            f"and (old.{column} is not null or new.{column} < statement_timestamp() "
            f"or new.{column} > statement_timestamp() + interval '1 second')",
            policy="SoftDelete",
        ),
    ]  # fmt: skip
