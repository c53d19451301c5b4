"""The operations that carry protection in a migration: SQL as it will run, written out."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import MigrateOperation, Operations
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from holdfast.alembic.translating import refuse_others_schema, refuse_translated
from holdfast.database import execute
from holdfast.dialects import dialect_for
from holdfast.errors import DriftError
from holdfast.migrating.running import MigrationRun
from holdfast.migrating.statements import RUN

IMPORT = "import holdfast.alembic"
"""What a migration needs that has one of these operations."""


class ProtectionOp(MigrateOperation):
    """Statements to run, and those that take them back."""

    directive: str

    def __init__(
        self,
        table: str,
        statements: Sequence[str],
        back: Sequence[str] = (),
        *,
        when: str | None = None,
        back_when: str | None = None,
        actions: Sequence[str] = (),
        finish: Sequence[str] = (),
        back_finish: Sequence[str] = (),
    ) -> None:
        self.table = table
        self.statements = tuple(statements)
        self.back = tuple(back)
        self.when = when
        self.back_when = back_when
        self.actions = tuple(actions)
        self.finish = tuple(finish)
        self.back_finish = tuple(back_finish)

    def _turned(self) -> dict[str, Any]:
        return {
            "when": self.back_when, "back_when": self.when, "finish": self.back_finish, "back_finish": self.finish,
        }  # fmt: skip

    def to_diff_tuple(self) -> tuple[str, str, tuple[str, ...]]:
        return (self.directive, self.table, self.actions)


@Operations.register_operation("hf_protect")
class ProtectOp(ProtectionOp):
    """Makes what protects a table."""

    directive = "hf_protect"

    @classmethod
    def hf_protect(
        cls, operations: Operations, table: str, *statements: str, when: str | None = None, finish: Sequence[str] = ()
    ) -> None:
        """Runs the statements that protect ``table``, each one as it stands.

        ``when`` is a query for one boolean: where it answers no, nothing runs. ``finish`` runs after the revision is
        committed, in a transaction of its own, where ``run_migrations`` runs it; else with the statements.
        """
        operations.invoke(cls(table, statements, when=when, finish=finish))

    def reverse(self) -> UnprotectOp:
        return UnprotectOp(self.table, self.back, self.statements, **self._turned())


@Operations.register_operation("hf_unprotect")
class UnprotectOp(ProtectionOp):
    """Takes away what protects a table, or what stands in the way of a change to it."""

    directive = "hf_unprotect"

    @classmethod
    def hf_unprotect(
        cls, operations: Operations, table: str, *statements: str, when: str | None = None, finish: Sequence[str] = ()
    ) -> None:
        """Runs the statements that take protection from ``table``, each one as it stands.

        ``when`` is a query for one boolean: where it answers no, nothing runs. ``finish`` runs after the revision is
        committed, in a transaction of its own, where ``run_migrations`` runs it; else with the statements.
        """
        operations.invoke(cls(table, statements, when=when, finish=finish))

    def reverse(self) -> ProtectOp:
        return ProtectOp(self.table, self.back, self.statements, **self._turned())


@Operations.implementation_for(ProtectOp)
@Operations.implementation_for(UnprotectOp)
def _run(operations: Operations, operation: ProtectionOp) -> None:
    implementation = operations.get_context().impl
    statements, finish = map(_dedented, (operation.statements, operation.finish))
    if implementation.as_sql:
        if operation.when is not None:
            # A script cannot ask.
            implementation.static_output(f"-- Left out, for it depends on the database: {operation.table}.")
            return
        for each in (*statements, *finish):
            implementation.static_output(each + implementation.command_terminator)
        return
    connection = operations.get_bind()
    if "." in operation.table:
        schema = operation.table.partition(".")[0]
        refuse_translated(connection, operation.table, schema)
        refuse_others_schema(connection, operation.table, schema)
    if operation.when is not None and not execute(connection, textwrap.dedent(operation.when).strip())[0][0]:
        return
    run: MigrationRun | None = connection.get_execution_options().get(RUN)
    for each in statements if run is not None else (*statements, *finish):
        _execute(connection, each)
    if run is not None and finish:
        run.finish_later(operation.table, finish)


def _dedented(statements: Sequence[str]) -> list[str]:
    return [textwrap.dedent(each).strip("\n") for each in statements]


def _execute(connection: Connection, statement: str) -> None:
    try:
        # Not as our own: whoever runs the migration limits how long the statement waits, and says what it was.
        connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
    except DBAPIError as error:
        ours = None if error.orig is None else dialect_for(connection.dialect.name).error(error.orig)
        if isinstance(ours, DriftError):
            raise ours from error
        # Whoever runs the migration knows what to do about a lock.
        raise


@renderers.dispatch_for(ProtectOp)
@renderers.dispatch_for(UnprotectOp)
def _render(context: AutogenContext, operation: ProtectionOp) -> list[str]:
    if not (operation.statements or operation.finish):
        return []
    context.imports.add(IMPORT)
    lines = [f"op.{operation.directive}(", f"    {operation.table!r},"]
    for each in operation.statements:
        lines += _quoted(each)
    if operation.finish:
        lines += ["    finish=[", *(f"    {line}" for each in operation.finish for line in _quoted(each)), "    ],"]
    if operation.when is not None:
        lines.append(f"    when={operation.when!r},")
    return ["\n".join([*lines, ")"])]


def _quoted(statement: str) -> list[str]:
    """The statement between triple quotes, indented with the code around it; in one line where that would change it."""
    lines = statement.split("\n")
    plain = all(line == line.rstrip() and line.isprintable() for line in lines)
    if not plain or '"""' in statement or lines[0].startswith(" ") or lines[-1].endswith("\\"):
        return [f"    {statement!r},"]
    prefix = "r" if "\\" in statement else ""
    return [f'    {prefix}"""', *(f"    {line}" if line else "" for line in lines), '    """,']
