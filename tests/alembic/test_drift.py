"""Whatever of protection was changed by hand, ``alembic check`` says so; and it asks as a reader does."""

from __future__ import annotations

import warnings

import sqlalchemy as sa
from alembic.autogenerate import produce_migrations
from alembic.runtime.migration import MigrationContext

import holdfast.alembic
from holdfast import Audit, Guard, Permit, SoftDelete, Tenant, Timestamps, Version
from holdfast.sqlalchemy import UTCDateTime, bind, install, protect, unique_live


def everything() -> sa.MetaData:
    metadata = sa.MetaData()
    orders = sa.Table(
        "orders", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(9)),
        sa.Column("tenant_id", sa.BigInteger, nullable=False), sa.Column("deleted_at", UTCDateTime),
        sa.Column("created_at", UTCDateTime), sa.Column("updated_at", UTCDateTime),
        sa.Column("version", sa.Integer, nullable=False), unique_live("tenant_id", "name", name="live_names"),
        sa.CheckConstraint("name <> ''", name="named"),
    )  # fmt: skip
    protect(
        Audit(), SoftDelete(live_view=True), Timestamps(), Version(), Guard(max_rows=9), Tenant(),
        Permit(delete="order:delete"),
    )(orders)  # fmt: skip
    return metadata


BY_HAND = {
    "mend function record_insert_": (
        "do $$ begin execute (select replace(pg_get_functiondef(p.oid), 'return null', 'return  null')"
        " from pg_proc as p where starts_with(proname, 'record_insert_')); end $$"
    ),
    "switch on trigger zz_holdfast_soft_delete": "alter table orders disable trigger zz_holdfast_soft_delete",
    "create trigger holdfast_guard_update": "drop trigger holdfast_guard_update on orders",
    "mend policy holdfast_tenant": "alter policy holdfast_tenant on orders using (true)",
    "mend policy holdfast_permit_delete": "alter policy holdfast_permit_delete on orders using (true)",
    "create policy holdfast_tenant_only": "drop policy holdfast_tenant_only on orders",
    "switch on policy holdfast_tenant": "alter table orders disable row level security",
    "switch on policy holdfast_tenant_only": "alter table orders no force row level security",
    "live_names": "drop index live_names",
    "mend view orders_live": "alter view orders_live reset (security_invoker)",
    "replace function as_of": "grant execute on function holdfast.as_of(anyelement, timestamptz) to pg_monitor",
    "replace schema holdfast": "grant delete on holdfast.change to pg_monitor",
    "check named": "alter table orders drop constraint named",
}


def compared(connection: sa.Connection) -> str:
    metadata = everything()
    options = {"target_metadata": metadata, "holdfast_roles_apart": False, "compare_server_default": True}
    context = MigrationContext.configure(connection, opts=options)
    with warnings.catch_warnings():
        # The expression of a live index.
        warnings.filterwarnings("ignore", category=sa.exc.SAWarning)
        found = produce_migrations(context, metadata).upgrade_ops
    assert found is not None
    return str(found.as_diffs()) if found.ops else ""


LOCKS = "select distinct mode from pg_locks where pid = pg_backend_pid() and locktype <> 'virtualxid'"


def test_every_change_by_hand_is_seen_and_asking_takes_no_lock_that_anybody_feels(postgresql_database: str) -> None:
    holdfast.alembic.setup()
    engine = sa.create_engine(postgresql_database)
    bind(engine)
    everything().create_all(engine)
    install(engine, everything(), roles_apart=False)
    with engine.connect() as connection:
        assert compared(connection) == ""
        assert connection.exec_driver_sql(LOCKS).scalars().all() == ["AccessShareLock"]
        unseen = []
        for said, sql in BY_HAND.items():
            connection.rollback()
            connection.exec_driver_sql(sql, execution_options={"no_parameters": True})
            if said not in (found := compared(connection)):
                unseen.append((said, found))
    engine.dispose()
    assert unseen == []
