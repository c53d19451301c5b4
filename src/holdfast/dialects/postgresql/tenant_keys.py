"""Keys that carry the tenant: a reference cannot cross over to another one, and a duplicate says nothing of others."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from holdfast.dialects.postgresql.sql import qualified, quote
from holdfast.dialects.postgresql.tenant_bare import drop_key
from holdfast.dialects.postgresql.tenant_original import OWN_INDEX, kept
from holdfast.errors import DeclarationError
from holdfast.objects import DatabaseObject, Kind, Protection, Protections
from holdfast.policies import Audit, Guard, SoftDelete, Tenant
from holdfast.tables import ForeignKey, UniqueKey

_REACHING_OUT = (Audit, SoftDelete, Guard)


def unique_keys(policy: Tenant, protection: Protection, protections: Protections) -> Iterator[DatabaseObject]:
    """A unique key of the users' holds within each tenant: its columns with the tenant in front.

    The primary key stays as it is: its values are given by the database, or cannot be guessed.
    """
    table = protection.table
    referred = {_bare(key.target_columns, _tenant_of(key, protections)) for key in table.referenced_by}
    for key in table.uniques:
        if key.primary or policy.is_global(key.name, _bare(key.columns, policy.column)) or _is_made(key):
            continue
        if policy.column in key.columns and not key.ours:
            continue
        bare = tuple(name for name in key.columns if name != policy.column)
        if key.partial or bare in referred:
            why = "is partial or over an expression" if key.partial else "is what a foreign key refers to"
            columns = ", ".join((policy.column, *(bare or ("…",))))
            raise DeclarationError(
                "HF116",
                f"The unique key {key.name} of {table.name} holds over all tenants, and {why}, so it was left as it is: "
                "by its duplicates a tenant can tell what others have.",
                f"Make it anew over ({columns}), or accept it: Tenant(…, global_keys=[{key.name!r}]).",
            )
        yield _unique_key(policy, protection, key, bare)


def _unique_key(policy: Tenant, protection: Protection, key: UniqueKey, bare: Sequence[str]) -> DatabaseObject:
    table, name = protection.table.name, quote(key.name)
    columns = _listed((policy.column, *bare))
    kind: Kind = "unique key" if key.constraint else "index"
    keep = kept("keep", protection, kind, key.name, table)
    drop = (drop_key(kind, key.name, table, str(protection.relation.id)),)
    if key.constraint:
        deferrable = " deferrable" if key.deferrable else ""
        return DatabaseObject(
            kind,
            key.name,
            table,
            "Tenant",
            (
                keep,
                f"alter table {qualified(table)}\n    drop constraint if exists {name},\n"
                f"    add constraint {name} unique ({columns}){deferrable}",
            ),
            drop,
        )
    index = f"{quote(table.schema)}.{name}"
    return DatabaseObject(
        kind,
        key.name,
        table,
        "Tenant",
        (
            keep,
            f"drop index if exists {index}",
            f"create unique index {name} on {qualified(table)} ({columns})",
        ),
        drop,
    )


def tenant_index(policy: Tenant, protection: Protection, protections: Protections) -> Iterator[DatabaseObject]:
    """What the foreign keys of the tenant's other tables refer to, and what finds a tenant's rows."""
    table = protection.table
    wanted = [_bare(table.key, policy.column)] if table.key else []
    for key in table.referenced_by:
        child = protections.get(key.table)
        bare = _bare(key.target_columns, policy.column)
        if child is not None and child.get(Tenant) is not None and bare not in wanted:
            wanted.append(bare)
    for number, columns in enumerate(wanted):
        with_tenant = (policy.column, *columns)
        if any(
            with_tenant in (each.columns, _within(policy, each)) and not each.partial and not _is_made(each)
            for each in table.uniques
        ):
            continue
        name = _former_index(protection, with_tenant) or (
            f"{OWN_INDEX}{protection.relation.id}" + (f"_{number + 1}" if number else "")
        )
        index = f"{quote(table.name.schema)}.{quote(name)}"
        over = f"{quote(name)} on {qualified(table.name)} ({_listed(with_tenant)})"
        drop = f"drop index if exists {index}"
        online = (f"drop index concurrently if exists {index}", f"create unique index concurrently {over}")
        yield DatabaseObject(
            "index",
            name,
            table.name,
            "Tenant",
            (drop, f"create unique index {over}"),
            (drop,),
            # Of a partitioned table no index can be made so.
            online=() if table.kind == "partitioned" else online,
            columns=with_tenant,
        )


def _former_index(protection: Protection, columns: tuple[str, ...]) -> str | None:
    """What was made by the number of a former history stays as it is: foreign keys need it."""
    numbered = re.compile(rf"{OWN_INDEX}{protection.relation.id}(_\d+)?")
    return next(
        (
            each.name
            for each in protection.table.uniques
            if _is_made(each) and each.columns == columns and not numbered.fullmatch(each.name)
        ),
        None,
    )


def foreign_keys(policy: Tenant, protection: Protection, protections: Protections) -> Iterator[DatabaseObject]:
    """A reference to a table that has tenants too goes to a row of the same tenant, and no further when it cascades."""
    for key in protection.table.foreign_keys:
        tenant = _tenant_of(key, protections)
        if tenant is None or (policy.column in key.columns and not key.ours):
            continue
        if not key.is_plain:
            raise _cannot_carry(policy, key, tenant)
        columns = (policy.column, *_bare(key.columns, policy.column))
        target = (tenant, *_bare(key.target_columns, tenant))
        yield _foreign_key(protection, key, columns, target)


def _cannot_carry(policy: Tenant, key: ForeignKey, tenant: str) -> DeclarationError:
    """HF119: a key that cannot be made anew for the whole table, with the tenant in front."""
    if key.period:
        what = f"references {key.target} for a PERIOD"
    elif key.partition is not None:
        what = f"references {key.target} from its partition {key.partition} alone"
    else:
        what = f"references the partition {key.target_partition} of {key.target} alone"
    period = "PERIOD " if key.period else ""
    columns, target = (
        f"({_listed((first, *names[:-1]))}, {period}{quote(names[-1])})"
        if len(names) > 1
        else f"({_listed((first, *names))})"
        for first, names in ((policy.column, key.columns), (tenant, key.target_columns))
    )
    return DeclarationError(
        "HF119",
        f"{key.table} {what} ({key.name}), and only a key between whole tables, by equal values, is made anew with the "
        "tenant in front: by this one a row could refer to another tenant's.",
        f"Put the tenant into it: FOREIGN KEY {columns} REFERENCES … {target}"
        f"{'' if key.period else '; or declare it between the whole tables'}.",
    )


def check_distributed(policy: Tenant, protection: Protection, protections: Protections) -> None:
    """HF119 where a table that is spread over several servers could not have its keys, or its other policies."""
    table = protection.table
    for each in protection.policies:
        if isinstance(each, _REACHING_OUT):
            raise DeclarationError(
                "HF119",
                f"{type(each).__name__} of {table.name} works by triggers that read and write other tables, which a "
                "distributed table cannot do from where its rows are.",
                "Take it away from this table. Timestamps and Version look at the row alone: they work there with "
                "citus.enable_unsafe_triggers = on.",
            )
    if table.key and policy.column not in table.key:
        raise DeclarationError(
            "HF119",
            f"The key of {table.name} is ({', '.join(table.key)}), and on a distributed table a key must hold the tenant.",
            f"Make it ({', '.join((policy.column, *table.key))}).",
        )
    check_letting_go(protection, protections)


def check_letting_go(protection: Protection, protections: Protections) -> None:
    """HF119 where a delete would take the tenant away from the rows that refer: before 15, and on distributed tables."""
    for key in protection.table.foreign_keys:
        if key.on_delete in ("SET NULL", "SET DEFAULT") and _tenant_of(key, protections) is not None:
            raise DeclarationError(
                "HF119",
                f"{key.name} of {protection.table.name} says ON DELETE {key.on_delete}, which this database can only do "
                "to all columns of the key, the tenant's too.",
                "Make it NO ACTION or CASCADE; or, where the tables are not distributed, upgrade to PostgreSQL 15.",
            )


def _foreign_key(
    protection: Protection, key: ForeignKey, columns: Sequence[str], target: Sequence[str]
) -> DatabaseObject:
    table, name = protection.table.name, quote(key.name)
    # The tenant stays: only what refers is let go.
    let_go = key.let_go or columns[1:]
    action = key.on_delete.lower() + (f" ({_listed(let_go)})" if key.on_delete in ("SET NULL", "SET DEFAULT") else "")
    clauses = [f"on update {key.on_update.lower()}", f"on delete {action}"]
    if key.deferral:
        clauses.append(key.deferral.lower())
    # Of a partitioned table PostgreSQL adds none that is still to be validated.
    later = protection.table.kind != "partitioned"
    if later:
        clauses.append("not valid")
    return DatabaseObject(
        "foreign key",
        key.name,
        table,
        "Tenant",
        (
            kept("keep", protection, "foreign key", key.name, table),
            f"alter table {qualified(table)}\n    drop constraint if exists {name},\n"
            f"    add constraint {name} foreign key ({_listed(columns)})\n"
            f"        references {qualified(key.target)} ({_listed(target)})\n"
            f"        {' '.join(clauses)}",
            f"comment on constraint {name} on {qualified(table)} is 'holdfast: to be validated'",
        ),
        (drop_key("foreign key", key.name, table, str(protection.relation.id)),),
        finish=(f"alter table {qualified(table)} validate constraint {name}",) if later else (),
    )


def _tenant_of(key: ForeignKey, protections: Protections) -> str | None:
    """The column of the key's target that says whose row it is, if the target has tenants."""
    target = protections.get(key.target)
    policy = target.get(Tenant) if target is not None else None
    return policy.column if policy is not None else None


def _bare(columns: Iterable[str], tenant: str | None) -> tuple[str, ...]:
    return tuple(name for name in columns if name != tenant)


def _within(policy: Tenant, key: UniqueKey) -> tuple[str, ...]:
    """The columns of a unique key once it holds within each tenant."""
    if key.primary or policy.column in key.columns or policy.is_global(key.name, key.columns):
        return key.columns
    return (policy.column, *key.columns)


def _is_made(key: UniqueKey) -> bool:
    """Whether the index is one that ``tenant_index`` made."""
    return key.name.startswith(OWN_INDEX)


def _listed(columns: Iterable[str]) -> str:
    return ", ".join(map(quote, columns))
