"""The operations that carry protection in a migration: SQL as it will run, written out."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import MigrateOperation, Operations
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from holdfast.database import execute
from holdfast.dialects import dialect_for
from holdfast.errors import DriftError

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
    ) -> None:
        self.table = table
        self.statements = tuple(statements)
        self.back = tuple(back)
        self.when = when
        self.back_when = back_when
        self.actions = tuple(actions)

    def to_diff_tuple(self) -> tuple[str, str, tuple[str, ...]]:
        return (self.directive, self.table, self.actions)


@Operations.register_operation("hf_protect")
class ProtectOp(ProtectionOp):
    """Makes what protects a table."""

    directive = "hf_protect"

    @classmethod
    def hf_protect(cls, operations: Operations, table: str, *statements: str, when: str | None = None) -> None:
        """Runs the statements that protect ``table``, each one as it stands.

        ``when`` is a query for one boolean: where it answers no, nothing runs.
        """
        operations.invoke(cls(table, statements, when=when))

    def reverse(self) -> UnprotectOp:
        return UnprotectOp(self.table, self.back, self.statements, when=self.back_when, back_when=self.when)


@Operations.register_operation("hf_unprotect")
class UnprotectOp(ProtectionOp):
    """Takes away what protects a table, or what stands in the way of a change to it."""

    directive = "hf_unprotect"

    @classmethod
    def hf_unprotect(cls, operations: Operations, table: str, *statements: str, when: str | None = None) -> None:
        """Runs the statements that take protection from ``table``, each one as it stands.

        ``when`` is a query for one boolean: where it answers no, nothing runs.
        """
        operations.invoke(cls(table, statements, when=when))

    def reverse(self) -> ProtectOp:
        return ProtectOp(self.table, self.back, self.statements, when=self.back_when, back_when=self.when)


@Operations.implementation_for(ProtectOp)
@Operations.implementation_for(UnprotectOp)
def _run(operations: Operations, operation: ProtectionOp) -> None:
    implementation = operations.get_context().impl
    statements = [textwrap.dedent(each).strip("\n") for each in operation.statements]
    if implementation.as_sql:
        if operation.when is not None:
            # A script cannot ask.
            implementation.static_output(f"-- Left out, for it depends on the database: {operation.table}.")
            return
        for each in statements:
            implementation.static_output(each + implementation.command_terminator)
        return
    connection = operations.get_bind()
    if operation.when is None or execute(connection, textwrap.dedent(operation.when).strip())[0][0]:
        for each in statements:
            _execute(connection, each)


def _execute(connection: Connection, statement: str) -> None:
    try:
        execute(connection, statement)
    except DBAPIError as error:
        ours = None if error.orig is None else dialect_for(connection.dialect.name).error(error.orig)
        if isinstance(ours, DriftError):
            raise ours from error
        # Whoever runs the migration knows what to do about a lock.
        raise


@renderers.dispatch_for(ProtectOp)
@renderers.dispatch_for(UnprotectOp)
def _render(context: AutogenContext, operation: ProtectionOp) -> list[str]:
    if not operation.statements:
        return []
    context.imports.add(IMPORT)
    lines = [f"op.{operation.directive}(", f"    {operation.table!r},"]
    for each in operation.statements:
        lines += _quoted(each)
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
