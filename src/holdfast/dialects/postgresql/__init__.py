"""PostgreSQL 14 to 18."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from holdfast.dialects.base import Dialect
from holdfast.dialects.catalog import Catalog
from holdfast.dialects.features import Features
from holdfast.dialects.journal_columns import columns_of
from holdfast.dialects.postgresql import binding, interventions, journal
from holdfast.dialects.postgresql.audit import recording
from holdfast.dialects.postgresql.catalog import CATALOG
from holdfast.dialects.postgresql.columns import PostgreSQLColumns
from holdfast.dialects.postgresql.doctor import PostgreSQLDoctor
from holdfast.dialects.postgresql.erasure import PostgreSQLErasure
from holdfast.dialects.postgresql.errors import translate
from holdfast.dialects.postgresql.evidence import PostgreSQLEvidence, purge
from holdfast.dialects.postgresql.feed import PostgreSQLFeed
from holdfast.dialects.postgresql.granting import PostgreSQLGranting
from holdfast.dialects.postgresql.guard import guarding
from holdfast.dialects.postgresql.holds import PostgreSQLHolds
from holdfast.dialects.postgresql.isolation import Isolation
from holdfast.dialects.postgresql.live_view import mark_live_view
from holdfast.dialects.postgresql.log import PostgreSQLLog
from holdfast.dialects.postgresql.marking import PostgreSQLMarking
from holdfast.dialects.postgresql.migrating import PostgreSQLMigrating
from holdfast.dialects.postgresql.past import PostgreSQLPast, past_function
from holdfast.dialects.postgresql.permission_roles import PostgreSQLPermitting
from holdfast.dialects.postgresql.permit import permitting
from holdfast.dialects.postgresql.purging import PostgreSQLPurging
from holdfast.dialects.postgresql.recall import PostgreSQLRecall
from holdfast.dialects.postgresql.replication import PostgreSQLReplication
from holdfast.dialects.postgresql.retention import PostgreSQLRetention
from holdfast.dialects.postgresql.revising import PostgreSQLRevising
from holdfast.dialects.postgresql.signing import PostgreSQLSigning
from holdfast.dialects.postgresql.soft_delete import soft_deleting
from holdfast.dialects.postgresql.sql import literal, lock, mark, qualified, quote, revoke_reading
from holdfast.dialects.postgresql.stamp import stamping
from holdfast.dialects.postgresql.tenancy import PostgreSQLTenancy
from holdfast.dialects.postgresql.tenant import keeping_apart
from holdfast.dialects.postgresql.tenant_journal import drop_policy
from holdfast.dialects.postgresql.tenant_life import PostgreSQLTenantLife
from holdfast.dialects.postgresql.tenant_original import drop_tenant_object
from holdfast.dialects.postgresql.tracing import PostgreSQLTracing
from holdfast.dialects.postgresql.undo import PostgreSQLUndo
from holdfast.dialects.query import Query
from holdfast.errors import HoldfastError
from holdfast.journal import Relation
from holdfast.objects import DatabaseObject, InstalledObject, Protection, Protections
from holdfast.policies import Audit, Guard, Permit, SoftDelete, Tenant, Timestamps, Version, to_json
from holdfast.roles import Roles
from holdfast.tables import TableName


class PostgreSQL(Dialect):
    """SQL for PostgreSQL. ``owner`` is the role that owns the journal, where there is one of its own."""

    name = "postgresql"
    title = "PostgreSQL"
    features = Features(
        minimum_version=(14,),
        statement_triggers=True,
        truncate=True,
        raw_delete="convert",
        groups_foreign_transactions=True,
        journal_owner=True,
        sees_disabled_triggers=True,
        guard_counts_statement=True,
        stamps_before_write=True,
        live_view=(15,),
        hides_rows=True,
        refuses_reads=True,
        row_value_ranges=True,
        estimates_rows=True,
        keeps_digests=True,
        wakes_consumers=True,
        signs_context=True,
        reasons={
            "raw_delete": "a converted DELETE reports 0 rows and returns none: the row was not deleted",
            "live_view": "before 15 a view reads with the rights of its owner, past grants and row security: there it is refused",
        },
    )

    snapshot_level = "REPEATABLE READ"
    one_writer = False
    takes_arrays = True
    refuses_second_update = True

    def __init__(self, owner: str | None = None, *, batching: bool = True, isolation: Isolation | None = None) -> None:
        self.owner = owner
        self.batching = batching
        self.isolation = isolation or Isolation()

    # ------------------------------------------------------------------ what is there

    def read_only(self) -> str:
        return "set transaction read only"

    @property
    def catalog(self) -> Catalog:
        return CATALOG

    # ------------------------------------------------------------------ what is to be there

    def with_owner(self, owner: str | None) -> PostgreSQL:
        return PostgreSQL(owner, batching=self.batching, isolation=self.isolation)

    def with_roles(self, roles: Roles, state: Mapping[str, Any]) -> PostgreSQL:
        keys, signed, distributed = (bool(state.get(name)) for name in ("keys", "signed", "distributed"))
        return self.with_isolation(Isolation(roles, signed, distributed, keys, state.get("version", 150000) >= 150000))

    def with_isolation(self, isolation: Isolation) -> PostgreSQL:
        return PostgreSQL(self.owner, batching=self.batching, isolation=isolation)

    def one_at_a_time(self) -> PostgreSQL:
        return PostgreSQL(self.owner, batching=False, isolation=self.isolation)

    def journal_columns(self) -> Mapping[str, frozenset[str]]:
        return columns_of(journal.TABLES)

    def install_journal(self, version: str, roles_apart: bool) -> tuple[str, ...]:
        return journal.install(version, roles_apart, self.isolation)

    def journal_objects(self) -> tuple[DatabaseObject, ...]:
        return journal.objects(self.owner, self.isolation)

    def remove_journal(self) -> tuple[str, ...]:
        return journal.remove()

    def mark(self, each: DatabaseObject, version: str) -> tuple[str, ...]:
        if each.kind == "view" and each.table is not None:
            return (mark_live_view(each, version),)
        return (mark(each, version),)

    def drop_installed(self, each: InstalledObject) -> tuple[str, ...]:
        if each.table is not None and each.kind == "view":
            return (f"drop view if exists {qualified(TableName(each.table.schema, each.name))}",)
        if each.table is not None and each.kind == "policy" and not each.per_table:
            return drop_policy(each.table.name, each.name)
        if each.table is not None and each.kind != "trigger":
            return drop_tenant_object(each)
        if each.table is not None:
            drop = f"drop trigger if exists {quote(each.name)} on {qualified(each.table)}"
            reading = self.owner is not None and each.name == "holdfast_record_truncate"
            return (drop, revoke_reading(each.table, self.owner)) if self.owner is not None and reading else (drop,)
        return (f"drop function if exists holdfast.{quote(each.name)}()",)

    def register(self, protection: Protection) -> tuple[str, ...]:
        relation, table = protection.relation, protection.table
        key = "array[" + ", ".join(literal(name) for name in table.key) + "]::text[]"
        added = "array[" + ", ".join(literal(name) for name in protection.added) + "]::text[]"
        policies = literal(_json(to_json(protection.policies)))
        values = ", ".join(f"({relation.column_id(c.name)}, {literal(c.name)})" for c in table.columns)
        return (
            "insert into holdfast.relation\n"
            "    (id, oid, journal_oid, system, schema_name, table_name, key_columns, policies, added_columns, protected)\n"
            f"values ({relation.id}, {literal(qualified(table.name))}::regclass, 'holdfast.relation'::regclass,\n"
            f"    (select system_identifier from pg_control_system()), {literal(table.name.schema)}, "
            f"{literal(table.name.name)}, {key}, {policies}, {added}, true)\n"
            "on conflict (id) do update set oid = excluded.oid, journal_oid = excluded.journal_oid,\n"
            "    system = excluded.system, schema_name = excluded.schema_name,\n"
            "    table_name = excluded.table_name, key_columns = excluded.key_columns,\n"
            "    policies = excluded.policies, added_columns = excluded.added_columns, protected = true",
            *PostgreSQLGranting().on_schema(table.name.schema, self.isolation.roles),
            *PostgreSQLGranting().on_table(table.name, self.isolation.roles),
            f"update holdfast.relation_column set dropped = true where relation = {relation.id}",
            # Position and type as they are here: a migration runs on tables that went other ways to the same columns.
            "insert into holdfast.relation_column (relation, id, name, position, type, dropped)\n"
            f"select {relation.id}, c.id, c.name, a.attnum, format_type(a.atttypid, a.atttypmod), false\n"
            f"from (values {values}) as c (id, name)\n"
            f"join pg_attribute as a on a.attrelid = {literal(qualified(table.name))}::regclass and a.attname = c.name\n"
            "    and a.attnum > 0 and not a.attisdropped\n"
            "on conflict (relation, id) do update set name = excluded.name, position = excluded.position,\n"
            "    type = excluded.type, dropped = false",
        )

    def unregister(self, relation: Relation) -> tuple[str, ...]:
        return (f"update holdfast.relation set protected = false, since = null where id = {relation.id}",)

    def hand_over(self, former: int, later: int) -> tuple[str, ...]:
        return (f"update holdfast.original set relation = {later} where relation = {former}",)

    def start_history(self, relation: Relation) -> tuple[str, ...]:
        return (f"update holdfast.relation set since = clock_timestamp() where id = {relation.id} and since is null",)

    def forget(self, relation: Relation) -> tuple[str, ...]:
        return (
            *purge(relation.id),
            f"delete from holdfast.change where relation = {relation.id}",
            f"delete from holdfast.relation where id = {relation.id}",
        )

    @property
    def columns(self) -> PostgreSQLColumns:
        return PostgreSQLColumns()

    def lock_settings(self, milliseconds: int) -> tuple[str, ...]:
        return (f"set local lock_timeout = {milliseconds}",)

    def lock_tables(self, tables: Sequence[TableName], *, exclusive: bool, milliseconds: int) -> tuple[str, ...]:
        mode = "access exclusive" if exclusive else "share row exclusive"
        return (lock(tables, mode, milliseconds),) if tables else ()

    def batch(self, statements: Sequence[str]) -> tuple[str, ...]:
        return (";\n".join(statements),) if statements and self.batching else tuple(statements)

    def try_install_lock(self) -> str:
        return "select pg_try_advisory_lock(hashtextextended('holdfast.install', 0))"

    def audit(self, policy: Audit, protection: Protection) -> tuple[DatabaseObject, ...]:
        # While no role has a duty, the tenant's policies are for everybody, the journal's role too.
        reads_all = protection.get(Tenant) is None or bool(self.isolation.roles.scoped)
        return (*recording(policy, protection, self.owner, reads_all=reads_all), past_function(protection, self.owner))

    def soft_delete(
        self, policy: SoftDelete, protection: Protection, protections: Protections
    ) -> tuple[DatabaseObject, ...]:
        return soft_deleting(policy, protection, protections, self.owner, self.features.raw_delete)

    def timestamps(self, policy: Timestamps, protection: Protection) -> tuple[DatabaseObject, ...]:
        return stamping(protection, "Timestamps")

    def version(self, policy: Version, protection: Protection) -> tuple[DatabaseObject, ...]:
        return stamping(protection, "Timestamps" if protection.get(Timestamps) else "Version")

    def tenant(self, policy: Tenant, protection: Protection, protections: Protections) -> tuple[DatabaseObject, ...]:
        return keeping_apart(policy, protection, protections, self.isolation)

    def permit(self, policy: Permit, protection: Protection) -> tuple[DatabaseObject, ...]:
        return permitting(policy, protection, self.isolation, self.owner)

    def guard(self, policy: Guard, protection: Protection) -> tuple[DatabaseObject, ...]:
        return guarding(policy, protection, self.owner)

    # ------------------------------------------------------------------ context, reading, undoing

    def bind_context(self, context: Mapping[str, Any]) -> tuple[Query, ...]:
        return binding.bind_context(context)

    def rebind_context(self, context: Mapping[str, Any]) -> tuple[Query, ...]:
        return binding.rebind_context(context)

    def unbind_context(self) -> tuple[Query, ...]:
        return ()

    def announced(self) -> Query:
        return Query("select current_setting('holdfast.allow', true)", {})

    def announce(self, words: str | None) -> tuple[Query, ...]:
        return (Query("select set_config('holdfast.allow', :words, true)", {"words": words or ""}),)

    def work_across_tenants(self, reason: str, actor: str | None) -> tuple[Query, ...]:
        return (Query("select holdfast.all_tenants(:reason)", {"reason": reason}),)

    def row_security(self, table: str) -> Query:
        return Query("select row_security_active(:table)", {"table": table})

    @property
    def log(self) -> PostgreSQLLog:
        return PostgreSQLLog()

    @property
    def marking(self) -> PostgreSQLMarking:
        return PostgreSQLMarking()

    @property
    def undo(self) -> PostgreSQLUndo:
        return PostgreSQLUndo()

    def estimate_rows(self, select: str) -> str:
        return f"explain (format json) {select}"

    @property
    def past(self) -> PostgreSQLPast:
        return PostgreSQLPast()

    @property
    def recall(self) -> PostgreSQLRecall:
        return PostgreSQLRecall()

    @property
    def erasure(self) -> PostgreSQLErasure:
        return PostgreSQLErasure()

    @property
    def feed(self) -> PostgreSQLFeed:
        return PostgreSQLFeed()

    @property
    def retention(self) -> PostgreSQLRetention:
        return PostgreSQLRetention()

    @property
    def holds(self) -> PostgreSQLHolds:
        return PostgreSQLHolds()

    @property
    def purging(self) -> PostgreSQLPurging:
        return PostgreSQLPurging()

    @property
    def permitting(self) -> PostgreSQLPermitting:
        return PostgreSQLPermitting()

    @property
    def tenancy(self) -> PostgreSQLTenancy:
        return PostgreSQLTenancy()

    @property
    def tenant_life(self) -> PostgreSQLTenantLife:
        return PostgreSQLTenantLife()

    @property
    def signing(self) -> PostgreSQLSigning:
        return PostgreSQLSigning(self)

    @property
    def replication(self) -> PostgreSQLReplication:
        return PostgreSQLReplication()

    @property
    def granting(self) -> PostgreSQLGranting:
        return PostgreSQLGranting()

    @property
    def doctor(self) -> PostgreSQLDoctor:
        return PostgreSQLDoctor()

    def record_intervention(
        self, kind: str, actor: str | None, reason: str | None, details: Mapping[str, Any]
    ) -> Query:
        return interventions.record(kind, actor, reason, details)

    @property
    def migrating(self) -> PostgreSQLMigrating:
        return PostgreSQLMigrating()

    @property
    def tracing(self) -> PostgreSQLTracing:
        return PostgreSQLTracing()

    @property
    def revising(self) -> PostgreSQLRevising:
        return PostgreSQLRevising()

    @property
    def evidence(self) -> PostgreSQLEvidence:
        return PostgreSQLEvidence()

    def lacks_journal(self, error: BaseException) -> bool:
        # No such schema, no such function.
        return getattr(error, "sqlstate", None) in ("3F000", "42883")

    def gone_meanwhile(self, error: BaseException) -> bool:
        # Names are looked up, and definitions spelt, in the catalog of now, whatever the transaction sees otherwise;
        # of a function that is no longer there the server says "cache lookup failed", which is an internal error.
        return getattr(error, "sqlstate", None) in ("42P01", "3F000", "XX000")

    def error(self, error: BaseException) -> HoldfastError | None:
        return translate(error)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
