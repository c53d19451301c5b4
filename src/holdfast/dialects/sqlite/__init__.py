"""SQLite 3.37 and newer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from holdfast.dialects.base import Dialect
from holdfast.dialects.catalog import Catalog
from holdfast.dialects.features import Features
from holdfast.dialects.journal_columns import columns_of
from holdfast.dialects.query import Query
from holdfast.dialects.sqlite import binding, digests, interventions, journal
from holdfast.dialects.sqlite.audit import recording
from holdfast.dialects.sqlite.catalog import CATALOG, PRESENT_NAME
from holdfast.dialects.sqlite.columns import SQLiteColumns
from holdfast.dialects.sqlite.erasure import SQLiteErasure
from holdfast.dialects.sqlite.errors import translate
from holdfast.dialects.sqlite.evidence import SQLiteEvidence
from holdfast.dialects.sqlite.feed import SQLiteFeed
from holdfast.dialects.sqlite.guard import guarding
from holdfast.dialects.sqlite.holds import SQLiteHolds
from holdfast.dialects.sqlite.log import SQLiteLog
from holdfast.dialects.sqlite.marking import SQLiteMarking
from holdfast.dialects.sqlite.migrating import SQLiteMigrating
from holdfast.dialects.sqlite.past import SQLitePast
from holdfast.dialects.sqlite.permissions import SQLitePermitting
from holdfast.dialects.sqlite.permit import permitting
from holdfast.dialects.sqlite.purging import SQLitePurging
from holdfast.dialects.sqlite.recall import SQLiteRecall
from holdfast.dialects.sqlite.retention import SQLiteRetention
from holdfast.dialects.sqlite.revising import SQLiteRevising
from holdfast.dialects.sqlite.soft_delete import soft_deleting
from holdfast.dialects.sqlite.sql import literal, quote
from holdfast.dialects.sqlite.stamp import stamping
from holdfast.dialects.sqlite.statement import NOW
from holdfast.dialects.sqlite.tenant import keeping_apart
from holdfast.dialects.sqlite.undo import SQLiteUndo
from holdfast.errors import DeclarationError, HoldfastError, UnsupportedError
from holdfast.journal import Relation
from holdfast.objects import DatabaseObject, InstalledObject, Protection, Protections
from holdfast.policies import Audit, Guard, Permit, SoftDelete, Tenant, Timestamps, Version, to_json


class SQLite(Dialect):
    """SQL for SQLite. The journal lies in the same file, so whoever may write the file may change it."""

    name = "sqlite"
    title = "SQLite"
    features = Features(
        minimum_version=(3, 37),
        statement_triggers=False,
        truncate=False,
        raw_delete="convert",
        groups_foreign_transactions=False,
        journal_owner=False,
        sees_disabled_triggers=False,
        guard_counts_statement=True,
        stamps_before_write=False,
        live_view=(3, 37),
        hides_rows=False,
        refuses_reads=False,
        row_value_ranges=False,
        estimates_rows=False,
        keeps_digests=True,
        wakes_consumers=False,
        signs_context=False,
        reasons={
            "truncate": "SQLite has no TRUNCATE; a DELETE without WHERE fires the row triggers like any other, "
            "so Guard(truncate=False) needs no trigger and Guard(max_rows=…) counts it",
            "raw_delete": "a converted DELETE reports 0 rows and returns none: the row was not deleted",
            "groups_foreign_transactions": "SQLite shows a trigger no transaction; without a context each statement is "
            "one. Where the schema has triggers or foreign-key actions of its own, statements of one millisecond are one",
            "journal_owner": "the journal is part of the file: whoever may write the file may change it",
            "sees_disabled_triggers": "triggers cannot be switched off in the file; "
            "a connection can (SQLITE_DBCONFIG_ENABLE_TRIGGER), and leaves no trace",
            "stamps_before_write": "a BEFORE trigger of SQLite cannot change the row, so it is corrected right after it was "
            "written; RETURNING shows what was written first",
            "guard_counts_statement": "rows are counted one by one, within a statement as told above",
            "hides_rows": "there is no row security: writes are checked by triggers, and reads by the ORM alone; "
            'that is accepted by declaration: Tenant(…, reads="application")',
            "refuses_reads": "a trigger knows nothing of a SELECT; the three writes are refused",
            "row_value_ranges": "the range ends before an INTEGER PRIMARY KEY, so a keyset page may take two statements",
            "signs_context": "whoever can write the file can write what would check the signature",
            "keeps_digests": "SQLite has no function for it that every writer's trigger could call: a changed value waits in the journal, as it is, until "
            "the next holdfast maintain or seal; those who read through holdfast see the digest at once",
            "wakes_consumers": "there is no server to send a message: a consumer looks every so often",
            "replace": "a row that INSERT OR REPLACE takes away is recorded, and refused under SoftDelete; but not one that "
            "was in the way by a partial or computed unique index alone, or by a default that took the place of NULL and is "
            "random or what a generated column follows from, unless the connection sets recursive_triggers",
            "temporary_triggers": "triggers in the file do not see the temporary ones of a client: where one writes, each row "
            "of the statement counts as a statement",
            "blob_writes": "incremental blob writes (sqlite3_blob_write, Connection.blobopen) fire no trigger",
            "trusted_schema": "SQLite older than 3.41 refuses every write to a table with a key of several columns while "
            "trusted_schema is off",
        },
    )

    functions = MappingProxyType({digests.FUNCTION: (2, digests.sha256_text)})
    snapshot_level = None
    one_writer = True
    takes_arrays = False
    refuses_second_update = False

    # ------------------------------------------------------------------ what is there

    def read_only(self) -> str:
        return "pragma query_only = on"

    def end_read_only(self) -> str | None:
        return "select 'pragma query_only = ' || query_only from pragma_query_only"

    def begin(self) -> str | None:
        return "begin"

    @property
    def catalog(self) -> Catalog:
        return CATALOG

    # ------------------------------------------------------------------ what is to be there

    def journal_columns(self) -> Mapping[str, frozenset[str]]:
        return columns_of(journal.TABLES)

    def install_journal(self, version: str, roles_apart: bool) -> tuple[str, ...]:
        return journal.install(version)

    def journal_objects(self) -> tuple[DatabaseObject, ...]:
        return journal.objects()

    def remove_journal(self) -> tuple[str, ...]:
        return journal.remove()

    def mark(self, each: DatabaseObject, version: str) -> tuple[str, ...]:
        return (
            "insert or replace into main.holdfast_object (name, version, source, definition)\n"
            f"select s.name, {literal(version)}, {literal(each.checksum)}, s.sql\n"
            f"from main.sqlite_schema as s where s.type = {literal(each.kind)} and s.name = {literal(each.name)}",
            # A renamed table takes its triggers along; the journal follows when they are made anew.
            "update main.holdfast_relation\nset name = p.name\n"
            f"from (select r.id, {PRESENT_NAME} as name from main.holdfast_relation as r) as p\n"
            "where p.id = holdfast_relation.id and holdfast_relation.protected and p.name <> holdfast_relation.name",
        )

    def drop_installed(self, each: InstalledObject) -> tuple[str, ...]:
        return (
            f"drop {each.kind} if exists main.{quote(each.name)}",
            f"delete from main.holdfast_object where name = {literal(each.name)}",
        )

    def register(self, protection: Protection) -> tuple[str, ...]:
        relation, table = protection.relation, protection.table
        documents = (list(table.key), to_json(protection.policies), list(protection.added))
        listed = ", ".join(literal(json.dumps(each, ensure_ascii=False)) for each in documents)
        values = ", ".join(f"({relation.column_id(c.name)}, {literal(c.name)})" for c in table.columns)
        audit = protection.get(Audit)
        # A journal of before had no use for them.
        waiting = (digests.INDEX, *journal.TIMELINE_ANEW) if audit is not None and audit.large else ()
        return (
            *waiting,
            "insert into main.holdfast_relation (id, name, key_columns, policies, added_columns, protected, since)\n"
            f"values ({relation.id}, {literal(table.name.name)}, {listed}, 1, {NOW})\n"
            "on conflict (id) do update set name = excluded.name, key_columns = excluded.key_columns,\n"
            "    policies = excluded.policies, added_columns = excluded.added_columns, protected = 1,\n"
            "    since = coalesce(since, excluded.since)",
            f"update main.holdfast_column set dropped = 1 where relation = {relation.id}",
            # Position and type as they are here: a migration runs on tables that went other ways to the same columns.
            f"with c (id, name) as (values {values})\n"
            "insert into main.holdfast_column (relation, id, name, position, type, dropped)\n"
            f"select {relation.id}, c.id, c.name, x.cid + 1, x.type, 0\n"
            f"from c join pragma_table_xinfo({literal(table.name.name)}, 'main') as x on x.name = c.name\n"
            "where true\n"
            "on conflict (relation, id) do update set name = excluded.name, position = excluded.position,\n"
            "    type = excluded.type, dropped = 0",
        )

    def unregister(self, relation: Relation) -> tuple[str, ...]:
        return (f"update main.holdfast_relation set protected = 0, since = null where id = {relation.id}",)

    def forget(self, relation: Relation) -> tuple[str, ...]:
        return journal.forget(relation.id)

    @property
    def columns(self) -> SQLiteColumns:
        return SQLiteColumns()

    def lock_settings(self, milliseconds: int) -> tuple[str, ...]:
        return (f"pragma busy_timeout = {milliseconds}",)

    def try_install_lock(self) -> str:
        """Always: each step is one write transaction, and SQLite lets one connection write at a time."""
        return "select 1"

    def check(self, protection: Protection, protections: Protections) -> None:
        """Refuses a declaration that cannot hold, with the line that mends it."""
        table = protection.table
        if table.kind in ("virtual", "temporary"):
            raise UnsupportedError(
                "HF413",
                f"{table.name} is a {table.kind} table, and SQLite keeps no triggers on it in the file.",
                "Protect the ordinary tables that its rows come from.",
            )
        super().check(protection, protections)
        if protection.get(SoftDelete) is not None and not table.key:
            raise DeclarationError(
                "HF101", f"{table.name} has no key, so a deleted row could not be named again.", "Add a primary key."
            )

    def audit(self, policy: Audit, protection: Protection) -> tuple[DatabaseObject, ...]:
        return recording(policy, protection)

    def soft_delete(
        self, policy: SoftDelete, protection: Protection, protections: Protections
    ) -> tuple[DatabaseObject, ...]:
        return soft_deleting(policy, protection, protections, self.features.raw_delete)

    def timestamps(self, policy: Timestamps, protection: Protection) -> tuple[DatabaseObject, ...]:
        return stamping(protection, "Timestamps")

    def version(self, policy: Version, protection: Protection) -> tuple[DatabaseObject, ...]:
        return stamping(protection, "Timestamps" if protection.get(Timestamps) else "Version")

    def tenant(self, policy: Tenant, protection: Protection, protections: Protections) -> tuple[DatabaseObject, ...]:
        return keeping_apart(policy, protection, protections)

    def permit(self, policy: Permit, protection: Protection) -> tuple[DatabaseObject, ...]:
        return permitting(policy, protection)

    def guard(self, policy: Guard, protection: Protection) -> tuple[DatabaseObject, ...]:
        return guarding(policy, protection)

    # ------------------------------------------------------------------ context, reading, undoing

    def bind_context(self, context: Mapping[str, Any]) -> tuple[Query, ...]:
        return binding.bind_context(context)

    def rebind_context(self, context: Mapping[str, Any]) -> tuple[Query, ...]:
        return (*binding.unbind_context(), *(binding.bind_context(context) if context else ()))

    def unbind_context(self) -> tuple[Query, ...]:
        return binding.unbind_context()

    def work_across_tenants(self, reason: str, actor: str | None) -> tuple[Query, ...]:
        return (*self.announce("all_tenants"), self.record_intervention("all_tenants", actor, reason, {}))

    def announced(self) -> Query:
        return binding.announced()

    def announce(self, words: str | None) -> tuple[Query, ...]:
        return binding.announce(words)

    def waiting(self) -> str:
        return digests.COUNT

    def digest_waiting(self, number: int | None = None) -> tuple[str, ...]:
        return digests.make_some(number)

    @property
    def log(self) -> SQLiteLog:
        return SQLiteLog()

    @property
    def marking(self) -> SQLiteMarking:
        return SQLiteMarking()

    @property
    def undo(self) -> SQLiteUndo:
        return SQLiteUndo()

    @property
    def past(self) -> SQLitePast:
        return SQLitePast()

    @property
    def recall(self) -> SQLiteRecall:
        return SQLiteRecall()

    @property
    def erasure(self) -> SQLiteErasure:
        return SQLiteErasure()

    @property
    def feed(self) -> SQLiteFeed:
        return SQLiteFeed()

    @property
    def retention(self) -> SQLiteRetention:
        return SQLiteRetention()

    @property
    def holds(self) -> SQLiteHolds:
        return SQLiteHolds()

    @property
    def permitting(self) -> SQLitePermitting:
        return SQLitePermitting()

    @property
    def purging(self) -> SQLitePurging:
        return SQLitePurging()

    def record_intervention(
        self, kind: str, actor: str | None, reason: str | None, details: Mapping[str, Any]
    ) -> Query:
        return interventions.record(kind, actor, reason, details)

    @property
    def migrating(self) -> SQLiteMigrating:
        return SQLiteMigrating()

    @property
    def revising(self) -> SQLiteRevising:
        return SQLiteRevising()

    @property
    def evidence(self) -> SQLiteEvidence:
        return SQLiteEvidence()

    def lacks_journal(self, error: BaseException) -> bool:
        # SQLITE_ERROR stands for all that is wrong with a statement; this one is right where its table is there.
        return getattr(error, "sqlite_errorcode", None) == 1

    def error(self, error: BaseException) -> HoldfastError | None:
        return translate(error)
