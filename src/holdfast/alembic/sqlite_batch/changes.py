"""What a batch asks for, done to the definition of the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Column, ForeignKeyConstraint, MetaData, PrimaryKeyConstraint, Table, UniqueConstraint
from sqlalchemy import types as sqltypes
from sqlalchemy.schema import CreateColumn

from holdfast.dialects.sqlite.definition import Clause, ColumnDefinition, TableDefinition
from holdfast.dialects.sqlite.parser import parse_column, parse_constraint
from holdfast.dialects.sqlite.tokens import tokens
from holdfast.errors import MigrationError

_CONSTRAINTS = ("PRIMARY KEY", "UNIQUE", "CHECK", "FOREIGN KEY", "NOT NULL")


class Changes:
    """Reads the batch; ``apply`` gives the table as it shall be, once columns are renamed."""

    def __init__(self, recorded: Any) -> None:
        self.table: str = recorded.table_name
        self.dialect: Any = recorded.dialect
        self.convention: Mapping[str, Any] | None = recorded.naming_convention
        self.table_args: tuple[Any, ...] = tuple(recorded.table_args)
        self.operations: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = list(recorded.batch)
        self.renamed: dict[str, str] = {}
        """Old name, lower case, to the new one."""
        for name, args, options in self.operations:
            if name == "alter_column" and options.get("name") not in (None, args[1]):
                self.renamed[str(args[1]).lower()] = str(options["name"])
        self.new: set[str] = set()
        """Columns that have no rows to take over, lower case."""
        self._definition: TableDefinition

    # ------------------------------------------------------------------ what there is to do

    @property
    def dropped(self) -> list[str]:
        """By their new names, for they are renamed first."""
        names = [str(args[1].name) for name, args, _ in self.operations if name == "drop_column"]
        return [self.renamed.get(each.lower(), each) for each in names]

    @property
    def dropped_indexes(self) -> dict[str, bool]:
        """Name, lower case, to whether it may be missing."""
        return {
            str(args[0].name).lower(): bool(options.get("if_exists"))
            for name, args, options in self.operations
            if name == "drop_index"
        }

    @property
    def indexes(self) -> list[tuple[Any, dict[str, Any]]]:
        found = [(args[0], options) for name, args, options in self.operations if name == "create_index"]
        for index, _ in found:
            self._follow_names(index.table)
        return found

    @property
    def of_table(self) -> bool:
        """Whether anything but names of columns and indexes changes."""
        return bool(self.table_args) or any(
            name in ("add_column", "drop_column", "add_constraint", "drop_constraint")
            or (name == "alter_column" and _changes_more_than_its_name(options))
            for name, _, options in self.operations
        )

    # ------------------------------------------------------------------ done

    def apply(self, definition: TableDefinition) -> TableDefinition:
        self._definition = definition
        for name, args, options in self.operations:
            if (do := getattr(self, f"_{name}", None)) is not None:
                do(*args, **options)
        for each in self.table_args:
            if not isinstance(each, Column):
                self._add_text(self._text_of(each))
        return self._definition

    def _add_column(self, _table: str, column: Column[Any], /, **options: Any) -> None:
        made = self._written(column)
        if self._definition.column(made.name) is not None:
            raise self._wrong(f"there is a column {made.name} already")
        self.new.add(made.name.lower())
        columns = list(self._definition.columns)
        place = len(columns)
        if (before := options.get("insert_before")) is not None:
            place = columns.index(self._column(before))
        elif (after := options.get("insert_after")) is not None:
            place = columns.index(self._column(after)) + 1
        columns.insert(place, made)
        self._definition = replace(self._definition, columns=tuple(columns))
        if options.get("inline_references"):
            for key in column.foreign_keys:
                if key.constraint is not None:
                    self._add_constraint(key.constraint)

    def _drop_column(self, _table: str, column: Any, /, **_options: Any) -> None:
        gone = self._column(str(column.name))
        self.new.discard(gone.name.lower())
        lower = gone.name.lower()
        self._definition = replace(
            self._definition,
            columns=tuple(each for each in self._definition.columns if each is not gone),
            constraints=tuple(each for each in self._definition.constraints if each.columns != (lower,)),
        )

    def _alter_column(self, _table: str, name: str, /, **options: Any) -> None:
        column = changed = self._column(name)
        if options.get("type_") is not None:
            written = self._written(Column(column.name, options["type_"]))
            collated = [each for each in written.clauses if each.kind == "COLLATE"]
            kept = changed.without("COLLATE").clauses if collated else changed.clauses
            changed = changed.changed(sort=written.type, clauses=(*collated, *kept))
        if (default := options.get("server_default", False)) is not False:
            written = self._written(
                Column(column.name, options.get("type_") or sqltypes.Text(), server_default=default)
            )
            clauses = [each for each in written.clauses if each.kind in ("DEFAULT", "GENERATED")]
            changed = changed.changed(clauses=(*clauses, *changed.without("DEFAULT", "GENERATED").clauses))
        if (nullable := options.get("nullable")) is not None:
            stated = changed.has("NOT NULL")
            if nullable and stated:
                changed = changed.without("NOT NULL").changed()
            elif not nullable and not stated:
                changed = changed.without("NULL")
                changed = changed.changed(clauses=(Clause("NOT NULL", "NOT NULL"), *changed.clauses))
        self._put(column, changed)

    def _add_constraint(self, constraint: Any) -> None:
        rule = getattr(constraint, "_create_rule", None)
        if rule is not None and not rule(self.dialect.ddl_compiler(self.dialect, None)):
            return
        if isinstance(constraint, PrimaryKeyConstraint):
            self._remove(lambda each, _column: each.kind == "PRIMARY KEY")
        self._add_text(self._text_of(constraint))

    def _add_text(self, text: str) -> None:
        clause = parse_constraint(text)
        names = [each.name.lower() for each in self._clauses() if each.name is not None]
        if clause.name is not None and clause.name.lower() in names:
            if any(_same(each.text, clause.text) for each in self._definition.constraints):
                return
            raise self._wrong(f"there is a constraint {clause.name} already")
        if clause.name is None and any(_same(each.text, text) for each in self._definition.constraints):
            return
        self._definition = replace(self._definition, constraints=(*self._definition.constraints, clause))

    def _drop_constraint(self, constraint: Any, **options: Any) -> None:
        name = str(constraint.name) if constraint.name else None
        bound = bool(getattr(constraint, "_type_bound", False))
        if name is not None and self._remove(lambda each, _column: (each.name or "").lower() == name.lower()):
            return
        if name is not None and self.convention and self._remove(lambda each, c: self._usual_name(each, c) == name):
            return
        if bound:
            # A type's own check has no name where it was not given one.
            text = self._text_of(constraint)
            self._remove(lambda each, _column: each.name is None and _same(each.text, text))
        elif not options.get("if_exists"):
            raise self._wrong(
                f"there is no constraint {name}" if name else "a constraint without a name cannot be dropped",
                "Unnamed ones are found by batch_alter_table(…, naming_convention={…}).",
            )

    # ------------------------------------------------------------------ in the definition

    def _clauses(self) -> list[Clause]:
        return [*(c for each in self._definition.columns for c in each.clauses), *self._definition.constraints]

    def _column(self, name: str) -> ColumnDefinition:
        found = self._definition.column(name) or self._definition.column(self.renamed.get(name.lower(), name))
        if found is None:
            raise self._wrong(f"there is no column {name}")
        return found

    def _put(self, column: ColumnDefinition, changed: ColumnDefinition) -> None:
        columns = tuple(changed if each is column else each for each in self._definition.columns)
        self._definition = replace(self._definition, columns=columns)

    def _remove(self, which: Callable[[Clause, str | None], bool]) -> bool:
        """Constraints of the table, and those that stand with a column."""
        before = self._definition
        columns = []
        for column in before.columns:
            gone = [each for each in column.clauses if each.kind in _CONSTRAINTS and which(each, column.name)]
            columns.append(column.changed(clauses=[c for c in column.clauses if c not in gone]) if gone else column)
        constraints = tuple(each for each in before.constraints if not which(each, None))
        self._definition = replace(before, columns=tuple(columns), constraints=constraints)
        return self._definition != before

    def _usual_name(self, clause: Clause, column: str | None) -> str | None:
        """What the naming convention calls it, where it has no name."""
        columns = [column] if column is not None else list(clause.columns)
        if clause.name is not None or not columns:
            return None
        metadata = MetaData(naming_convention=dict(self.convention or {}))
        spelled = [found.name if (found := self._definition.column(each)) else each for each in columns]
        table = Table(self._definition.name, metadata, *(Column(each, sqltypes.Integer) for each in spelled))
        made: Any
        match clause.kind:
            case "UNIQUE":
                made = UniqueConstraint(*spelled)
            case "PRIMARY KEY":
                made = PrimaryKeyConstraint(*spelled)
            case "FOREIGN KEY" if clause.target is not None:
                other, targets = clause.target
                made = ForeignKeyConstraint(spelled, [f"{other}.{each}" for each in targets or spelled])
            case _:
                return None
        table.append_constraint(made)
        return str(made.name) if made.name else None

    # ------------------------------------------------------------------ in SQL

    def _written(self, column: Column[Any]) -> ColumnDefinition:
        """A column as SQLAlchemy writes it, without the constraints that come by themselves."""
        if column.table is None:
            Table(self.table, MetaData(), column)
        return parse_column(str(CreateColumn(column).compile(dialect=self.dialect)))

    def _text_of(self, constraint: Any) -> str:
        if getattr(constraint, "parent", None) is None:
            Table(self.table, MetaData(), constraint)
        self._follow_names(constraint.table)
        return str(self.dialect.ddl_compiler(self.dialect, None).process(constraint))

    def _follow_names(self, table: Table) -> None:
        for column in table.columns:
            new = self.renamed.get(column.name.lower())
            if new is not None and self._definition.column(column.name) is None:
                column.name = new

    def _wrong(
        self, what: str, hint: str = "Nothing is changed. Look at the table, and at the revisions before."
    ) -> Any:
        return MigrationError("HF473", f"The batch on {self.table} cannot be carried out: {what}.", hint)


def _changes_more_than_its_name(options: Mapping[str, Any]) -> bool:
    stated = options.get("nullable") is not None or options.get("type_") is not None
    return stated or options.get("server_default", False) is not False


def _same(one: str, other: str) -> bool:
    def spelled(sql: str) -> list[str]:
        return [each.text if each.kind == "string" else each.name.lower() for each in tokens(sql)]

    return spelled(one) == spelled(other)
