"""What is known of the tables and what belongs to them, and what each statement makes of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from holdfast.lint.actions import (
    Action,
    AddColumn,
    AddConstraint,
    AlterPolicy,
    AlterType,
    AttachPartition,
    Column,
    Constraint,
    CreateDomain,
    CreateFunction,
    CreateIndex,
    CreatePolicy,
    CreateTable,
    CreateTrigger,
    CreateType,
    CreateView,
    Drop,
    DropColumn,
    DropConstraint,
    DropIndex,
    DropNotNull,
    DropPolicy,
    DropTrigger,
    Existing,
    Rename,
    RenameColumn,
    RenameTable,
    RowSecurity,
    SetDefault,
    SetNotNull,
    Statement,
    Type,
    ValidateConstraint,
)
from holdfast.tables import TableName


@dataclass(slots=True)
class KnownConstraint:
    constraint: Constraint
    valid: bool
    migration: str = ""
    statement: Statement | None = None


@dataclass(slots=True)
class Table:
    """What is known of a table; ``created`` is the migration that makes it, None where it was there before."""

    name: TableName
    created: str | None = None
    columns: dict[str, Column] = field(default_factory=dict)
    constraints: dict[str, KnownConstraint] = field(default_factory=dict)
    indexes: dict[str, CreateIndex] = field(default_factory=dict)
    triggers: dict[str, CreateTrigger] = field(default_factory=dict)
    policies: dict[str, CreatePolicy] = field(default_factory=dict)
    partitioned: bool = False
    validated: set[str] = field(default_factory=set)
    """Constraints that were validated, and of which nothing else is known."""
    row_security: bool = False
    forced: bool = False
    policies_of: dict[str, str] = field(default_factory=dict)
    """Column to the policy of holdfast that names it."""
    audited: bool = False
    """Whether holdfast records every change of its rows."""


class Known:
    """What the statements so far, and a database, say of what is there."""

    def __init__(self, tables: Iterable[Table] = ()) -> None:
        self.tables = {table.name: table for table in tables}
        self.migration = ""
        self.checked = True
        """False while migrations are read that have been run long ago: they make known what is there."""
        self.domains: dict[TableName, bool] = {}
        self.labels: dict[tuple[TableName, str], Statement] = {}
        self.types: set[TableName] = set()
        self.functions: dict[str, bool] = {}
        self.views: dict[TableName, CreateView] = {}

    def table(self, name: TableName) -> Table | None:
        return self.tables.get(name)

    def column(self, statement: Statement, table: TableName, column: str) -> Column | None:
        """What is known of the column; what the migration itself says of it comes first."""
        known = self.tables[table].columns.get(column) if table in self.tables else None
        for each in statement.existing:
            if (each.table, each.column) == (table, column):
                return _told(each, known)
        return known

    def owner_of(self, index: TableName) -> Table | None:
        """The table that has this index."""
        return next((table for table in self.tables.values() if index.name in table.indexes), None)

    def not_null_check(self, table: TableName, column: str) -> KnownConstraint | None:
        """The CHECK that says this column is not null, a valid one if there is."""
        known = self.tables.get(table)
        found = [each for each in known.constraints.values() if each.constraint.not_null == column] if known else []
        return next((each for each in found if each.valid), found[0] if found else None)

    # ------------------------------------------------------------------------------------------------- what changes

    def _get(self, name: TableName) -> Table:
        return self.tables.setdefault(name, Table(name))

    def apply(self, action: Action, statement: Statement) -> None:
        match action:
            case CreateTable():
                self._create(action)
            case Drop(kind="table", name=name):
                self.tables.pop(name, None)
            case RenameTable(table=name, new=new):
                new = new if new.schema or not name.schema else TableName(name.schema, new.name)
                self._rename(name, new)
            case Rename(kind="table", name=name, new=new):
                self._rename(name, TableName(name.schema, new))
            case CreateDomain(name=name, constrained=constrained):
                self.domains[name] = constrained
            case CreateType(name=name):
                self.types.add(name)
            case CreateFunction(name=name, volatile=volatile):
                self.functions[name.name] = volatile
            case CreateView(name=name):
                self.views[name] = action
            case Drop(kind="view", name=name):
                self.views.pop(name, None)
            case _:
                self._change(action, statement)

    def _create(self, action: CreateTable) -> None:
        if action.table in self.tables and action.if_not_exists:
            return
        table = Table(action.table, created=self.migration if self.checked else None, partitioned=action.partitioned)
        table.columns = {column.name: column for column in action.columns}
        inline = [each for column in action.columns for each in column.constraints]
        for constraint in (*action.constraints, *inline):
            name = constraint.name or f"{action.table.name}_{constraint.kind}_{len(table.constraints)}"
            table.constraints[name] = KnownConstraint(constraint, valid=True, migration=self.migration)
        self.tables[action.table] = table

    def _rename(self, old: TableName, new: TableName) -> None:
        if old in self.tables:
            self.tables[new] = replace(self.tables.pop(old), name=new)

    def _change(self, action: Action, statement: Statement) -> None:
        match action:
            case AddColumn(table=name, column=column):
                self._get(name).columns[column.name] = column
                for constraint in column.constraints:
                    self._constrain(name, constraint, statement, valid=True)
            case DropColumn(table=name, column=column_name):
                self._get(name).columns.pop(column_name, None)
            case RenameColumn(table=name, column=old, new=new):
                if (found := self._get(name).columns.pop(old, None)) is not None:
                    self._get(name).columns[new] = replace(found, name=new)
            case AlterType(table=name, column=column_name, type=type_):
                known = self._get(name).columns.get(column_name, Column(column_name, type_))
                self._get(name).columns[column_name] = replace(known, type=type_)
            case SetNotNull(table=name, column=column_name):
                self._nullable(name, column_name, False)
            case DropNotNull(table=name, column=column_name):
                self._nullable(name, column_name, True)
            case SetDefault(table=name, column=column_name, default=default):
                if (found := self._get(name).columns.get(column_name)) is not None:
                    self._get(name).columns[column_name] = replace(found, default=default)
            case AddConstraint(table=name, constraint=constraint):
                self._constrain(name, constraint, statement, valid=not constraint.not_valid)
            case _:
                self._change_object(action)

    def _nullable(self, table: TableName, column: str, nullable: bool) -> None:
        known = self._get(table).columns.get(column)
        if known is not None:
            self._get(table).columns[column] = replace(known, nullable=nullable)

    def _constrain(self, table: TableName, constraint: Constraint, statement: Statement, *, valid: bool) -> None:
        name = constraint.name or f"{table.name}_{'_'.join(constraint.columns)}_{constraint.kind}"
        self._get(table).constraints[name] = KnownConstraint(constraint, valid, self.migration, statement)

    def _change_object(self, action: Action) -> None:
        match action:
            case ValidateConstraint(table=name, name=constraint):
                if constraint in self._get(name).constraints:
                    self._get(name).constraints[constraint].valid = True
                else:
                    self._get(name).validated.add(constraint)
            case DropConstraint(table=name, name=constraint):
                self._get(name).constraints.pop(constraint, None)
            case CreateIndex(table=name):
                self._get(name).indexes[action.name or str(len(self._get(name).indexes))] = action
            case DropIndex(index=index):
                if (owner := self.owner_of(index)) is not None:
                    owner.indexes.pop(index.name)
            case CreateTrigger(table=name):
                self._get(name).triggers[action.name] = action
            case DropTrigger(table=name):
                self._get(name).triggers.pop(action.name, None)
            case CreatePolicy(table=name):
                self._get(name).policies[action.name] = action
            case AlterPolicy(table=name):
                self._get(name).policies[action.name] = CreatePolicy(name, action.name, action.words)
            case DropPolicy(table=name):
                self._get(name).policies.pop(action.name, None)
            case RowSecurity(table=name, enable=enable, force=force):
                table = self._get(name)
                table.row_security = table.row_security if enable is None else enable
                table.forced = table.forced if force is None else force
            case AttachPartition(table=name):
                self._get(name).partitioned = True


def _told(existing: Existing, known: Column | None) -> Column:
    column = known or Column(existing.column, existing.type or Type(""))
    if existing.type is not None:
        column = replace(column, type=existing.type)
    return column if existing.nullable is None else replace(column, nullable=existing.nullable)
