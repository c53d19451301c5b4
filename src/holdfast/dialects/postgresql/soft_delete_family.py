"""Parents and children under soft delete: they go together, come back together, and never contradict each other."""

from __future__ import annotations

from holdfast.dialects.postgresql.renamed import is_named
from holdfast.dialects.postgresql.sql import function, indent, literal, qualified, quote, trigger
from holdfast.dialects.postgresql.stamp import UNDOING
from holdfast.objects import DatabaseObject, Protection, Protections
from holdfast.policies import Audit, SoftDelete, find
from holdfast.tables import ForeignKey, TableInfo


def owners_function(name: str, body: str, purpose: str, table: TableInfo) -> DatabaseObject:
    """Runs with the rights of the table's owner, as the database's own foreign-key actions do: who may delete a row need
    not have the right to update it, nor its children.
    """
    return function(name, body, policy="SoftDelete", purpose=purpose, owner=None, owner_of=table.name, definer=True)


def invokers_function(name: str, body: str, purpose: str) -> DatabaseObject:
    """Runs with the rights of whoever writes."""
    return function(name, body, policy="SoftDelete", purpose=purpose, owner=None, definer=False)


def locking(policy: SoftDelete, protection: Protection) -> list[DatabaseObject]:
    """A delete and a child that is being written wait for each other, whichever comes first.

    A child that is being written holds a key-share lock on its parent. FOR UPDATE waits for it, so that what
    follows sees the child, and keeps later ones out until the mark is committed. A snapshot that was taken
    before does not see such a child even then; a transaction that has one must be repeated.
    """
    table = protection.table
    column = quote(policy.column)
    name = f"soft_delete_lock_{protection.relation.id}"
    body = f"""\
declare
    v_xid bigint;
begin
    if {is_named(table)} then
        perform from {qualified(table.name)} as t where t.tableoid = tg_relid and t.ctid = old.ctid for update;
    end if;
    if not found then
        execute format('select from only %s as t where t.ctid = $1 for update', tg_relid::regclass) using old.ctid;
    end if;
    if current_setting('transaction_isolation') in ('read committed', 'read uncommitted') then
        return new;
    end if;
    v_xid := pg_snapshot_xmin(pg_current_snapshot())::text::bigint;
    begin
        loop
            if pg_xact_status(v_xid::text::xid8) = 'committed'
                and not pg_visible_in_snapshot(v_xid::text::xid8, pg_current_snapshot()) then
                raise exception using errcode = 'serialization_failure',
                    message = {literal(f"could not serialize access: rows that refer to {table.name} may have come since this transaction began")},
                    hint = 'Repeat the transaction, or delete under READ COMMITTED.';
            end if;
            v_xid := v_xid + 1;
        end loop;
    exception
        -- The first number that is not given out yet.
        when invalid_parameter_value then
            return new;
    end;
end"""
    return [
        owners_function(name, body, f"Keeps new children away from a row of {table.name} that is being deleted.", table),
        trigger(
            "zz_holdfast_soft_delete_lock", table.name, name, "before update", "row",
            when=f"old.{column} is null and new.{column} is not null", policy="SoftDelete",
        ),
    ]  # fmt: skip


def _match(key: ForeignKey, row: str) -> str:
    return " and ".join(
        f"c.{quote(column)} = {row}.{quote(target)}"
        for column, target in zip(key.columns, key.target_columns, strict=True)
    )


def _delete(policy: SoftDelete, protection: Protection, key: ForeignKey, child: Protection | None) -> str:
    """What the foreign key's own ON DELETE asks for, for children that live."""
    child_policy = find(child.policies, SoftDelete) if child else None
    alive = f" and c.{quote(child_policy.column)} is null" if child_policy else ""
    children = f"{qualified(key.table)} as c", f"where {_match(key, 'new')}{alive}"
    if key.on_delete == "CASCADE":
        assert child is not None
        assert child_policy is not None
        statement = (
            f"update {children[0]} set {quote(child_policy.column)} = new.{quote(policy.column)}\n{children[1]};"
        )
        if child.followers:
            # Locked in full from the start: a lock that is raised later can meet another's in a deadlock.
            statement = f"perform from {children[0]} {children[1]} for update;\n{statement}"
    elif key.on_delete in ("SET NULL", "SET DEFAULT"):
        value = "null" if key.on_delete == "SET NULL" else "default"
        assignments = ", ".join(f"{quote(each)} = {value}" for each in key.let_go or key.columns)
        statement = f"update {children[0]} set {assignments}\n{children[1]};"
    else:
        return _restrict(protection.table, key, *children)
    if child is None or child.get(Audit) is None:
        return statement
    # An undo marks by itself what it has a record of; what came since would be left alive.
    restrict = _restrict(protection.table, key, *children)
    return f"if v_undoing then\n{indent(restrict, '    ')}\nelse\n{indent(statement, '    ')}\nend if;"


def _restrict(table: TableInfo, key: ForeignKey, children: str, where: str) -> str:
    message = f"A row of {table.name} cannot be deleted while rows of {key.table} refer to it ({key.name})."
    return (
        f"if exists (select from {children} {where}) then\n"
        f"    raise exception using errcode = 'HF201', constraint = {literal(key.name)},\n"
        f"        message = {literal(message)},\n"
        f"        hint = {literal(f'Delete the rows of {key.table} first.')};\nend if;"
    )


def _restore(policy: SoftDelete, key: ForeignKey, child: Protection) -> str:
    child_policy = find(child.policies, SoftDelete)
    assert child_policy is not None
    mark = quote(child_policy.column)
    statement = (
        "-- Those that this very delete took, and no others.\n"
        f"update {qualified(key.table)} as c set {mark} = null\n"
        f"where {_match(key, 'new')} and c.{mark} = old.{quote(policy.column)};"
    )
    if child.get(Audit) is None:
        return statement
    return f"if not v_undoing then\n{indent(statement, '    ')}\nend if;"


def following(policy: SoftDelete, protection: Protection, protections: Protections) -> list[DatabaseObject]:
    """The database's own foreign-key actions never fire for a row that stays, so these do."""
    table = protection.table
    column = quote(policy.column)
    deletes = [_delete(policy, protection, key, protections.get(key.table)) for key in protection.followers]
    restores = [
        _restore(policy, key, protections[key.table]) for key in protection.followers if key.on_delete == "CASCADE"
    ]
    name = f"soft_delete_follow_{protection.relation.id}"
    body = (
        f"declare\n    v_undoing boolean := coalesce({UNDOING}, false);\nbegin\n"
        f"    if old.{column} is null then\n{indent(chr(10).join(deletes), ' ' * 8)}\n"
        + (f"    elsif new.{column} is null then\n{indent(chr(10).join(restores), ' ' * 8)}\n" if restores else "")
        + "    end if;\n    return null;\nend"
    )
    return [
        owners_function(name, body, f"Marks and revives what refers to {table.name}.", table),
        trigger(
            "holdfast_soft_delete_follow", table.name, name, "after update", "row",
            when=f"old.{column} is distinct from new.{column}", policy="SoftDelete",
        ),
    ]  # fmt: skip


def living_parents(policy: SoftDelete, protection: Protection, protections: Protections) -> list[DatabaseObject]:
    """No living child may point at a dead parent, whoever writes the child."""
    objects = []
    for number, key in enumerate(protection.followers, start=1):
        objects += _living_parent(policy, protection, protections, key, number)
    return objects


def _living_parent(
    policy: SoftDelete, protection: Protection, protections: Protections, key: ForeignKey, number: int
) -> list[DatabaseObject]:
    table = protection.table
    child = protections.get(key.table)
    child_policy = find(child.policies, SoftDelete) if child else None
    name = f"soft_delete_parent_{protection.relation.id}_{number}"
    refers = " and ".join(f"new.{quote(each)} is not null" for each in key.columns)
    changes = " or ".join(f"old.{quote(each)} is distinct from new.{quote(each)}" for each in key.columns)
    if child_policy is not None:
        mark = quote(child_policy.column)
        refers += f" and new.{mark} is null"
        changes += f" or old.{mark} is not null"
    match = " and ".join(
        f"p.{quote(target)} = new.{quote(each)}" for each, target in zip(key.columns, key.target_columns, strict=True)
    )
    body = f"""\
declare
    v_deleted_at timestamptz;
begin
    -- The same lock as the foreign key's own check takes: a delete of the parent waits for us, or we for it.
    select p.{quote(policy.column)} into v_deleted_at from {qualified(table.name)} as p where {match} for key share;
    if v_deleted_at is not null then
        raise exception using errcode = 'HF201', constraint = {literal(key.name)},
            message = {literal(f"A row of {key.table} cannot refer to a deleted row of {table.name} ({key.name}).")},
            hint = {literal(f"Restore the row of {table.name} first, or refer to a living one.")};
    end if;
    return null;
end"""
    # By its name it runs after the trigger that revives the others: in a circle each is the parent of another.
    base = f"holdfast_soft_delete_parent_{protection.relation.id}_{number}"
    return [
        owners_function(name, body, f"Refuses a living row of {key.table} under a deleted row of {table.name}.", table),
        # AFTER, so that one statement may bring back a parent and its children together.
        trigger(f"{base}_insert", key.table, name, "after insert", "row", when=refers, policy="SoftDelete"),
        trigger(
            f"{base}_update", key.table, name, "after update", "row",
            when=f"{refers} and ({changes})", policy="SoftDelete",
        ),
    ]  # fmt: skip
