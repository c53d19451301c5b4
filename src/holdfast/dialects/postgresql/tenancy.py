"""Schemas and databases of tenants, and the search path that leads to one of them."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.dialects.postgresql.sql import quote
from holdfast.dialects.query import Query
from holdfast.dialects.tenancy import Tenancy

# The path is a parameter, so one statement serves all tenants, also where drivers keep statements prepared. pg_temp
# comes last: it is first where nobody names it, and then another client's temporary table, met through a pooler,
# would stand before the tenant's. The path itself does not say whether its schemas exist.
_USE = """\
select pg_catalog.set_config('search_path', :path, {local}) is not null
    and exists (select from pg_catalog.pg_namespace as n where n.nspname = :schema)"""


class PostgreSQLTenancy(Tenancy):
    """The search path ends with the transaction: nothing of a tenant stays on a connection."""

    def use_schemas(self, schemas: Sequence[str], *, for_transaction: bool) -> Query:
        path = ", ".join(quote(each) for each in (*schemas, "pg_temp"))
        sql = _USE.format(local="true" if for_transaction else "false")
        return Query(sql, {"schema": schemas[0], "path": path})

    def create_schema(self, name: str) -> str:
        return f"create schema {quote(name)}"

    def drop_schema(self, name: str) -> str:
        return f"drop schema {quote(name)} cascade"

    def schemas(self, prefix: str) -> Query:
        return Query(
            "select nspname::text from pg_catalog.pg_namespace where starts_with(nspname::text, :prefix) order by 1",
            {"prefix": prefix},
        )

    def grant_schema(self, name: str, role: str) -> tuple[str, ...]:
        schema, to = quote(name), quote(role)
        rows, numbers = "select, insert, update, delete on", "usage, select on"
        return (
            f"grant usage on schema {schema} to {to}",
            f"grant {rows} all tables in schema {schema} to {to}",
            f"grant {numbers} all sequences in schema {schema} to {to}",
            f"alter default privileges in schema {schema} grant {rows} tables to {to}",
            f"alter default privileges in schema {schema} grant {numbers} sequences to {to}",
        )

    def create_database(self, name: str, template: str) -> str:
        return f"create database {quote(name)} template {quote(template)}"

    def rename_database(self, name: str, to: str) -> str:
        return f"alter database {quote(name)} rename to {quote(to)}"

    def drop_database(self, name: str, *, force: bool) -> str:
        return f"drop database {quote(name)}{' with (force)' if force else ''}"

    def databases(self, prefix: str) -> Query:
        return Query(
            "select datname::text from pg_catalog.pg_database where starts_with(datname::text, :prefix) order by 1",
            {"prefix": prefix},
        )

    def try_lock(self, name: str) -> Query:
        return Query("select pg_catalog.pg_try_advisory_lock(pg_catalog.hashtextextended(:name, 0))", {"name": name})
