"""Keeps each statement that a revision sends, with the line that sends it, and sends none."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import Any

import sqlalchemy
from alembic.ddl.impl import DefaultImpl
from alembic.operations import MigrateOperation, Operations

from holdfast.lint.actions import Boundary, Existing, Statement
from holdfast.lint.reading.types import type_of
from holdfast.lint.servers import Server
from holdfast.lint.statements import read
from holdfast.lint.words import words_of
from holdfast.tables import TableName

_OPERATIONS = "holdfast.alembic.operations"
_SUMS = ("count(", "max(", "min(", "coalesce(max(", "coalesce(min(")


@dataclass
class Recorder(io.StringIO):
    """What Alembic writes its script to. A text that is written outside of a revision is Alembic's own."""

    server: Server
    revision: str = ""
    path: str = ""
    file: str = ""
    """The path as it is shown."""
    statements: list[Statement] = field(default_factory=list)
    existing: tuple[Existing, ...] = ()
    recreating: bool = False
    """Whether the batch that is under way would make its table anew."""
    own: bool = False
    """Whether what is written is a BEGIN or COMMIT of Alembic's."""
    reads: bool = False
    inside: bool = False
    transaction: int = 0

    def begin(self, revision: str, path: str, *, transaction_each: bool) -> None:
        self.revision, self.path, self.file, self.statements = revision, path, shown(path), []
        if transaction_each:
            self.transaction += 1

    def write(self, text: str) -> int:
        file, line, notes = self._where()
        for statement in read(text, self.server, file=file, line=line, migration=self.revision):
            boundaries = [each.verb for each in statement.actions if isinstance(each, Boundary)]
            alembics = self.own or not self.revision
            if "begin" in boundaries and not self.inside:
                self.inside = True
                self.transaction += 1
            if not alembics:
                number = self.transaction if self.inside else None
                self.statements.append(replace(statement, transaction=number, existing=self.existing, notes=notes))
            if boundaries and "begin" not in boundaries:
                self.inside = False
        return len(text)

    def _where(self) -> tuple[str, int, frozenset[str]]:
        """The line of the revision that is being run, and what else the callers tell."""
        notes: set[str] = {"python"} if self.reads else set()
        frame: FrameType | None = sys._getframe(1)
        line = 1
        while frame is not None:
            if frame.f_code.co_filename == self.path:
                line = frame.f_lineno
                break
            module = frame.f_globals.get("__name__", "")
            if module == "alembic.operations.batch" and frame.f_code.co_name == "flush" and self.recreating:
                notes.add("batch")
            if module.startswith(_OPERATIONS):
                notes.add("holdfast")
            frame = frame.f_back
        return self.file, line, frozenset(notes)

    def cannot(self, error: BaseException) -> None:
        """upgrade() failed: what it would have done is not known."""
        line, trace = 1, error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == self.path:
                line = trace.tb_lineno
            trace = trace.tb_next
        message = next(iter(str(error).splitlines()), "")
        self.statements.append(
            Statement(
                text=f"revision {self.revision}",
                file=self.file,
                line=line,
                migration=self.revision,
                problem=f"upgrade() cannot be run without a database: {type(error).__name__}: {message}",
            )
        )


def shown(path: str) -> str:
    """As seen from the working directory, where it is below that."""
    absolute, here = Path(path).resolve(), Path.cwd()
    return str(absolute.relative_to(here)) if absolute.is_relative_to(here) else path


def compiled(statement: Any, dialect: Any) -> str:
    """The statement with its values, or with their names where a value cannot be written out."""
    try:
        return str(statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    except (sqlalchemy.exc.CompileError, NotImplementedError):
        return str(statement.compile(dialect=type(dialect)(paramstyle="named")))


class RecordingImpl:
    """Stands before Alembic's implementation of the dialect, to hear what does not show in the SQL."""

    records = True

    def __init__(self, inner: DefaultImpl, recorder: Recorder) -> None:
        self._inner = inner
        self._recorder = recorder

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    @property
    def bind(self) -> RecordingBind:
        return RecordingBind(self._inner, self._recorder)

    def emit_begin(self) -> None:
        with self._own():
            self._inner.emit_begin()

    def emit_commit(self) -> None:
        with self._own():
            self._inner.emit_commit()

    @contextmanager
    def _own(self) -> Iterator[None]:
        before, self._recorder.own = self._recorder.own, True
        try:
            yield
        finally:
            self._recorder.own = before

    def execute(self, sql: Any, execution_options: Any = None) -> None:
        statement = sqlalchemy.text(sql) if isinstance(sql, str) else sql
        if isinstance(statement, sqlalchemy.schema.ExecutableDDLElement):
            self._inner.execute(statement, execution_options)
        else:
            self._inner.static_output(f"{compiled(statement, self._inner.dialect)};")

    def bulk_insert(self, table: Any, rows: list[dict[str, Any]], multiinsert: bool = True) -> None:
        if rows:
            insert = table.insert().values(rows[0])
            self._inner.static_output(f"{compiled(insert, self._inner.dialect)};")

    def alter_column(self, table_name: str, column_name: str, **options: Any) -> None:
        self._recorder.existing = self._existing(table_name, column_name, options)
        try:
            self._inner.alter_column(table_name, column_name, **options)
        finally:
            self._recorder.existing = ()

    def _existing(self, table: str, column: str, options: Mapping[str, Any]) -> tuple[Existing, ...]:
        type_ = options.get("existing_type")
        server = self._recorder.server
        known = None
        if type_ is not None:
            compiled = sqlalchemy.types.to_instance(type_).compile(dialect=self._inner.dialect)
            known = type_of(tuple(words_of(str(compiled), server)))
        schema = options.get("schema") or ""
        name = TableName("" if schema == server.default_schema else schema, table)
        return (Existing(name, column, known, options.get("existing_nullable")),)

    def requires_recreate_in_batch(self, batch: Any) -> bool:
        """A table made anew has to be read from the database first; what the batch is about is known without."""
        self._recorder.recreating = bool(self._inner.requires_recreate_in_batch(batch))
        return False

    def add_constraint(self, constraint: Any, **options: Any) -> None:
        if self._recorder.recreating:
            DefaultImpl.add_constraint(self._inner, constraint, **options)
        else:
            self._inner.add_constraint(constraint, **options)

    def drop_constraint(self, constraint: Any, **options: Any) -> None:
        if self._recorder.recreating:
            DefaultImpl.drop_constraint(self._inner, constraint, **options)
        else:
            self._inner.drop_constraint(constraint, **options)


class RecordingBind:
    """``op.get_bind()``: what is executed is kept; what is read is empty, and the statement says so."""

    def __init__(self, impl: DefaultImpl, recorder: Recorder) -> None:
        self._impl = impl
        self._recorder = recorder
        self.dialect = impl.dialect
        self.engine = self

    def execute(self, statement: Any, parameters: Any = None, **_: Any) -> Nothing:
        if isinstance(statement, str):
            statement = sqlalchemy.text(statement)
        text = compiled(statement, self.dialect)
        reads = text.lstrip()[:6].upper() in ("SELECT", "WITH R")
        # How many rows there are, or the highest key: one will do to see what is done with it.
        sums_up = reads and text.lstrip()[6:].lstrip().lower().startswith(_SUMS)
        self._recorder.reads = reads and not sums_up
        try:
            self._impl.static_output(f"{text};")
        finally:
            self._recorder.reads = False
        return Nothing([(1,)] if sums_up else [])

    def exec_driver_sql(self, statement: str, *_: Any, **__: Any) -> Nothing:
        return self.execute(statement)

    def scalar(self, statement: Any, *_: Any, **__: Any) -> Any:
        return self.execute(statement).scalar()

    def scalars(self, statement: Any, *_: Any, **__: Any) -> sqlalchemy.ScalarResult[Any]:
        return self.execute(statement).scalars()


class Nothing(sqlalchemy.IteratorResult[Any]):
    """The result of a statement that was not sent."""

    rowcount = 0
    returns_rows = True

    def __init__(self, rows: list[tuple[int]]) -> None:
        super().__init__(sqlalchemy.engine.result.SimpleResultMetaData(["nothing"]), iter(rows))


class Record(MigrateOperation):
    """From here on what the operations of this run do is kept."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder


@Operations.implementation_for(Record)
def _record(operations: Operations, operation: Record) -> None:
    """Alembic's operations and its context have the implementation of the dialect each for themselves."""
    context: Any = operations.migration_context
    implementation: Any = RecordingImpl(context.impl, operation.recorder)
    operations.impl = context.impl = implementation
