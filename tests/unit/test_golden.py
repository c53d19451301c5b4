"""The SQL that each policy makes, kept as files to be read and reviewed; and that very SQL, run.

HOLDFAST_UPDATE_GOLDEN=1 writes the files anew.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import sqlite3
from dataclasses import replace

import psycopg
import pytest

from holdfast.dialects import dialect_for
from holdfast.dialects.base import Dialect
from holdfast.errors import DeclarationError
from holdfast.journal import Relation
from holdfast.objects import DatabaseObject, Protection
from holdfast.policies import Audit, Guard, Permit, Policy, SoftDelete, Tenant, Timestamps, Version
from holdfast.roles import Roles
from holdfast.tables import ColumnInfo, ForeignKey, TableInfo, TableName, UniqueKey
from tests.servers import Server, libpq_url

GOLDEN = pathlib.Path(__file__).parents[1] / "golden"
AUDIT = Audit(exclude={"card"}, mask={"email"})
POLICIES: dict[str, tuple[Policy, ...]] = {
    "audit": (AUDIT,),
    "audit_row": (Audit(exclude={"card"}, mask={"email"}, form="row", inserts="full"),),
    "soft_delete": (SoftDelete(),),
    "live_view": (SoftDelete(raw_delete="allow", live_view=True),),
    "timestamps": (Timestamps(),),
    "version": (Version(),),
    "guard": (Guard(max_rows=100),),
    "permit": (Permit(insert="order:create", update="order:update", delete="order:delete"),),
    "all_policies": (AUDIT, SoftDelete(), Timestamps(), Version(), Guard(max_rows=100)),
}
TYPES = {
    "postgresql": {
        "key": ("integer", "int4"),
        "text": ("text", "text"),
        "amount": ("numeric(10,2)", "numeric"),
        "document": ("jsonb", "jsonb"),
        "time": ("timestamp with time zone", "timestamptz"),
    },
    "sqlite": {
        "key": ("INTEGER", "integer"),
        "text": ("TEXT", "text"),
        "amount": ("NUMERIC", "numeric"),
        "document": ("JSON", "json"),
        "time": ("TEXT", "text"),
    },
}
ORDERS = {
    "id": "key", "status": "text", "total": "amount", "note": "document", "email": "text", "card": "text",
    "deleted_at": "time", "created_at": "time", "updated_at": "time", "version": "key",
}  # fmt: skip
ITEMS = {"id": "key", "order_id": "key", "name": "text", "deleted_at": "time"}
REQUIRED = {"id", "status", "created_at", "updated_at", "version"}


def table(dialect: Dialect, name: str, columns: dict[str, str]) -> TableInfo:
    schema = "public" if dialect.name == "postgresql" else "main"
    return TableInfo(
        TableName(schema, name),
        tuple(
            ColumnInfo(column, *TYPES[dialect.name][sort], position=position, nullable=column not in REQUIRED)
            for position, (column, sort) in enumerate(columns.items(), start=1)
        ),
        key=("id",),
        uniques=(UniqueKey(f"{name}_pkey", ("id",), primary=True),),
    )


def protections(dialect: Dialect, policies: tuple[Policy, ...]) -> dict[TableName, Protection]:
    orders, items = table(dialect, "orders", ORDERS), table(dialect, "items", ITEMS)
    key = ForeignKey("items_order_id_fkey", items.name, ("order_id",), orders.name, ("id",), on_delete="CASCADE")
    orders, items = replace(orders, referenced_by=(key,)), replace(items, foreign_keys=(key,))
    also = tuple(policy for policy in policies if isinstance(policy, SoftDelete))
    found = {}
    for number, (each, declared) in enumerate(((orders, policies), (items, also)), start=1):
        relation = Relation(number, each.name, each.key, {c.name: c.position for c in each.columns})
        found[each.name] = Protection(each, relation, declared)
    return found


def objects(dialect: Dialect, policies: tuple[Policy, ...]) -> tuple[DatabaseObject, ...]:
    known = protections(dialect, policies)
    return dialect.objects(next(iter(known.values())), known)


def rendered(dialect: Dialect, policies: tuple[Policy, ...]) -> str:
    statements = [statement for each in objects(dialect, policies) for statement in each.create]
    return "".join(f"{statement.rstrip()};\n\n" for statement in statements).rstrip("\n") + "\n"


def ddl(dialect: Dialect) -> list[str]:
    statements = []
    for name, columns in (("orders", ORDERS), ("items", ITEMS)):
        listed = ", ".join(
            f"{column} {TYPES[dialect.name][sort][0]}"
            + (" primary key" if column == "id" else " not null default 1" if column == "version" else "")
            for column, sort in columns.items()
        )
        key = ", foreign key (order_id) references orders (id) on delete cascade" if name == "items" else ""
        statements.append(f"create table {name} ({listed}{key})")
    return statements


CASES = [
    (dialect, name)
    for dialect in ("postgresql", "sqlite")
    for name in POLICIES
    if (dialect, name) != ("sqlite", "audit_row")
]


@pytest.mark.parametrize(("name", "policy"), CASES)
def test_golden(name: str, policy: str) -> None:
    golden(name, policy, rendered(dialect_for(name), POLICIES[policy]))


def test_there_is_no_golden_file_that_nothing_renders() -> None:
    assert {(path.parent.name, path.stem) for path in GOLDEN.glob("*/*.sql")} == {
        *CASES, *TENANT_CASES, *PERMIT_CASES, *CONTEXT_CASES, *STAMP_CASES
    }  # fmt: skip


ROLES = Roles(application="shop_app", read_only="shop_readonly", all_tenants="shop_all_tenants")
TENANT_CASES: dict[tuple[str, str], Dialect] = {
    ("postgresql", "tenant"): dialect_for("postgresql"),
    ("postgresql", "tenant_of_roles"): dialect_for("postgresql").with_roles(ROLES, {}),
    ("postgresql", "tenant_signed"): dialect_for("postgresql").with_roles(ROLES, {"keys": True, "signed": True}),
    ("citus", "tenant"): dialect_for("postgresql").with_roles(ROLES, {"distributed": True}),
    ("sqlite", "tenant"): dialect_for("sqlite"),
}
"""The folder and the name of the file, and the dialect that knows what decides."""


def tenant_protections(
    dialect: Dialect, keys: tuple[str, ...], also: tuple[Policy, ...] = ()
) -> dict[TableName, Protection]:
    """Customers and their orders, each of a shop."""
    columns = {"shop_id": "key", "id": "key", "email": "text"}
    if also:
        columns |= {"deleted_at": "time", "created_at": "time", "updated_at": "time", "version": "key"}
    customers = replace(table(dialect, "customers", columns), key=keys)
    orders = replace(table(dialect, "orders", {**columns, "customer_id": "key"}), key=keys)
    key = ForeignKey("customer", orders.name, ("customer_id",), customers.name, ("id",), on_delete="CASCADE")
    email = UniqueKey("customers_email_key", ("email",), constraint=True)
    uniques = (*customers.uniques, *([email] if dialect.features.hides_rows else []))
    customers = replace(customers, uniques=uniques, referenced_by=(key,))
    orders = replace(orders, foreign_keys=(key,))
    found = {}
    for number, each in enumerate((orders, customers), start=1):
        relation = Relation(number, each.name, each.key, {c.name: c.position for c in each.columns})
        found[each.name] = Protection(each, relation, (*also, Tenant("shop_id", reads="application")))
    return found


@pytest.mark.parametrize(("folder", "name"), TENANT_CASES)
def test_golden_of_tenants(folder: str, name: str) -> None:
    """The behaviour of this SQL is in tests/suite/test_tenant.py."""
    dialect = TENANT_CASES[folder, name]
    known = tenant_protections(dialect, ("shop_id", "id") if folder == "citus" else ("id",))
    statements = [text for each in known.values() for made in dialect.objects(each, known) for text in made.create]
    sql = "".join(f"{statement.rstrip()};\n\n" for statement in statements).rstrip("\n") + "\n"
    golden(folder, name, sql)
    if folder == "citus":
        policies = [line for line in sql.splitlines() if "using (" in line or "with check (" in line]
        assert policies
        assert not [line for line in policies if "select" in line]


PERMIT_CASES: dict[tuple[str, str], Dialect] = {
    ("postgresql", "permit_of_roles"): dialect_for("postgresql").with_roles(ROLES, {}),
    ("citus", "permit"): dialect_for("postgresql").with_roles(ROLES, {"distributed": True}),
    ("sqlite", "permit_of_marked_rows"): dialect_for("sqlite"),
}


@pytest.mark.parametrize(("folder", "name"), PERMIT_CASES)
def test_golden_of_permissions(folder: str, name: str) -> None:
    """What ``Permit`` makes beside ``SoftDelete``; the behaviour of this SQL is in tests/permissions."""
    dialect = PERMIT_CASES[folder, name]
    read = "order:read" if folder != "sqlite" else None
    permit = Permit(insert="order:create", update="order:update", delete="order:delete", select=read)
    made = [each for each in objects(dialect, (SoftDelete(), permit)) if each.policy == "Permit"]
    sql = "\n".join(f"{statement.rstrip()};\n" for each in made for statement in each.create)
    golden(folder, name, sql)
    if folder == "citus":
        assert "trigger" not in sql
        assert not [line for line in sql.splitlines() if line.startswith("    ") and "select holdfast" in line]


CONTEXT_CASES: dict[tuple[str, str], Dialect] = {
    ("postgresql", "context"): dialect_for("postgresql"),
    ("postgresql", "context_signed"): dialect_for("postgresql").with_roles(Roles(), {"keys": True, "signed": True}),
    ("citus", "context"): dialect_for("postgresql").with_roles(Roles(), {"distributed": True}),
}
CONTEXT = (
    "set_context", "set_signed_context", "signed_context", "signed_tenant", "record_transaction", "all_tenants",
    "present_tenant", "present_permissions", "may",
)  # fmt: skip


@pytest.mark.parametrize(("folder", "name"), CONTEXT_CASES)
def test_golden_of_the_context(folder: str, name: str) -> None:
    """What says who it is, and what asks for it: where it is signed, and where it must reach other servers."""
    made = [each for each in CONTEXT_CASES[folder, name].journal_objects() if each.name in CONTEXT]
    sql = "\n".join(f"{statement.rstrip()};\n" for each in made for statement in each.create)
    golden(folder, name, sql)
    if folder == "citus":
        # A setting that is made by a function does not reach the workers.
        body = sql.partition("function holdfast.set_context(")[2].partition("$holdfast$;")[0]
        assert "set local holdfast.tenant" in body
        assert "set_config" not in body


STAMP_CASES = {("citus", "stamps"): (Timestamps(), Version())}


def test_golden_of_stamps_on_citus() -> None:
    """Triggers of a row that look at that row alone: what a shard can do by itself."""
    dialect = TENANT_CASES["citus", "tenant"]
    known = tenant_protections(dialect, ("shop_id", "id"), STAMP_CASES["citus", "stamps"])
    made = [made for each in known.values() for made in dialect.objects(each, known) if made.policy != "Tenant"]
    sql = "\n".join(f"{statement.rstrip()};\n" for each in made for statement in each.create)
    golden("citus", "stamps", sql)
    assert "security definer" not in sql
    of_the_row = re.compile(r"\n *select [^;]*?\n *from \(select \(\$1\)\.\*\) as o, \(select \(\$2\)\.\*\) as n\n")
    assert not re.search(r"\b(select|insert into|delete from|perform|statement)\b", of_the_row.sub("", sql))
    assert 'new."shop_id" :=' not in sql


@pytest.mark.parametrize(
    "policy", [Audit(form="row"), SoftDelete(), Guard(max_rows=100)], ids=lambda each: type(each).__name__
)
def test_what_citus_refuses_is_refused_first(policy: Policy) -> None:
    dialect = TENANT_CASES["citus", "tenant"]
    known = tenant_protections(dialect, ("shop_id", "id"), (policy,))
    with pytest.raises(DeclarationError, match=rf"HF119.*{type(policy).__name__}"):
        [made for each in known.values() for made in dialect.objects(each, known)]


def golden(folder: str, name: str, sql: str) -> None:
    path = GOLDEN / folder / f"{name}.sql"
    if os.environ.get("HOLDFAST_UPDATE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(sql, encoding="utf-8")
    assert sql == path.read_text(encoding="utf-8")


WRITES = (
    "insert into orders (id, status) values (1, 'new'), (2, 'new'), (3, 'new')",
    "update orders set status = 'paid', card = '4711'",
    "update orders set status = 'sent' where id = 2",
    "delete from orders where id = 3",
)


@pytest.mark.parametrize("policy", POLICIES)
def test_the_golden_sql_runs_on_postgresql(postgresql: Server, policy: str) -> None:
    dialect = dialect_for("postgresql")
    with postgresql.new_database() as url, psycopg.connect(libpq_url(url), autocommit=True) as connection:
        for statement in (*ddl(dialect), *dialect.install_journal("0", False)):
            connection.execute(statement.encode())
        # Twice: what is there is replaced.
        for _ in range(2):
            connection.execute((GOLDEN / "postgresql" / f"{policy}.sql").read_bytes())
        for statement in WRITES:
            connection.execute(statement.encode())
        triggers = connection.execute(
            "select count(*) from pg_trigger where not tgisinternal and tgrelid <> 'holdfast.transaction'::regclass"
        ).fetchone()
        assert triggers == (sum(each.kind == "trigger" for each in objects(dialect, POLICIES[policy])),)
        _check(policy, connection.execute("select * from orders order by id").fetchall(), [
            row[0] for row in connection.execute("select operation from holdfast.change order by id").fetchall()
        ])  # fmt: skip


@pytest.mark.parametrize("policy", [policy for policy in POLICIES if policy != "audit_row"])
def test_the_golden_sql_runs_on_sqlite(tmp_path: pathlib.Path, policy: str) -> None:
    dialect = dialect_for("sqlite")
    with contextlib.closing(sqlite3.connect(tmp_path / "test.db", isolation_level=None)) as connection:
        for statement in (*ddl(dialect), *dialect.install_journal("0", False)):
            connection.execute(statement)
        for each in protections(dialect, POLICIES[policy]).values():
            for statement in dialect.register(each):
                connection.execute(statement)
        for _ in range(2):
            connection.executescript((GOLDEN / "sqlite" / f"{policy}.sql").read_text(encoding="utf-8"))
        if policy == "permit":
            connection.execute("insert into holdfast_context (permissions) values ('order:*')")
        for statement in WRITES:
            connection.execute(statement)
        _check(policy, connection.execute("select * from orders order by id").fetchall(), [
            row[0] for row in connection.execute("select operation from holdfast_change order by id")
        ])  # fmt: skip


def _check(policy: str, rows: list[tuple[object, ...]], operations: list[str]) -> None:
    columns = list(ORDERS)
    third = rows[-1] if len(rows) == 3 else None
    if policy in ("soft_delete", "all_policies"):
        assert third is not None
        assert third[columns.index("deleted_at")] is not None
    else:
        assert third is None
    versions = [row[columns.index("version")] for row in rows]
    assert versions == {"version": [2, 3], "all_policies": [2, 3, 3]}.get(policy, [1] * len(rows))
    stamped = rows[0][columns.index("updated_at")] is not None
    assert stamped == (policy in ("timestamps", "all_policies"))
    assert ("U" in operations) == (policy in ("audit", "audit_row", "all_policies"))
    assert ("S" in operations) == (policy == "all_policies")
    assert ("D" in operations) == (policy in ("audit", "audit_row"))
