"""A table that is yet to be made, as the database will describe it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Constraint,
    Enum,
    ForeignKeyConstraint,
    Index,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
)
from sqlalchemy.types import TypeDecorator

from holdfast.catalog_rows import key_of
from holdfast.database import execute
from holdfast.dialects.base import Dialect
from holdfast.dialects.revising import Revising, SpelledType
from holdfast.tables import ColumnInfo, ForeignKey, TableInfo, TableName, UniqueKey


@dataclass(frozen=True)
class Describer:
    """Describes what the metadata holds in the words of the catalog."""

    connection: Connection
    dialect: Dialect
    default_schema: str

    @property
    def sql(self) -> Revising:
        return self.dialect.revising

    @property
    def compiler(self) -> Any:
        """What writes the parts of a statement that makes a table."""
        dialect: Any = self.connection.dialect
        return dialect.ddl_compiler(dialect, None)

    def written(self, condition: Any) -> str:
        """The condition as SQLAlchemy writes it into an index or a constraint."""
        written: str = self.compiler.sql_compiler.process(condition, include_table=False, literal_binds=True)
        return written

    def name(self, schema: str | None, table: str) -> TableName:
        return TableName(schema or self.default_schema, str(table))

    def table(self, table: Table) -> TableInfo:
        columns = tuple(self.column(column, number) for number, column in enumerate(table.columns, 1))
        name = self.name(table.schema, table.name)
        uniques = self._uniques(table)
        options = table.dialect_options[self.connection.dialect.name]
        partitioning = options.get("partition_by")
        return TableInfo(
            name=name,
            columns=columns,
            key=key_of(columns, uniques),
            kind="partitioned" if partitioning else "ordinary",
            last_position=len(columns),
            uniques=uniques,
            foreign_keys=tuple(
                sorted(
                    (self.foreign_key(name, each) for each in table.foreign_key_constraints), key=lambda key: key.name
                )
            ),
            partition_columns=tuple(
                each.name
                for each in columns
                if partitioning and re.search(rf"\b{re.escape(each.name)}\b", partitioning)
            ),
            without_rowid=options.get("with_rowid") is False,
            autoincrement=bool(options.get("autoincrement")),
        )

    # ------------------------------------------------------------------ columns

    def column(self, column: Column[Any], position: int) -> ColumnInfo:
        spelled = self.type(column)
        identity = column.identity
        computed = column.computed
        return ColumnInfo(
            name=str(column.name),
            type=spelled.type,
            base_type=spelled.base_type,
            type_kind=spelled.kind,
            position=position,
            nullable=bool(column.nullable) and identity is None,
            default=str(computed.sqltext) if computed is not None else self._default(column),
            generated=computed is not None,
            virtual=computed is not None and computed.persisted is False and not self.sql.autoindexes,
            identity="" if identity is None else "always" if identity.always else "default",
        )

    def _default(self, column: Column[Any]) -> str | None:
        default: str | None = self.compiler.get_column_default_string(column)
        return default

    def type(self, column: Column[Any]) -> SpelledType:
        dialect = self.connection.dialect
        kind = column.type.dialect_impl(dialect)
        while isinstance(kind, TypeDecorator):
            kind = kind.impl_instance.dialect_impl(dialect)
        written = dialect.type_compiler_instance.process(column.type, type_expression=column)
        if isinstance(kind, Enum) and kind.native_enum and dialect.supports_native_enum and kind.name:
            # It may be made in the same revision.
            spelled = dialect.identifier_preparer.quote(kind.name)
            if kind.schema and kind.schema != self.default_schema:
                spelled = f"{dialect.identifier_preparer.quote(kind.schema)}.{spelled}"
            return SpelledType(spelled, kind.name, "enum")
        if (known := self.sql.type(written)) is not None:
            return known
        query = self.sql.find_type(written)
        rows = execute(self.connection, query) if query is not None else []
        return SpelledType(*rows[0]) if rows else SpelledType(written.lower(), written.lower())

    # ------------------------------------------------------------------ keys

    def constraint_name(self, constraint: Constraint | Index) -> str | None:
        """The name that it has or that a naming convention gives it, as the database keeps it."""
        preparer: Any = self.connection.dialect.identifier_preparer
        name: str | None = None
        if isinstance(constraint, Index):
            name = preparer.format_index(constraint)
        elif constraint.name is not None:
            name = preparer.format_constraint(constraint)
        if name and name.startswith('"'):
            name = name[1:-1].replace('""', '"')
        return name or None

    def _uniques(self, table: Table) -> tuple[UniqueKey, ...]:
        found = []
        number = 0
        for each in sorted(
            table.constraints, key=lambda each: (not isinstance(each, PrimaryKeyConstraint), each._creation_order)
        ):
            if not isinstance(each, (PrimaryKeyConstraint, UniqueConstraint)) or not len(each.columns):
                continue
            if isinstance(each, UniqueConstraint) or not self._is_rowid(table):
                number += 1
            found.append(self.unique(each, number))
        found += [self.unique_index(each) for each in table.indexes if each.unique]
        return tuple(sorted(found, key=lambda key: (not key.primary, key.name)))

    def _is_rowid(self, table: Table) -> bool:
        """Whether the primary key needs no index."""
        key = list(table.primary_key.columns)
        if not self.sql.autoindexes or len(key) != 1 or self.type(key[0]).base_type != "integer":
            return False
        return table.dialect_options[self.connection.dialect.name].get("with_rowid") is not False

    def unique(
        self, each: PrimaryKeyConstraint | UniqueConstraint, number: int, model: Table | None = None
    ) -> UniqueKey:
        columns = tuple(str(column.name) for column in each.columns)
        table = str(each.table.name)
        primary = isinstance(each, PrimaryKeyConstraint)
        name = None if self.sql.autoindexes else self.constraint_name(each)
        if name is None:
            name = self.sql.primary_key_name(table) if primary else self.sql.unique_name(table, columns, number)
        return UniqueKey(
            name,
            columns,
            primary,
            deferrable=bool(each.deferrable),
            constraint=not self.sql.autoindexes,
            collations=() if primary and self._is_rowid(each.table) else self._collations(each.columns, model),
        )

    def _collations(self, columns: Iterable[Column[Any]], model: Table | None) -> tuple[str, ...]:
        """Where each key has collations of its own: those of the columns, as the model has them."""
        if not self.sql.autoindexes:
            return ()
        known = [each if model is None else model.columns.get(str(each.name), each) for each in columns]
        return tuple((getattr(each.type, "collation", None) or "BINARY").upper() for each in known)

    def unique_index(self, index: Index, model: Table | None = None) -> UniqueKey:
        listed = [each for each in index.expressions if isinstance(each, Column)]
        plain = tuple(str(each.name) for each in listed)
        options = index.dialect_options[self.connection.dialect.name]
        partial = options.get("where") is not None or len(plain) != len(index.expressions)
        return UniqueKey(
            self.constraint_name(index) or "", plain, partial=partial, collations=self._collations(listed, model)
        )

    def foreign_key(self, table: TableName, each: ForeignKeyConstraint) -> ForeignKey:
        columns = tuple(str(key) for key in each.column_keys)
        return self.reference(
            table,
            columns,
            self.constraint_name(each),
            self.name(each.referred_table.schema, each.referred_table.name),
            tuple(str(element.column.name) for element in each.elements),
            each.ondelete,
            each.onupdate,
        )

    def reference(
        self,
        table: TableName,
        columns: Sequence[str],
        name: str | None,
        target: TableName,
        target_columns: Sequence[str],
        on_delete: str | None,
        on_update: str | None,
    ) -> ForeignKey:
        action, _, listed = (on_delete or "NO ACTION").upper().partition("(")
        let_go = re.findall(r'[^\s",()]+', (on_delete or "").partition("(")[2]) if listed else []
        return ForeignKey(
            name=self.sql.foreign_key_name(table.name, columns, name),
            table=table,
            columns=tuple(columns),
            target=target,
            target_columns=tuple(target_columns),
            on_delete=action.strip(),  # type: ignore[arg-type]
            on_update=(on_update or "NO ACTION").upper(),  # type: ignore[arg-type]
            let_go=tuple(let_go),
        )
