"""What is declared for a table, kept in ``Table.info``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import FromClause, Table
from sqlalchemy.orm import Mapper

from holdfast.errors import DeclarationError
from holdfast.inventory import Inventory
from holdfast.policies import ORDER, P, Policy, Tenant, columns_needed, find
from holdfast.sqlalchemy.present_tenant import give_default
from holdfast.tables import TableInfo, TableName

POLICIES = "holdfast"
"""The key in ``Table.info`` under which a table's policies stand."""


def declare_for(table: Table, policies: Iterable[Policy]) -> None:
    for column, _ in columns_needed(policies := tuple(policies)):
        if column not in {each.name for each in table.columns}:
            raise DeclarationError(
                "HF102",
                f"{table.fullname} has no column {column!r}, which its declaration names.",
                "Add it to the model, take the mixin that brings it, or name another one.",
            )
    for policy in policies:
        if isinstance(policy, Tenant):
            give_default(table.c[policy.column])
    by_kind = {type(policy): policy for policy in (*policies_of(table), *policies)}
    table.info[POLICIES] = tuple(sorted(by_kind.values(), key=lambda policy: ORDER[type(policy)]))


def policies_of(table: FromClause) -> tuple[Policy, ...]:
    """What is declared for the table; nothing for what is not a table.

    >>> from sqlalchemy import MetaData, Table
    >>> policies_of(Table("notes", MetaData()))
    ()
    """
    found: tuple[Policy, ...] = table.info.get(POLICIES, ()) if isinstance(table, Table) else ()
    return found


def policy_of(table: FromClause, kind: type[P]) -> P | None:
    policies = policies_of(table)
    return find(policies, kind) if policies else None


def column_keys(mapper: Mapper[Any], names: Iterable[str]) -> Mapping[str, str]:
    """Column name to the attribute that maps it."""
    by_name = {column.name: column for column in mapper.local_table.columns}
    return {name: mapper.get_property_by_column(by_name[name]).key for name in names if name in by_name}


def table_in(inventory: Inventory, table: Table, schema: str | None = None) -> TableInfo:
    """The table as it is in the database; ``schema`` where it is another one than the model says. HF409 if missing."""
    schema = schema or table.schema
    exact = TableName(schema or inventory.state.get("default_schema", "public"), table.name)
    return inventory.tables.get(exact) or inventory.resolve(str(TableName(schema or "", table.name)))
