"""The tables as they will be once the table operations of a revision have run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from alembic.operations import ops
from sqlalchemy import Table

from holdfast.alembic.describing import Describer
from holdfast.catalog_rows import key_of
from holdfast.tables import ColumnInfo, ForeignKey, TableInfo, TableName, UniqueKey, with_references


@dataclass
class Touched:
    """What a revision does to one table: the columns that have to be free of our objects on the way up, and down."""

    up: set[str] = field(default_factory=set)
    down: set[str] = field(default_factory=set)
    rebuilt: bool = False
    """Whether anything but indexes changes: where a table is made anew for that, its triggers are gone."""


@dataclass
class Foreseen:
    """Applies operations to descriptions, as the database will to the tables."""

    describer: Describer
    metadata_tables: Mapping[TableName, Table]
    tables: dict[TableName, TableInfo]
    created: set[TableName] = field(default_factory=set)
    dropped: set[TableName] = field(default_factory=set)
    touched: dict[TableName, Touched] = field(default_factory=dict)

    def apply(self, operations: Iterable[ops.MigrateOperation]) -> None:
        for each in flat(operations):
            match each:
                case ops.CreateTableOp():
                    name = self.describer.name(each.schema, each.table_name)
                    table = self.metadata_tables.get(name)
                    self.tables[name] = self.describer.table(each.to_table() if table is None else table)
                    self.created.add(name)
                case ops.DropTableOp():
                    name = self.describer.name(each.schema, each.table_name)
                    self.tables.pop(name, None)
                    self.dropped.add(name)
                case _:
                    self._modify(each)
        self._refer()

    def _modify(self, each: ops.MigrateOperation) -> None:
        table_name = getattr(each, "source_table", None) or getattr(each, "table_name", None)
        if table_name is None:
            return
        schema = (
            each.kw.get("source_schema") if isinstance(each, ops.CreateForeignKeyOp) else getattr(each, "schema", None)
        )
        name = self.describer.name(schema, table_name)
        table = self.tables.get(name)
        if table is None or (
            name in self.created and not isinstance(each, (ops.CreateForeignKeyOp, ops.CreateIndexOp))
        ):
            return
        changed = self._changed(table, each)
        self.tables[name] = replace(changed, key=key_of(changed.columns, changed.uniques))
        if name not in self.created:
            self._note(name, each)

    def _note(self, name: TableName, each: ops.MigrateOperation) -> None:
        touched = self.touched.setdefault(name, Touched())
        if not isinstance(each, (ops.CreateIndexOp, ops.DropIndexOp, ops.CreateTableCommentOp, ops.DropTableCommentOp)):
            touched.rebuilt = True
        match each:
            case ops.AddColumnOp():
                touched.down.add(str(each.column.name))
            case ops.DropColumnOp():
                touched.up.add(str(each.column_name))
            case ops.AlterColumnOp() if each.modify_name is not None or each.modify_type is not None:
                touched.up.add(str(each.column_name))
                touched.down.add(str(each.modify_name or each.column_name))

    def _changed(self, table: TableInfo, each: ops.MigrateOperation) -> TableInfo:
        match each:
            case ops.AddColumnOp():
                position = table.last_position + 1
                column = self.describer.column(each.column, position)
                return replace(table, columns=(*table.columns, column), last_position=position)
            case ops.DropColumnOp():
                return without_column(table, str(each.column_name))
            case ops.AlterColumnOp():
                return self._altered(table, each)
            case ops.CreateForeignKeyOp():
                return replace(table, foreign_keys=_by_name((*table.foreign_keys, self._foreign_key(table.name, each))))
            case ops.CreateUniqueConstraintOp():
                model = self.metadata_tables.get(table.name)
                key = self.describer.unique(each.to_constraint(), len(table.uniques) + 1, model)
                return replace(table, uniques=_keys_by_name((*table.uniques, key)))
            case ops.CreateIndexOp() if each.unique:
                index = self.describer.unique_index(each.to_index(), self.metadata_tables.get(table.name))
                others = tuple(key for key in table.uniques if key.name != index.name)
                return replace(table, uniques=_keys_by_name((*others, index)))
            case ops.DropIndexOp():
                return replace(table, uniques=tuple(key for key in table.uniques if key.name != each.index_name))
            case ops.DropConstraintOp():
                return self._without_constraint(table, each)
        return table

    def _altered(self, table: TableInfo, each: ops.AlterColumnOp) -> TableInfo:
        before = table.column(str(each.column_name))
        if before is None:
            return table
        after = before
        name = self.metadata_tables.get(table.name)
        model = None if name is None else name.columns.get(each.modify_name or each.column_name)
        if each.modify_type is not None and model is not None:
            spelled = self.describer.type(model)
            after = replace(after, type=spelled.type, base_type=spelled.base_type, type_kind=spelled.kind)
        if each.modify_nullable is not None:
            after = replace(after, nullable=each.modify_nullable)
        if each.modify_server_default is not False and model is not None:
            after = replace(after, default=self.describer.column(model, after.position).default)
        if each.modify_name is not None:
            return renamed_column(table, after, str(each.modify_name))
        return replace(table, columns=tuple(after if column is before else column for column in table.columns))

    def _foreign_key(self, table: TableName, each: ops.CreateForeignKeyOp) -> ForeignKey:
        name = self.describer.constraint_name(each.to_constraint())
        target = self.describer.name(each.kw.get("referent_schema"), each.referent_table)
        return self.describer.reference(
            table, each.local_cols, name, target, each.remote_cols, each.kw.get("ondelete"), each.kw.get("onupdate")
        )

    def _without_constraint(self, table: TableInfo, each: ops.DropConstraintOp) -> TableInfo:
        name = each.constraint_name
        columns: tuple[str, ...] = ()
        if each._reverse is not None:
            # Where the database forgets the names of constraints they are known by their columns.
            columns = tuple(str(key) for key in getattr(each.to_constraint(), "column_keys", ()))
        return replace(
            table,
            uniques=tuple(
                key
                for key in table.uniques
                if key.primary
                or not (key.name == name or (each.constraint_type == "unique" and key.columns == columns))
            ),
            foreign_keys=tuple(
                key
                for key in table.foreign_keys
                if not (key.name == name or (each.constraint_type == "foreignkey" and key.columns == columns))
            ),
        )

    def _refer(self) -> None:
        """Who refers to whom, anew."""
        self.tables = with_references(dict(sorted(self.tables.items())))


def flat(operations: Iterable[ops.MigrateOperation]) -> Iterator[ops.MigrateOperation]:
    for each in operations:
        if isinstance(each, ops.OpContainer):
            yield from flat(each.ops)
        else:
            yield each


def without_column(table: TableInfo, column: str) -> TableInfo:
    """A column goes with every key that it is part of."""
    return replace(
        table,
        columns=tuple(each for each in table.columns if each.name != column),
        uniques=tuple(each for each in table.uniques if column not in each.columns),
        foreign_keys=tuple(each for each in table.foreign_keys if column not in each.columns),
    )


def renamed_column(table: TableInfo, column: ColumnInfo, name: str) -> TableInfo:
    def named(columns: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name if each == column.name else each for each in columns)

    return replace(
        table,
        columns=tuple(replace(column, name=name) if each.name == column.name else each for each in table.columns),
        uniques=tuple(replace(each, columns=named(each.columns)) for each in table.uniques),
        foreign_keys=tuple(replace(each, columns=named(each.columns)) for each in table.foreign_keys),
    )


def _by_name(keys: Iterable[ForeignKey]) -> tuple[ForeignKey, ...]:
    return tuple(sorted(keys, key=lambda key: key.name))


def _keys_by_name(keys: Iterable[UniqueKey]) -> tuple[UniqueKey, ...]:
    return tuple(sorted(keys, key=lambda key: (not key.primary, key.name)))
