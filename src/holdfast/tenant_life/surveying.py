"""Finds out from the schema whose rows the tables have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase

from sqlalchemy import Connection, Engine

from holdfast.database import Database, execute
from holdfast.declaration import protections_of
from holdfast.dialects import dialect_for
from holdfast.dialects.base import Dialect
from holdfast.dialects.tenant_life import TenantLife
from holdfast.errors import UnsupportedError
from holdfast.inspector import inspect
from holdfast.inventory import Inventory
from holdfast.policies import Tenant
from holdfast.tables import TableInfo, TableName
from holdfast.tenant_life.manifest import Gap, Manifest, Shared
from holdfast.timeline import shown


def check_manifest(
    database: Database | Engine | str, *, shared: Shared | None = None, schema: str | None = None
) -> Manifest:
    """For your own tests: every table is either a tenant's or declared as shared, or HF481 names it.

    ``shared`` gives the reason for each table of which no row is a tenant's; HF481 too where such a table is gone.
    """
    if isinstance(database, str):
        database = Database(database)
    if isinstance(database, Engine):
        dialect = dialect_for(database.dialect.name)
        with database.connect() as connection:
            manifest = read_manifest(connection, dialect, shared=shared, schema=schema)
    else:
        with database.snapshot() as connection:
            manifest = read_manifest(connection, database.dialect, shared=shared, schema=schema)
    manifest.check(strict=True)
    return manifest


def read_manifest(
    connection: Connection,
    dialect: Dialect,
    *,
    shared: Shared | None = None,
    schema: str | None = None,
    permissions: bool = True,
) -> Manifest:
    """What the schema says at this moment; HF499 where the database has no tenants, HF303 where it has no journal."""
    life = life_of(dialect)
    dialect, inventory = inspect(connection, dialect, objects=False)
    inventory.check_journal()
    shared = dict(shared or {})
    left_out = {
        found for name, why in shared.items() for found in _resolved(inventory, name, why) if found.schema != schema
    }
    protections = protections_of(inventory)
    columns = {name: policy.column for name, each in protections.items() if (policy := each.get(Tenant)) is not None}
    tables = {
        name: table for name, table in inventory.tables.items() if table.kind != "partition" and name not in left_out
    }
    if schema is not None:
        chosen = _of_schema(tables, columns, schema)
    else:
        inherited = {child for name in columns for child in inventory.tables[name].children}
        chosen = {tables[name]: column for name, column in columns.items() if name in tables}
        tables = {name: table for name, table in tables.items() if name not in inherited}
    if not chosen:
        raise UnsupportedError(
            "HF481",
            f"There is no table in the schema {schema}." if schema else "No table of this database has tenants.",
            "Declare Tenant for the tables: holdfast protect TABLE --tenant COLUMN." if schema is None else "",
        )
    names = {table.name for table in chosen}
    telling = set(columns.values()) if schema is None else set()
    gaps = [*_gaps(tables, names, telling), *_copies(connection, life, telling, shared)]
    if permissions and execute(connection, life.journal_tables())[0][0]:
        chosen.update((table, "tenant") for table in life.permission_tables())
    named = {*names, *(table for table in tables for gap in gaps if gap.table == shown(table))}
    unrelated = () if schema is not None else tuple(sorted(shown(name) for name in tables if name not in named))
    home = str(inventory.state.get("default_schema", "public"))
    groups = tuple(tuple((table, chosen[table]) for table in group) for group in _groups(chosen))
    relations = tuple(each.id for each in inventory.relations.values() if each.table.schema == schema)
    return Manifest(groups, tuple(gaps), shared, unrelated, schema, home, protections, relations)


def life_of(dialect: Dialect) -> TenantLife:
    if dialect.tenant_life is None:
        raise UnsupportedError(
            "HF499",
            f"A tenant cannot be copied, moved or deleted as a whole on {dialect.title}.",
            "Give each tenant a database of its own there: its file is the tenant.",
        )
    return dialect.tenant_life


def _resolved(inventory: Inventory, name: str, why: str) -> list[TableName]:
    if not why.strip():
        raise UnsupportedError("HF481", f"It is not said why no row of {name} is a tenant's.", "Give a reason.")
    if name.endswith(".*"):
        return [each for each in inventory.tables if fnmatchcase(each.schema, name[:-2])]
    try:
        return [inventory.resolve(name).name]
    except UnsupportedError as error:
        # A materialized view is no table.
        schema, _, bare = name.rpartition(".")
        if [schema or "public", bare] in (inventory.state.get("other_names") or []):
            return [TableName(schema or "public", bare)]
        raise UnsupportedError(
            "HF481", f"{name} was declared as shared, and there is no such table.", "Take it out of the declaration."
        ) from error


def _of_schema(
    tables: Mapping[TableName, TableInfo], columns: Mapping[TableName, str], schema: str
) -> dict[TableInfo, str | None]:
    """All tables of the schema are the tenant's; the column is the one of other tables where it is not declared."""
    usual = Counter(columns.values()).most_common(1)
    return {
        table: columns.get(name) or next((each for each, _ in usual if table.column(each) is not None), None)
        for name, table in tables.items()
        if name.schema == schema
    }


def _gaps(tables: Mapping[TableName, TableInfo], names: set[TableName], columns: set[str]) -> Iterator[Gap]:
    reached = set(names)
    why: dict[TableName, str] = {}
    waiting = sorted(names)
    while waiting:
        parent = waiting.pop(0)
        for key in tables[parent].referenced_by:
            if key.table not in reached and key.table in tables:
                reached.add(key.table)
                why[key.table] = f"{key.name} refers to {shown(parent)}, and it has no Tenant"
                waiting.append(key.table)
    for name, table in sorted(tables.items()):
        if name in names:
            continue
        found = sorted(column for column in columns if table.column(column) is not None)
        if found:
            yield Gap(shown(name), f"it has the column {found[0]}, and no Tenant")
        elif name in why:
            yield Gap(shown(name), why[name])


def _copies(connection: Connection, life: TenantLife, columns: set[str], shared: Shared) -> Iterator[Gap]:
    for view in execute(connection, life.materialized(sorted(columns))) if columns else ():
        name = shown(TableName(view.schema, view.name))
        if name not in shared:
            yield Gap(name, f"a materialized view keeps copies of rows, by its column {view.column}")


def _groups(chosen: Iterable[TableInfo]) -> list[list[TableInfo]]:
    """Tables that refer to each other in a circle are one group; a group comes after those that it refers to."""
    tables = {table.name: table for table in chosen}
    index: dict[TableName, int] = {}
    lowest: dict[TableName, int] = {}
    open_: list[TableName] = []
    groups: list[list[TableInfo]] = []

    def visit(name: TableName) -> None:
        index[name] = lowest[name] = len(index)
        open_.append(name)
        for key in tables[name].foreign_keys:
            if key.target not in tables:
                continue
            if key.target not in index:
                visit(key.target)
                lowest[name] = min(lowest[name], lowest[key.target])
            elif key.target in open_:
                lowest[name] = min(lowest[name], index[key.target])
        if lowest[name] == index[name]:
            start = open_.index(name)
            groups.append([tables[each] for each in open_[start:]])
            del open_[start:]

    # The journal's own tables, which refer to none of the users', come last.
    for name in sorted(tables, key=lambda name: (name.schema == "holdfast", name)):
        if name not in index:
            visit(name)
    return groups
