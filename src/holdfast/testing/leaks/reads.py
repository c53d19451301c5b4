"""What is read beside the policies, or without a tenant."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import Table
from sqlalchemy.exc import DBAPIError

from holdfast.testing.leaks.probe import DoesNotApplyError, Leaked, Probe
from holdfast.testing.leaks.stage import Stage

_PROTECT = "Declare Tenant for it, and run: holdfast protect"


def _tenants_in(stage: Stage, name: str, column: str) -> set[str]:
    return {str(row[0]) for row in stage.rows(f"select distinct {column} from {name}")}


def _check(stage: Stage, name: str, column: str, tenant: Any, said: str) -> None:
    try:
        found = _tenants_in(stage, name, column)
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == "42501":
            return
        raise
    others = found - {str(tenant)}
    if others:
        raise Leaked(f"{said}: rows of {', '.join(sorted(others))} are read.", _PROTECT)


def owner_is_filtered(stage: Stage, table: Table) -> None:
    name, column = stage.name(table), stage.tenant(table)
    [(owner, is_super, forced)] = stage.rows(
        "select pg_get_userbyid(c.relowner), r.rolsuper, c.relrowsecurity and c.relforcerowsecurity "
        f"from pg_class as c join pg_roles as r on r.oid = c.relowner where c.oid = '{name}'::regclass"
    )
    if not forced:
        raise Leaked(f"Row security of {name} is not forced.", f"alter table {name} force row level security;")
    if is_super:
        raise DoesNotApplyError(f"{name} belongs to the superuser {owner}; give it an owner: holdfast roles --create.")
    with stage.playing(owner):
        _check(stage, name, column, None, f"{owner} owns {name}")


def error_tells_nothing(stage: Stage, table: Table) -> None:
    column = stage.tenant(table)
    guess = f"select from {stage.name(table)} where 1 / (case when {column}::text = '{stage.b}' then 0 else 1 end) = 1"
    stage.row_of(table, stage.b)
    with stage.application(stage.a):
        if stage.refused(guess) == "22012":
            raise Leaked(f"An error tells of another tenant's row in {table.fullname}.", _PROTECT)


def children_are_filtered(stage: Stage, table: Table) -> None:
    children = stage.rows(
        "with recursive c (oid) as ("
        f"select inhrelid from pg_inherits where inhparent = '{stage.name(table)}'::regclass "
        "union select i.inhrelid from pg_inherits as i join c on c.oid = i.inhparent) select oid::regclass::text from c"
    )
    if not children:
        raise DoesNotApplyError(f"{table.fullname} has no partitions and no children.")
    for (child,) in children:
        with stage.undone():
            # Whoever may not read it today may tomorrow.
            stage.connection.exec_driver_sql(f"grant select on {child} to {_role(stage)}")
            with stage.application(stage.a):
                _check(stage, child, stage.tenant(table), stage.a, f"{child} is a part of {table.fullname}")


def without_a_tenant_there_are_no_rows(stage: Stage, table: Table) -> None:
    for setting in ("", "set local holdfast.tenant = ''", "reset holdfast.tenant"):
        with stage.application():
            if setting:
                stage.connection.exec_driver_sql(setting)
            _check(stage, stage.name(table), stage.tenant(table), None, f"Without a tenant, in {table.fullname}")


def own_rows_only(stage: Stage, table: Table) -> None:
    for tenant in (stage.a, stage.b):
        stage.row_of(table, tenant)
        with stage.application(tenant):
            _check(stage, stage.name(table), stage.tenant(table), tenant, f"For {tenant}, in {table.fullname}")
            if not _tenants_in(stage, stage.name(table), stage.tenant(table)):
                raise DoesNotApplyError(f"The application may not read {table.fullname}, or sees no row of its own.")


def plans_are_of_nobody(stage: Stage, table: Table) -> None:
    """One statement, prepared with a plan for everybody, run for one tenant and then for the other."""
    if stage.subject.signing_key is not None:
        raise DoesNotApplyError(
            "Contexts are signed; what keeps a tenant in a plan is found by leak-32-immutable-getter."
        )
    column = stage.tenant(table)
    run = stage.connection.exec_driver_sql
    with stage.application(stage.a):
        run("set local plan_cache_mode = force_generic_plan")
        run(f"prepare holdfast_leak as select distinct {column} from {stage.name(table)}")
        stage.rows("execute holdfast_leak")
        stage.connection.execute(sa.text("select set_config('holdfast.tenant', :b, true)"), {"b": str(stage.b)})
        found = {str(row[0]) for row in stage.rows("execute holdfast_leak")}
        run("deallocate holdfast_leak")
    if found - {str(stage.b)}:
        raise Leaked(f"A prepared statement on {table.fullname} keeps its first tenant.", _PROTECT)


def row_security_cannot_be_left(stage: Stage, table: Table) -> None:
    with stage.application(stage.a):
        stage.connection.exec_driver_sql("set local row_security = off")
        if stage.refused(f"select from {stage.name(table)}") is None:
            raise Leaked(f"With row_security = off all of {table.fullname} is read.", _PROTECT)


def _role(stage: Stage) -> str:
    return stage.connection.dialect.identifier_preparer.quote(stage.subject.role)


def _probe(number: int, name: str, why: str, run: Any) -> Probe:
    return Probe(number, name, why, run)


PROBES = (
    _probe(1, "owner", "The owner of a table reads past row security that is not forced.", owner_is_filtered),
    _probe(5, "error", "A condition that fails tells of a row that is not shown.", error_tells_nothing),
    _probe(8, "partition", "A partition or a child is read by itself.", children_are_filtered),
    _probe(23, "no-tenant", "A session without a tenant reads all.", without_a_tenant_there_are_no_rows),
    _probe(27, "raw-sql", "SQL that knows nothing of tenants reads all.", own_rows_only),
    _probe(32, "prepared-plan", "A plan that is kept has the first tenant in it.", plans_are_of_nobody),
    _probe(40, "row-security-off", "A role switches row security off.", row_security_cannot_be_left),
)
