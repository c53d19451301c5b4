"""A table made anew: the new one beside it, rows, then in its place, with indexes, triggers and protection."""

from __future__ import annotations

import secrets
from collections.abc import Container, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from alembic.operations import Operations
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from holdfast.alembic.sqlite_batch.changes import Changes
from holdfast.alembic.sqlite_batch.renewing import Renewal
from holdfast.database import execute
from holdfast.dialects import dialect_for
from holdfast.dialects.sqlite import rebuild as sql
from holdfast.dialects.sqlite.definition import TableDefinition
from holdfast.dialects.sqlite.parser import parse
from holdfast.dialects.sqlite.sql import quote
from holdfast.errors import ConstraintError, MigrationError
from holdfast.migrating.foreign_keys import broken_keys, refuse_broken
from holdfast.migrating.running import MigrationRun
from holdfast.migrating.statements import RUN

if TYPE_CHECKING:
    from holdfast.database import AnyRow

_NEW = "holdfast_new_"
_ROWID = ("rowid", "_rowid_", "oid")


class Rebuild:
    """One batch on one table."""

    def __init__(self, operations: Operations, recorded: Any) -> None:
        self.operations = operations
        self.recorded = recorded
        self.changes = Changes(recorded)
        self.connection: Connection = operations.get_bind()
        self.dialect = dialect_for(self.connection.dialect.name)

    def carry_out(self) -> None:
        """All of it, or nothing and an error."""
        if not self.recorded.as_it_stands:
            self._leave_keys_out()
        self.name, self.definition = self._table()
        with self._savepoint():
            renewal = Renewal(self.connection, self.dialect, self.name)
            self._refuse_what_names_the_dropped(renewal.views)
            concerning = {self.name.lower()}
            broken = broken_keys(self.connection, self.dialect, concerning)
            if self.recorded.as_it_stands:
                with self._refused("SQLite refuses it"):
                    self.recorded.flush_as_it_stands()
            else:
                self._change()
                self._tell(renewal)
            self._renew(renewal)
            refuse_broken(broken_keys(self.connection, self.dialect, concerning) - broken, f"The batch on {self.name}")
            self._check()

    def _tell(self, renewal: Renewal) -> None:
        renewal.tell(self.changes.renamed, self.changes.dropped)

    def _renew(self, renewal: Renewal) -> None:
        renewal.renew()

    def _change(self) -> None:
        for old, new in self.changes.renamed.items():
            column = self.definition.column(old)
            with self._refused(f"column {old} cannot be called {new}", "HF471"):
                self._run(sql.rename_column(self.name, column.name if column else old, new))
        self.name, self.definition = self._table()
        kept, dropped = self._ask(sql.hanging(self.name)), self.changes.dropped_indexes
        names = {name.lower() for kind, name, _ in kept if kind == "index"}
        for name, optional in dropped.items():
            if name not in names and not optional:
                raise self._wrong(f"there is no index {name}")
        going = [name for kind, name, _ in kept if kind == "index" and name.lower() in dropped]
        wanted = self.changes.apply(self.definition)
        analyzed = bool(self._ask(sql.has_statistics())) and bool(self._ask(sql.statistics(self.name)))
        if self.changes.of_table or self.recorded.recreate == "always":
            self._make_anew(wanted)
            for kind, name, text in kept:
                if name not in going:
                    with self._refused(f"{kind} {name} cannot be made again"):
                        self._run(text)
        else:
            for name in going:
                self._run(f"drop index main.{quote(name)}")
        for index, options in self.changes.indexes:
            with self._refused(f"index {index.name} cannot be made"):
                self.operations.impl.create_index(index, **options)
        if analyzed:
            self._run(sql.analyze(self.name))

    def _make_anew(self, wanted: TableDefinition) -> None:
        old, new = self.name, f"{_NEW}{self.name}"
        number = self._sequence() if wanted.autoincrement and self.definition.autoincrement else None
        with self._refused("the new table cannot be made"):
            self._run(wanted.render(new))
        with self._refused("rows that are there break it"):
            if columns := self._copied(wanted):
                self._run(sql.copy(old, new, columns, [self._from(each) for each in columns]))
        self._run(sql.drop(old))
        [(legacy,)] = self._ask(sql.LEGACY)
        self._run(sql.set_legacy(True))
        try:
            self._run(sql.rename(new, old))
        finally:
            self._run(sql.set_legacy(bool(legacy)))
        if number is not None:
            for statement in sql.set_sequence(old, number):
                self._run(statement)

    def _copied(self, wanted: TableDefinition) -> list[str]:
        """Columns that both have, and the number of the row where it is no column."""
        kept = [
            each.name
            for each in wanted.columns
            if not each.generated
            and each.name.lower() not in self.changes.new
            and (before := self.definition.column(each.name)) is not None
            and not before.generated
        ]
        columns = [quote(each) for each in kept]
        names = {each.name.lower() for each in (*wanted.columns, *self.definition.columns)}
        free = [each for each in _ROWID if each not in names]
        if free and not wanted.without_rowid and not self.definition.without_rowid and wanted.rowid_column not in kept:
            columns.insert(0, free[0])
        return columns

    def _from(self, column: str) -> str:
        """Where the values of the column come from, both quoted."""
        return column

    # ------------------------------------------------------------------ what may be in the way

    def _leave_keys_out(self) -> None:
        if not self._ask(sql.ENFORCED)[0][0]:
            return
        run: MigrationRun | None = self.connection.get_execution_options().get(RUN)
        if run is None:
            raise MigrationError(
                "HF470",
                f"{self.recorded.table_name} is made anew; with foreign keys on, rows that refer to it would go.",
                "In env.py call holdfast.alembic.run_migrations(connection, …).",
            )
        run.leave_keys_out()

    def _refuse_what_names_the_dropped(self, ours: Container[str]) -> None:
        """HF471. SQLite itself tells: it writes the new name wherever a column that is renamed is meant."""
        for dropped in self.changes.dropped:
            old = next((o for o, n in self.changes.renamed.items() if n.lower() == dropped.lower()), dropped)
            column = self.definition.column(old)
            if column is None or self.recorded.as_it_stands:
                continue
            probe = f"holdfast_probe_{secrets.token_hex(8)}"
            with self._savepoint(keep=False), self._refused(f"what names column {column.name} cannot be told", "HF471"):
                self._run(sql.rename_column(self.name, column.name, probe))
                found = self._ask(sql.naming(probe))
            named = [f"{kind} {name}" for kind, name, *_ in found if not self._may_name_it(kind, name, ours)]
            named += self._constraints_naming(
                probe, next(each[3] for each in found if each[0] == "table" and each[1] == self.name)
            )
            if named:
                raise MigrationError(
                    "HF471",
                    f"Column {column.name} of {self.name} cannot be dropped: {', '.join(named)} would be broken.",
                    "Nothing is changed. Drop indexes and constraints in the same batch, triggers and views before it "
                    "and make them anew after it.",
                )

    def _may_name_it(self, kind: str, name: str, ours: Container[str]) -> bool:
        return (
            (kind == "table" and name == self.name)
            or (kind == "index" and name.lower() in self.changes.dropped_indexes)
            or (kind == "view" and name in ours)
            or (kind != "table" and name.startswith("holdfast_"))
        )

    def _constraints_naming(self, probe: str, text: str) -> list[str]:
        """Of the table itself: what stays, and names the column under its other name."""
        definition = parse(text)
        going = {str(args[0].name).lower() for name, args, _ in self.changes.operations if name == "drop_constraint"}
        dropped = {each.lower() for each in self.changes.dropped}
        found = []
        for column in definition.columns:
            if column.name != probe and column.name.lower() not in dropped:
                found += [
                    f"{each.kind} {each.name or f'of column {column.name}'}"
                    for each in column.clauses
                    if each.mentions(probe) and (each.name or "").lower() not in going
                ]
        for each in definition.constraints:
            alone = each.columns == (probe,)
            unnamed = each.name is None and bool(self.changes.convention)
            if each.mentions(probe) and not alone and not unnamed and (each.name or "").lower() not in going:
                found.append(f"{each.kind} {each.name or f'without a name ({each.text})'}".replace(probe, "…"))
        return found

    def _check(self) -> None:
        found = [str(row[0]) for row in self._ask(sql.check(self.name))]
        if found != ["ok"]:
            raise self._wrong(f"the table would not be whole: {found[0]}")

    # ------------------------------------------------------------------

    def _table(self) -> tuple[str, TableDefinition]:
        wanted = self.recorded.table_name
        for name, text in self._ask(sql.described(wanted)):
            try:
                return str(name), parse(text)
            except (ValueError, KeyError, StopIteration) as error:
                raise self._wrong(f"its definition is not that of an ordinary table ({error})") from error
        raise self._wrong("there is no such table")

    def _sequence(self) -> int | None:
        found = self._ask(sql.sequence(self.name)) if self._ask(sql.has_sequence()) else []
        return int(found[0][0]) if found else None

    def _ask(self, query: Any) -> list[AnyRow]:
        return execute(self.connection, query)

    def _run(self, statement: str) -> None:
        execute(self.connection, statement)

    @contextmanager
    def _savepoint(self, *, keep: bool = True) -> Iterator[None]:
        self._run(sql.BEGIN)
        try:
            yield
        except BaseException as error:
            self._give_up(error)
            raise
        if not keep:
            self._run(sql.ROLL_BACK)
        self._run(sql.END)

    def _give_up(self, error: BaseException) -> None:
        """What failed may have ended the transaction, and the connection with it."""
        try:
            self._run(sql.ROLL_BACK)
            self._run(sql.END)
        except DBAPIError as another:
            error.add_note(f"The savepoint was gone: {another}")

    @contextmanager
    def _refused(self, what: str, code: str = "HF473") -> Iterator[None]:
        """SQLite's own refusal, in our words; a lock is for whoever runs the migration."""
        try:
            yield
        except DBAPIError as error:
            ours = None if error.orig is None else self.dialect.error(error.orig)
            if isinstance(ours, ConstraintError):
                raise MigrationError(
                    "HF460",
                    f"The batch on {self.name}: rows that are there already break it ({error.orig}).",
                    "Nothing is changed. Find and mend the rows, and run the migration again.",
                ) from error
            if ours is not None:
                raise
            raise MigrationError(
                code,
                f"The batch on {self.name} cannot be carried out: {what} ({error.orig}).",
                "Nothing is changed. Change what is named, or the batch.",
            ) from error

    def _wrong(self, what: str) -> MigrationError:
        return MigrationError(
            "HF473",
            f"The batch on {self.recorded.table_name} cannot be carried out: {what}.",
            "Nothing is changed. Look at the table, and at the revisions before.",
        )
