"""What must hold: what the database itself remembers as declared, and what is declared beside it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from holdfast.catalog_rows import key_of
from holdfast.dialects.base import Dialect
from holdfast.dialects.migrating import KEPT
from holdfast.errors import DeclarationError
from holdfast.inventory import Inventory
from holdfast.journal import Relation
from holdfast.objects import Protection
from holdfast.policies import ORDER, Permit, Policy, Tenant, columns_needed, find
from holdfast.tables import ForeignKey, TableInfo, TableName

NewColumns = Mapping[TableName, Sequence[tuple[str, str]]]
"""The columns that a table still lacks, each with its sort."""

_NEVER = {
    "partition": "is a partition: covered by the table that it is part of",
    "foreign": "is a foreign table: its rows live in another database",
    "virtual": "is a virtual table: the database allows no triggers on it",
    "temporary": "is temporary",
}


@dataclass(frozen=True, slots=True)
class Declaration:
    """Every protection that is to hold, and the columns that must be added first."""

    protections: Mapping[TableName, Protection]
    new_columns: NewColumns

    def parents_first(self) -> Iterator[Protection]:
        """A marked child must not stand under a parent that still really deletes: its key would dangle."""
        return parents_first(self.protections)


def protections_of(inventory: Inventory) -> dict[TableName, Protection]:
    """What is declared now, by what the database itself remembers."""
    matches = inventory.matches
    protections = {}
    for stored in inventory.relations.values():
        table = matches.get(stored.id)
        if stored.protected and table is not None:
            relation = stored.for_table(table)
            protections[table.name] = Protection(
                as_declared(table, relation, stored.policies), relation, stored.policies, stored.added
            )
    return protections


def declare(
    dialect: Dialect,
    inventory: Inventory,
    declared: Mapping[TableName, Sequence[Policy]],
    *,
    add_columns: bool,
) -> Declaration:
    """``declared`` beside what was declared before; HF102 where a column is missing and may not be added."""
    protections = protections_of(inventory)
    relation_of = _relations(inventory, {*protections, *declared})
    protections = {name: replace(each, relation=relation_of(each.table)) for name, each in protections.items()}
    new_columns: dict[TableName, Sequence[tuple[str, str]]] = {}
    for name, policies in declared.items():
        table = inventory.tables[name]
        merged = _merged(protections[name].policies if name in protections else (), policies)
        missing = _missing_columns(dialect, table, merged, add_columns)
        table = table.with_columns(
            *(
                dialect.columns.added(column, sort, table.last_position + number)
                for number, (column, sort) in enumerate(missing, 1)
            )
        )
        if dialect.features.hides_rows:
            table = replace(table, key=_key_within_tenants(table, merged))
        relation = relation_of(table)
        added = protections[name].added if name in protections else ()
        if missing:
            new_columns[name] = missing
        protections[name] = Protection(
            as_declared(table, relation, merged), relation, merged, (*added, *(column for column, _ in missing))
        )
    return Declaration(carrying_tenants(dialect, protections), new_columns)


def _relations(inventory: Inventory, names: Collection[TableName]) -> Callable[[TableInfo], Relation]:
    """What the journal is to call these tables: a new number where it does not know one, or its history ends."""
    numbers = itertools.count(max(inventory.relations, default=0) + 1)
    known = {
        table.name: inventory.relations[number] for number, table in inventory.matches.items() if table.name in names
    }
    anew: dict[TableName, int] = {}

    def relation_of(table: TableInfo) -> Relation:
        stored = known.get(table.name)
        if stored is None:
            return Relation(next(numbers), table.name, table.key, {c.name: i for i, c in enumerate(table.columns, 1)})
        relation = stored.for_table(table)
        if not table.key or stored.ending(table) is None:
            return relation
        # What the journal has so far may be of other rows or columns, so what comes begins a history of its own.
        anew[table.name] = anew.get(table.name) or next(numbers)
        return replace(relation, id=anew[table.name])

    return relation_of


def _key_within_tenants(table: TableInfo, policies: Sequence[Policy]) -> tuple[str, ...]:
    """The key as it is once the table's unique keys hold within each tenant; a primary key stays as it is."""
    tenant = find(policies, Tenant)
    if tenant is None or any(each.primary for each in table.uniques):
        return table.key
    columns = tuple(replace(each, nullable=each.nullable and each.name != tenant.column) for each in table.columns)
    uniques = (
        each
        if tenant.column in each.columns or tenant.is_global(each.name, each.columns)
        else replace(each, columns=(tenant.column, *each.columns))
        for each in table.uniques
    )
    return key_of(columns, tuple(uniques))


def as_declared(table: TableInfo, relation: Relation, policies: Sequence[Policy]) -> TableInfo:
    """The table as it is once its policies hold: what is made for it must not depend on whether it is already.

    Its columns are in the journal's order: where they lie in the table may differ between databases, and what is made
    for it may not.
    """
    columns = tuple(sorted(table.columns, key=lambda column: relation.columns[column.name]))
    table = replace(table, columns=columns)
    tenant = find(policies, Tenant)
    if tenant is None and find(policies, Permit) is None:
        return table
    columns = tuple(
        replace(column, nullable=False) if tenant is not None and column.name == tenant.column else column
        for column in table.columns
    )
    return replace(table, columns=columns, row_security=(table.name, *table.children))


def carrying_tenants(dialect: Dialect, protections: Mapping[TableName, Protection]) -> dict[TableName, Protection]:
    """With the foreign keys as they are once both tables have tenants: what follows them must not be made twice."""
    if not dialect.features.hides_rows:
        return dict(protections)
    found = {}
    for name, each in protections.items():
        keys = tuple(_carrying_tenant(key, protections) for key in each.table.foreign_keys)
        incoming = tuple(_carrying_tenant(key, protections) for key in each.table.referenced_by)
        found[name] = replace(each, table=replace(each.table, foreign_keys=keys, referenced_by=incoming))
    return found


def _carrying_tenant(key: ForeignKey, protections: Mapping[TableName, Protection]) -> ForeignKey:
    child, parent = protections.get(key.table), protections.get(key.target)
    own, other = child and child.get(Tenant), parent and parent.get(Tenant)
    if not own or not other or own.column in key.columns or not key.is_plain:
        return key
    return replace(
        key,
        columns=(own.column, *key.columns),
        target_columns=(other.column, *key.target_columns),
        let_go=key.let_go or (key.columns if key.on_delete in ("SET NULL", "SET DEFAULT") else ()),
        ours=True,
    )


def _merged(present: Sequence[Policy], declared: Sequence[Policy]) -> tuple[Policy, ...]:
    """A new policy takes the place of the one of its kind."""
    by_kind = {type(policy): policy for policy in (*present, *declared)}
    return tuple(sorted(by_kind.values(), key=lambda policy: ORDER[type(policy)]))


def _missing_columns(
    dialect: Dialect, table: TableInfo, policies: Sequence[Policy], add_columns: bool
) -> list[tuple[str, str]]:
    missing = [(column, sort) for column, sort in columns_needed(policies) if table.column(column) is None]
    for column, _ in missing:
        dialect.columns.check_name(table, column)
    if missing and not add_columns:
        listed = ", ".join(column for column, _ in missing)
        raise DeclarationError(
            "HF102",
            f"{table.name} lacks what its declaration needs: {listed}.",
            "Let holdfast add it: --add-columns; or name a column that exists.",
        )
    return missing


def parents_first(protections: Mapping[TableName, Protection]) -> Iterator[Protection]:
    """Each table after those that it refers to; where they refer to each other, in the order given."""
    seen: set[TableName] = set()

    def visit(name: TableName) -> Iterator[Protection]:
        if name in seen or name not in protections:
            return
        seen.add(name)
        for key in protections[name].table.foreign_keys:
            yield from visit(key.target)
        yield protections[name]

    for name in protections:
        yield from visit(name)


def without_protection(inventory: Inventory) -> list[tuple[TableInfo, str]]:
    """The tables that ``--all`` leaves out, each with the reason."""
    left = []
    for table in inventory.tables.values():
        if table.kind in _NEVER:
            left.append((table, _NEVER[table.kind]))
        elif table.name.name in KEPT:
            left.append((table, KEPT[table.name.name]))
        elif not table.key:
            left.append(
                (table, "has no primary key and no unique key over NOT NULL columns: add one to protect the table")
            )
    return left
