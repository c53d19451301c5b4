"""Connections: what holds the tenant, and how long. By the application's own engine, and without any rows."""

from __future__ import annotations

import threading
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from holdfast.context import context
from holdfast.errors import HoldfastError, TenantError
from holdfast.sqlalchemy.present_tenant import present_tenant
from holdfast.testing.leaks.probe import DoesNotApplyError, Leaked, Probe
from holdfast.testing.leaks.stage import Stage

_BIND = "holdfast.sqlalchemy.bind(engine), once, after create_engine"
_PRESENT = sa.text("select nullif(current_setting('holdfast.tenant', true), '')")


def _present(connection: Connection) -> str | None:
    found: str | None = connection.scalar(_PRESENT)
    return found


def pool_forgets(stage: Stage, _: Any) -> None:
    engine = stage.subject.application
    for end in ("commit", "rollback"):
        with context(tenant=stage.b), engine.connect() as connection:
            if _present(connection) != str(stage.b):
                raise Leaked("A transaction of the engine has not the tenant of its context.", _BIND)
            getattr(connection, end)()
        with engine.connect() as connection:
            if _present(connection) is not None:
                raise Leaked(f"After a {end} the pooled connection is still of tenant {stage.b}.", _BIND)


def rollback_brings_nothing_back(stage: Stage, _: Any) -> None:
    """What a session setting does: the tenant that a rollback gives back is the one before."""
    with stage.subject.application.connect() as connection:
        with context(tenant=stage.b):
            _present(connection)
        connection.rollback()
        with context(tenant=stage.a):
            _present(connection)
        connection.rollback()
        if _present(connection) is not None:
            raise Leaked("A rollback gave the connection a former tenant back.", _BIND)


def autocommit_is_refused(stage: Stage, _: Any) -> None:
    engine = stage.subject.application.execution_options(isolation_level="AUTOCOMMIT")
    try:
        with context(tenant=stage.a), engine.connect() as connection:
            found = _present(connection)
    except HoldfastError:
        return
    if found != str(stage.a):
        raise Leaked("Under AUTOCOMMIT the tenant is lost, and nobody is told.", _BIND)


def transaction_keeps_its_tenant(stage: Stage, _: Any) -> None:
    with stage.application(stage.a):
        for query in stage.dialect.bind_context({"tenant": str(stage.b)}):
            try:
                with stage.connection.begin_nested():
                    stage.connection.execute(sa.text(query.sql), query.parameters)
            except DBAPIError:
                return
    raise Leaked("A transaction went from one tenant over to another.", "holdfast protect --all")


def no_tenant_is_forged(stage: Stage, _: Any) -> None:
    if stage.subject.signing_key is None:
        raise DoesNotApplyError(
            "Contexts are not signed: whoever can run SQL of its own is any tenant. holdfast sign on"
        )
    for table in stage.tables:
        stage.row_of(table, stage.b)
        with stage.application(stage.a):
            stage.connection.execute(sa.text("select set_config('holdfast.tenant', :b, true)"), {"b": str(stage.b)})
            read = sa.text(f"select count(*) from {stage.name(table)} where {stage.tenant(table)}::text = :b")
            try:
                seen = stage.connection.scalar(read, {"b": str(stage.b)})
            except DBAPIError:
                continue
            if seen:
                raise Leaked(f"A forged tenant reads {table.fullname}.", "holdfast sign on")


def threads_keep_apart(stage: Stage, _: Any) -> None:
    engine, both = stage.subject.application, threading.Barrier(2)
    found: dict[Any, str | None] = {}

    def work(tenant: Any) -> None:
        with context(tenant=tenant):
            both.wait(30)
            # One after the other: a pool may have but one connection.
            with engine.connect() as connection:
                found[tenant] = _present(connection)

    threads = [threading.Thread(target=work, args=(each,)) for each in (stage.a, stage.b)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    if found != {each: str(each) for each in (stage.a, stage.b)}:
        raise Leaked(f"Two threads at one time have the tenants {found}.", _BIND)


def nobody_is_no_tenant(stage: Stage, _: Any) -> None:
    nobody: tuple[Any, ...] = ("", [], False)
    for tenant in nobody:
        try:
            with context(tenant=tenant):
                pass
        except HoldfastError:
            continue
        raise Leaked(f"{tenant!r} passes for a tenant.", "pip install --upgrade holdfast")


def job_without_a_tenant_is_told(stage: Stage, _: Any) -> None:
    """A thread begins without the context of whoever started it."""
    found: list[Any] = []

    def work() -> None:
        try:
            found.append(present_tenant())
        except TenantError:
            found.append(None)

    with context(tenant=stage.a):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    if found != [None]:
        raise Leaked("A job has a tenant that nobody gave it.", "pip install --upgrade holdfast")


_TRIED = (
    (26, "no-name", "An empty tenant passes for no filter.", nobody_is_no_tenant),
    (27, "pooled-connection", "A pooled connection keeps its tenant.", pool_forgets),
    (28, "autocommit", "Under AUTOCOMMIT a tenant is lost silently.", autocommit_is_refused),
    (29, "rollback", "A rollback brings a former tenant back.", rollback_brings_nothing_back),
    (30, "switched", "A transaction goes over to another tenant.", transaction_keeps_its_tenant),
    (34, "forged-tenant", "Injected SQL sets the tenant.", no_tenant_is_forged),
    (43, "background-job", "A job without a tenant sees all.", job_without_a_tenant_is_told),
    (47, "threads", "Two threads swap their tenants.", threads_keep_apart),
)
PROBES = tuple(Probe(number, name, why, run, each_table=False) for number, name, why, run in _TRIED)
