"""A session in which every table is as it was at a moment."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Literal

import sqlalchemy.ext.asyncio
import sqlalchemy.orm
from sqlalchemy import Connection, Engine, MetaData, Table, event
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import ORMExecuteState

from holdfast.context import READ_ONLY
from holdfast.database import execute
from holdfast.declaration import protections_of
from holdfast.dialects import dialect_for
from holdfast.dialects.base import Dialect
from holdfast.errors import DeclarationError, HistoryError, HoldfastError, UnsupportedError
from holdfast.history import moment_of, table_as_of
from holdfast.inspector import inspect as read_inventory
from holdfast.inventory import Inventory
from holdfast.objects import Protection
from holdfast.policies import Audit, SoftDelete
from holdfast.sqlalchemy.declaring import metadata_of
from holdfast.sqlalchemy.explaining import explained
from holdfast.sqlalchemy.scopes import refuse_autocommit
from holdfast.sqlalchemy.session import AsyncSession, Session, refuse_unbound
from holdfast.sqlalchemy.snapshots import refuse_writes
from holdfast.sqlalchemy.tables import table_in
from holdfast.stored import StoredRelation
from holdfast.tables import TableName
from holdfast.timeline import shown

Unprotected = Literal["refuse", "present"]


@contextmanager
def as_of(
    bind: Engine | sqlalchemy.orm.Session,
    models: Any,
    *,
    at: datetime | None = None,
    transaction: str | None = None,
    tables: Iterable[Any] | None = None,
    unprotected: Unprotected = "refuse",
) -> Iterator[Session]:
    """A session, on a connection of its own, that reads every table of the models as it was at that moment.

    It holds for whatever reads them: classes and relationships, loaded with the statement or later, tables of Core,
    and ``text()`` that names a table without its schema. The moment is a time (in UTC if it has no zone) or right after
    a ``transaction``; a transaction counts from the moment it began to commit. Rows that were marked at that time are
    not found, unless the statement says otherwise. Nothing can be written (HF405), and whatever happens, the connection
    goes back to the pool as it came.

    ``models`` is the declarative base, its registry or its MetaData. Of a table of which the past is not known a read
    raises HF303, or HF435 where its history begins later; with ``unprotected="present"`` a table that is not recorded
    is read as it is now. ``tables`` names the classes and tables that will be read, to prepare no others. Raises HF435
    at once for a time that is yet to come, HF410 for an unknown transaction, HF417 where two tables of the models have
    one name in different schemas, HF416 where the engine is not bound. The bind is an engine, or a session of which the
    engine is taken: what that session has not committed is not seen.
    """
    engine = _engine(bind, models)
    with explained(engine), engine.connect() as connection:
        _begin(connection, _Wanted(metadata_of(models), at, transaction, _named(tables), unprotected))
        with Session(connection, join_transaction_mode="create_savepoint") as session:
            _refuse_to_write(session)
            yield session


@asynccontextmanager
async def async_as_of(
    bind: AsyncEngine | sqlalchemy.ext.asyncio.AsyncSession,
    models: Any,
    *,
    at: datetime | None = None,
    transaction: str | None = None,
    tables: Iterable[Any] | None = None,
    unprotected: Unprotected = "refuse",
) -> AsyncIterator[AsyncSession]:
    """``as_of`` for an ``AsyncEngine`` or an ``AsyncSession``."""
    engine = bind if isinstance(bind, AsyncEngine) else AsyncEngine(_engine(bind.sync_session, models))
    wanted = _Wanted(metadata_of(models), at, transaction, _named(tables), unprotected)
    with explained(engine):
        async with engine.connect() as connection:
            await connection.run_sync(partial(_begin, wanted=wanted))
            async with AsyncSession(connection, join_transaction_mode="create_savepoint") as session:
                _refuse_to_write(session.sync_session)
                yield session


@dataclass(frozen=True, slots=True)
class _Wanted:
    metadata: MetaData
    at: datetime | None
    transaction: str | None
    tables: frozenset[Table] | None
    """None for all of them."""
    unprotected: Unprotected


def _begin(connection: Connection, wanted: _Wanted) -> None:
    """Begins the transaction, puts a view before each table, and lets nothing be written from there on."""
    refuse_unbound(connection.engine)
    dialect = dialect_for(connection.dialect.name)
    translated = connection.get_execution_options().get("schema_translate_map") or {}
    options: dict[str, Any] = {READ_ONLY: True}
    if dialect.snapshot_level is not None:
        options["isolation_level"] = dialect.snapshot_level
    connection.execution_options(**options)
    refuse_autocommit(connection)
    dialect, inventory = read_inventory(connection, dialect, objects=False)
    inventory.check_journal()
    moment = moment_of(connection, dialect, at=wanted.at, transaction=wanted.transaction)
    views = _Views(dialect, inventory, moment, wanted, translated)
    for statement in views.statements():
        execute(connection, statement)
    refuse_writes(connection)
    # A table without a view must not be found at all, whatever the path is. The statements have a cache of their own,
    # since those that were compiled for the application's own map do not fit.
    schemas = {None, *(table.schema for table in wanted.metadata.tables.values())}
    connection.execution_options(schema_translate_map=dict.fromkeys(schemas, dialect.recall.schema), compiled_cache={})


@dataclass(frozen=True, slots=True)
class _Views:
    """The temporary views that stand before the tables."""

    dialect: Dialect
    inventory: Inventory
    moment: datetime
    wanted: _Wanted
    translated: dict[str | None, str | None]

    def statements(self) -> Iterator[str]:
        recall, protections, stored = self.dialect.recall, protections_of(self.inventory), self._stored()
        views: dict[str, str] = {}
        for name, target in self._targets().items():
            protection, view = protections.get(target), self._view(name)
            if protection is None or protection.get(Audit) is None:
                views.setdefault(name, self._unknown(view, target))
                continue
            try:
                past = table_as_of(self.dialect, stored[target], protection, self.moment)
            except HistoryError as error:
                views[name] = recall.refusing(view, target, error)
                continue
            views[name] = recall.view(view, past.select)
            views |= self._living(protection, view)
        return iter((*recall.prepare_views(), *views.values()))

    def _stored(self) -> dict[TableName, StoredRelation]:
        matches = self.inventory.matches
        relations = self.inventory.relations.values()
        return {matches[each.id].name: each for each in relations if each.id in matches}

    def _targets(self) -> dict[str, TableName]:
        """By the name that a statement gives it, the table in the database."""
        found: dict[str, TableName] = {}
        named: set[str] = set()
        for table in self.wanted.metadata.tables.values():
            schema = self.translated.get(table.schema, table.schema)
            try:
                target = table_in(self.inventory, table, schema).name
            except UnsupportedError:
                target = TableName(schema or self.inventory.state.get("default_schema", "main"), table.name)
                if not self.inventory.is_taken(target):
                    continue
            if found.setdefault(table.name, target) != target:
                raise DeclarationError(
                    "HF417",
                    f"{target} and {found[table.name]} have one name, and so would the views of what they were.",
                    "Read the past through a MetaData that has only one of them.",
                )
            if self.wanted.tables is None or table in self.wanted.tables:
                named.add(table.name)
        return {name: target for name, target in found.items() if name in named}

    def _unknown(self, view: str, target: TableName) -> str:
        if self.wanted.unprotected == "present":
            return self.dialect.recall.view(view, f"select * from {self.dialect.qualified(target)}")
        error = UnsupportedError(
            "HF303",
            f"{shown(target)} is not recorded, so what it was is not known.",
            'Protect it; or read it as it is now: as_of(..., unprotected="present").',
        )
        return self.dialect.recall.refusing(view, target, error)

    def _living(self, protection: Protection, view: str) -> dict[str, str]:
        policy = protection.get(SoftDelete)
        name = policy.live_view_of(protection.table.name.name) if policy is not None else None
        if policy is None or name is None:
            return {}
        mark = self.dialect.quote(policy.column)
        return {name: self.dialect.recall.view(self._view(name), f"select * from {view} where {mark} is null")}

    def _view(self, name: str) -> str:
        return f"{self.dialect.recall.schema}.{self.dialect.quote(name)}"


def _refuse_to_write(session: sqlalchemy.orm.Session) -> None:
    """The database refuses it anyway; so it is said in time, and in the same words on all of them."""

    def executing(state: ORMExecuteState) -> None:
        if state.is_insert or state.is_update or state.is_delete:
            raise _read_only()

    def flushing(session: sqlalchemy.orm.Session, *_: object) -> None:
        if session.new or session.deleted or any(session.is_modified(each) for each in session.dirty):
            raise _read_only()

    event.listen(session, "do_orm_execute", executing)
    event.listen(session, "before_flush", flushing)


def _read_only() -> HoldfastError:
    return UnsupportedError(
        "HF405", "This session reads the past, and writes nothing.", "Write in a session of the present: revert does."
    )


def _engine(bind: Engine | sqlalchemy.orm.Session, models: Any) -> Engine:
    if isinstance(bind, Engine):
        return bind
    table = next(iter(metadata_of(models).tables.values()), None)
    return bind.get_bind(clause=table).engine


def _named(tables: Iterable[Any] | None) -> frozenset[Table] | None:
    if tables is None:
        return None
    found: set[Table] = set()
    for each in tables:
        if isinstance(each, Table):
            found.add(each)
        else:
            mapper = sqlalchemy.inspect(each)
            found.update(table for table in mapper.tables if isinstance(table, Table))
    return frozenset(found)
