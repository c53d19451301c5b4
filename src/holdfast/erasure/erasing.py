"""One erasure, step by step, in one transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from holdfast.catalog_rows import document_of
from holdfast.database import Database, execute
from holdfast.declaration import protections_of
from holdfast.dialects.base import Dialect
from holdfast.dialects.erasure import RowKey, Span
from holdfast.erasure.choosing import Choice, Choosing
from holdfast.erasure.keys import EVER, Found, RowKeys, value_of
from holdfast.erasure.results import Erased, Erasing
from holdfast.errors import ErasureError
from holdfast.evidence import after_erasing, before_erasing, seal_lock
from holdfast.holds import refuse_held
from holdfast.inspector import inspect
from holdfast.inventory import Inventory
from holdfast.objects import Protection
from holdfast.stored import StoredRelation
from holdfast.timeline import moment, shown


def erase(
    database: Database,
    table: str,
    key: Any,
    *,
    reason: str,
    columns: Sequence[str] | None = None,
    replace: Mapping[str, Any] | None = None,
    history_only: bool = False,
    actor: str | None = None,
    dry_run: bool = False,
) -> Erased:
    """Takes the row's values out of the table and out of every change of it that the journal has, in one transaction.

    ``columns``: those to erase; else all but the key, foreign keys, what other rows refer to, and what a policy keeps.
    In the row they become NULL, or what ``replace`` gives; with ``history_only`` they stay there. The changes stay,
    without the values. A row that is gone already has its history erased. What was erased, by whom and why is recorded.
    A dry run does it and rolls back.

    HF421 where the row is under legal hold, HF425 where a column needs a replacement, HF427 where neither table nor
    journal has the row, HF428 where a trigger wrote a value back, HF429 for a column that cannot be erased.
    """
    with database.snapshot() as connection:
        dialect, inventory = inspect(connection, database.dialect)
        inventory.check_journal()
        stored = inventory.recorded(table)
    with database.connect() as connection, connection.begin() as transaction:
        for query in dialect.bind_context({"actor": actor, "reason": reason}):
            execute(connection, query)
        spelled = json.dumps(key, default=str, ensure_ascii=False)
        erased = erase_row(
            connection,
            dialect,
            inventory,
            stored,
            spelled,
            reason=reason,
            columns=columns,
            replace=replace,
            history_only=history_only,
            actor=actor,
        )
        for query in dialect.unbind_context():
            execute(connection, query)
        if dry_run:
            transaction.rollback()
    return erased


def erase_row(
    connection: Connection,
    dialect: Dialect,
    inventory: Inventory,
    stored: StoredRelation,
    key: str,
    *,
    reason: str,
    columns: Sequence[str] | None = None,
    replace: Mapping[str, Any] | None = None,
    history_only: bool = False,
    actor: str | None = None,
) -> Erased:
    """``erase``, within a transaction that has its context, and for a key as JSON."""
    erasure = _Erasure(connection, dialect, inventory, stored)
    recorded = [(row[0], row[1]) for row in execute(connection, dialect.erasure.columns(erasure.relation.id))]
    choice = erasure.choosing.choice(recorded, columns, replace or {}, history_only=history_only)
    return erasure.run(key, choice, actor, reason)


def erasures(connection: Connection, dialect: Dialect) -> list[Erasing]:
    """What was erased in this database, the newest first; never the values."""
    found = []
    for at, actor, reason, details in execute(connection, dialect.erasure.interventions()):
        document = document_of(details)
        erased = Erased(
            document["table"],
            document["key"],
            tuple(document["columns"]),
            document["changes"],
            document["row"],
            tuple(document["keys"]),
        )
        found.append(Erasing(moment(at), actor, reason, erased))
    return found


def row_keys(connection: Connection, dialect: Dialect, inventory: Inventory, stored: StoredRelation) -> RowKeys:
    """What knows under which keys a row of the table is, and was."""
    return _Erasure(connection, dialect, inventory, stored).keys()


class _Erasure:
    """One erasure, step by step, in one transaction."""

    def __init__(self, connection: Connection, dialect: Dialect, inventory: Inventory, stored: StoredRelation) -> None:
        self.connection = connection
        self.dialect = dialect
        self.sql = dialect.erasure
        self.stored = stored
        table = inventory.find(stored)
        self.protection: Protection | None = None
        if table is not None:
            present = protections_of(inventory).get(table.name)
            if present is None or present.relation.id != stored.id:
                present = Protection(table, stored.for_table(table), stored.policies, stored.added)
            self.protection = present
        self.choosing = Choosing(stored, self.protection)
        self.relation = self.choosing.relation

    def run(self, key: str, choice: Choice, actor: str | None, reason: str) -> Erased:
        seal_lock(self.connection, self.dialect)
        for query in self.sql.begin():
            execute(self.connection, query)
        keys = self.keys()
        found = keys.found(keys.spelled(key))
        spans, possible = keys.spans(found)
        if not found.there and not any(execute(self.connection, self.sql.known(self.relation.id, s)) for s in spans):
            raise ErasureError(
                "HF427",
                f"Neither {shown(self.stored.table)} nor the journal has a row with the key {key}.",
                f"See the keys with: holdfast log {shown(self.stored.table)}.",
            )
        for span in spans:
            refuse_held(self.connection, self.dialect, self.stored, span.key.shown)
        if found.there:
            self.choosing.refuse_missing(choice)
        changes = sorted(
            row[0]
            for span in spans
            for row in execute(self.connection, self.sql.changes(self.relation.id, span, choice.ids))
        )
        erased = Erased(
            shown(self.stored.table), value_of(key), choice.names, len(changes), found.there,
            tuple(value_of(shown) for shown in dict.fromkeys(span.key.shown for span in spans)), possible,
        )  # fmt: skip
        self._write(choice, spans, found, changes, erased, actor, reason)
        for query in self.sql.end():
            execute(self.connection, query)
        return erased

    def keys(self) -> RowKeys:
        own = self.choosing.own
        moving = sorted(number for name, number in self.relation.columns.items() if name in own)
        return RowKeys(self.connection, self.sql, self.relation, self.protection, tuple(moving))

    # ------------------------------------------------------------------ the writes

    def _write(
        self,
        choice: Choice,
        spans: Sequence[Span],
        found: Found,
        changes: Sequence[int],
        erased: Erased,
        actor: str | None,
        reason: str,
    ) -> None:
        connection, dialect, relation = self.connection, self.dialect, self.relation.id
        details = {name: value for name, value in erased.as_json().items() if name != "possible_keys"}
        [(intervention,)] = execute(connection, dialect.record_intervention("erasure", actor, reason, details))
        before_erasing(connection, dialect, intervention, changes)
        for span in spans:
            for query in self.sql.scrub(relation, span, choice.ids, after=True):
                execute(connection, query)
        if found.there and choice.values:
            assert self.protection is not None
            [(last,)] = execute(connection, self.sql.last())
            execute(connection, self.sql.overwrite(self.protection, found.key, choice.values))
            # What it found is recorded with it.
            for query in self.sql.scrub(relation, Span(found.key, last, EVER), choice.ids, after=False):
                execute(connection, query)
            self._refuse_written_back(found.key, [name for name, value in choice.values.items() if value is None])
        after_erasing(connection, dialect, intervention)

    def _refuse_written_back(self, key: RowKey, columns: Sequence[str]) -> None:
        assert self.protection is not None
        if columns and execute(self.connection, self.sql.still_there(self.protection, key, columns)):
            raise ErasureError(
                "HF428",
                f"A trigger of the database wrote a value back into {shown(self.stored.table)}. Nothing was erased.",
                "Look at the triggers of the table: the values must stay away.",
            )
