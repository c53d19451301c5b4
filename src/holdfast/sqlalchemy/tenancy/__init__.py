"""Tenants that each have a schema, or a database, of their own."""

from holdfast.sqlalchemy.tenancy.databases import DatabasePerTenant
from holdfast.sqlalchemy.tenancy.names import TenantNames
from holdfast.sqlalchemy.tenancy.registry import AsyncEngineRegistry, EngineRegistry
from holdfast.sqlalchemy.tenancy.schemas import SchemaPerTenant
from holdfast.sqlalchemy.tenancy.switching import keep_to_one_tenant

__all__ = [
    "AsyncEngineRegistry",
    "DatabasePerTenant",
    "EngineRegistry",
    "SchemaPerTenant",
    "TenantNames",
    "keep_to_one_tenant",
]
