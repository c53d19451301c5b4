"""Autogenerate: what the models declare against what the database holds, into the revision of its tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from sqlalchemy import Table

from holdfast.alembic.building import BuildOp
from holdfast.alembic.describing import Describer
from holdfast.alembic.dropping import drop_in_order
from holdfast.alembic.foreseeing import Foreseen, flat
from holdfast.alembic.indexing import Comparison
from holdfast.alembic.leaving import leave_made, leave_ours
from holdfast.alembic.protecting import ProtectOp
from holdfast.alembic.revising import Revision
from holdfast.alembic.translating import refuse_translated
from holdfast.dialects import dialect_for
from holdfast.dialects.base import Dialect
from holdfast.inspector import inspect
from holdfast.inventory import Inventory
from holdfast.journal_step import journal_step
from holdfast.obstacles import check_views, refuse_used
from holdfast.sqlalchemy.tables import policies_of
from holdfast.tables import TableName

ROLES_APART = "holdfast_roles_apart"
"""The argument of ``context.configure()`` that says whether the journal belongs to a role of its own."""


def compare(context: AutogenContext, upgrade: ops.UpgradeOps, schemas: Iterable[str | None]) -> None:
    """Adds to the revision what makes protection hold that the models declare; reads only, and locks nothing."""
    connection = context.connection
    assert connection is not None
    sql = dialect_for(connection.dialect.name).one_at_a_time()
    dialect, inventory = inspect(connection, sql)
    default = dialect.revising.default_schema or connection.dialect.default_schema_name or "public"
    describer = Describer(connection, dialect, default)
    tables = _tables(context, describer)
    declared = {name: policies_of(table) for name, table in tables.items()}
    leave_ours(upgrade, describer)
    drop_in_order(upgrade, describer, inventory)
    _import_types(context, upgrade)
    Comparison(describer, upgrade, inventory).compare(tables)
    if not inventory.has_journal and not any(declared.values()):
        return
    for name, table in tables.items():
        if declared[name]:
            refuse_translated(connection, str(name), table.schema)
    journal, dialect, _ = journal_step(dialect, inventory, context.opts.get(ROLES_APART))
    foreseen = Foreseen(describer, tables, dict(inventory.tables))
    foreseen.apply(upgrade.ops)
    revision = Revision(dialect, inventory, foreseen, declared)
    first, last = revision.operations()
    _check(dialect, inventory, revision)
    leave_made(upgrade, describer, revision)
    if journal is not None and (first or last or inventory.has_journal):
        first.insert(0, _journal_op(dialect, inventory, journal.statements, journal.actions))  # type: ignore[arg-type]
    built = revision.built
    upgrade.ops[:] = [
        *map(BuildOp.of, built.up), *first, *upgrade.ops, *last, *(BuildOp.of(each).back() for each in built.down)
    ]  # fmt: skip


def _import_types(context: AutogenContext, upgrade: ops.UpgradeOps) -> None:
    """A column of one of our types is written with its module, which the revision has to import."""
    for each in flat(upgrade.ops):
        columns = getattr(each, "columns", None) or [getattr(each, "column", None)]
        types = [getattr(column, "type", None) for column in columns]
        types += [getattr(each, "modify_type", None), getattr(each, "existing_type", None)]
        modules = {type(kind).__module__ for kind in types}
        context.imports.update(f"import {module}" for module in modules if module.startswith("holdfast."))


def _tables(context: AutogenContext, describer: Describer) -> dict[TableName, Table]:
    """The tables of the models, but for those that the user's filters leave out."""
    found = {}
    for table in context.sorted_tables:
        parent: Any = {"schema_name": table.schema, "table_name": table.name}
        if context.run_name_filters(table.name, "table", parent) and context.run_object_filters(
            table, table.name, "table", False, None
        ):
            found[describer.name(table.schema, table.name)] = table
    return found


def _journal_op(dialect: Dialect, inventory: Inventory, statements: Iterable[str], actions: Iterable[str]) -> ProtectOp:
    back = () if inventory.has_journal else dialect.revising.remove_unused_journal()
    return ProtectOp(
        "journal", list(statements), back, back_when=dialect.revising.journal_is_unused() if back else None,
        actions=list(actions),
    )  # fmt: skip


def _check(dialect: Dialect, inventory: Inventory, revision: Revision) -> None:
    """HF1xx and HF4xx before anything is written, as where protection is installed at once."""
    wanted = [each for listed in revision.after.objects.values() for each in listed]
    check_views(dialect, inventory, wanted, revision.installed)
    leaving = {each.identity for each in revision.before.identities.values()} - set(revision.after.identities)
    refuse_used(each for each in inventory.installed if each.identity in leaving)
