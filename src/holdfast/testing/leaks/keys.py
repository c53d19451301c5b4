"""Keys: what refers to another tenant's row, and what a duplicate tells of it."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, Table
from sqlalchemy.dialects.postgresql import insert

from holdfast.policies import Tenant
from holdfast.sqlalchemy.tables import policy_of
from holdfast.testing.leaks.filling import unique_keys, values
from holdfast.testing.leaks.probe import DoesNotApplyError, Leaked, Probe
from holdfast.testing.leaks.stage import Stage
from holdfast.testing.leaks.subject import of_tenant, tenant_column

_KEYS = "Run: holdfast protect; or, where all tenants are to see it, Tenant(…, global_keys=[…])"
_REFERENCES = "Run: holdfast protect"


def _bare_keys(stage: Stage, table: Table) -> list[tuple[Column[Any], ...]]:
    """The unique keys by which a row of ``a`` could be a duplicate of one of ``b``."""
    policy = policy_of(table, Tenant)
    assert policy is not None
    there = stage.rows(
        "select array_agg(a.attname::text order by a.attname) from pg_index as i "
        "join pg_class as c on c.oid = i.indexrelid "
        "join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = any (i.indkey) "
        f"where i.indrelid = '{stage.name(table)}'::regclass and c.relname = any (:tenant) group by c.oid",
        list(policy.global_keys),
    )
    declared = {frozenset(row[0]) for row in there}
    found = []
    for columns in unique_keys(table):
        own = tuple(each for each in columns if each is not tenant_column(table))
        said = policy.is_global(None, [each.name for each in own]) or {each.name for each in columns} in declared
        if own and not any(each.foreign_keys for each in own) and not said:
            found.append(own)
    return found


def _duplicate(stage: Stage, table: Table, columns: tuple[Column[Any], ...]) -> dict[str, Any]:
    """A row of ``a`` with what ``b`` has in a unique key."""
    theirs, mine = stage.row_of(table, stage.b), stage.row_of(table, stage.a)
    if any(theirs[each.key] is None for each in columns):
        raise DoesNotApplyError(f"No row of tenant {stage.b} in {table.fullname} has a value in its unique key.")
    given = values(table, stage.a)
    given |= {each.key: mine[each.key] for each in table.columns if each.foreign_keys and not each.unique}
    return given | {each.key: theirs[each.key] for each in columns}


def _each_key(stage: Stage, table: Table) -> list[tuple[Column[Any], ...]]:
    found = _bare_keys(stage, table)
    if not found:
        raise DoesNotApplyError(f"{table.fullname} has no unique key of its own values beside those declared global.")
    return found


def duplicate_tells_nothing(stage: Stage, table: Table) -> None:
    for columns in _each_key(stage, table):
        given = _duplicate(stage, table, columns)
        with stage.application(stage.a):
            if stage.refused(sa.insert(table).values(given)) == "23505":
                said = ", ".join(each.name for each in columns)
                raise Leaked(f"A duplicate in {table.fullname} ({said}) tells what another tenant has.", _KEYS)


def on_conflict_tells_nothing(stage: Stage, table: Table) -> None:
    for columns in _each_key(stage, table):
        given = _duplicate(stage, table, columns)
        with stage.application(stage.a):
            quietly = insert(table).values(given).on_conflict_do_nothing().returning(sa.literal(1))
            if stage.connection.execute(quietly).first() is None:
                raise Leaked(f"ON CONFLICT DO NOTHING in {table.fullname} tells what another tenant has.", _KEYS)


def _references(table: Table) -> list[sa.ForeignKeyConstraint]:
    found = [each for each in table.foreign_key_constraints if policy_of(each.referred_table, Tenant) is not None]
    if not found:
        raise DoesNotApplyError(f"{table.fullname} refers to no table that has tenants.")
    return sorted(found, key=lambda each: ",".join(each.column_keys))


def _cross(stage: Stage, table: Table, key: sa.ForeignKeyConstraint, tenant: Any) -> sa.Update:
    """Lets the tenant's rows refer to a row of the other one."""
    other = stage.b if tenant == stage.a else stage.a
    target = stage.row_of(key.referred_table, other)
    columns = [(each.parent, each.column) for each in key.elements if each.parent is not tenant_column(table)]
    given = {mine.key: target[theirs.key] for mine, theirs in columns}
    return sa.update(table).values(given).where(of_tenant(table, tenant))


def reference_stays_within(stage: Stage, table: Table) -> None:
    stage.row_of(table, stage.a)
    for key in _references(table):
        crossing = _cross(stage, table, key, stage.a)
        with stage.application(stage.a):
            if stage.refused(crossing) is None:
                said = f"A row of {table.fullname} refers to another tenant's row in {key.referred_table.fullname}."
                raise Leaked(said, _REFERENCES)


def cascade_stays_within(stage: Stage, table: Table) -> None:
    """Whoever writes the reference, a superuser too: what a cascade does asks nobody."""
    stage.row_of(table, stage.b)
    for key in _references(table):
        if stage.refused(_cross(stage, table, key, stage.b)) is None:
            said = (
                f"A delete in {key.referred_table.fullname} can go over to another tenant's rows in {table.fullname}."
            )
            raise Leaked(said, _REFERENCES)


PROBES = (
    Probe(13, "duplicate", "A duplicate tells what another tenant has.", duplicate_tells_nothing),
    Probe(14, "on-conflict", "ON CONFLICT that does nothing tells the same.", on_conflict_tells_nothing),
    Probe(16, "cross-tenant-foreign-key", "A row refers to another tenant's row.", reference_stays_within),
    Probe(17, "cascade", "A cascade deletes another tenant's rows.", cascade_stays_within),
)
