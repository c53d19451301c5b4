"""Which rows are a tenant's, and their values in a copy, which may be for another tenant."""

from __future__ import annotations

from holdfast.dialects.postgresql.sql import literal, quote
from holdfast.dialects.tenant_life import Rows


def which(rows: Rows, row: str = "t") -> str:
    """A condition over a row: it is the tenant's. The constant takes the column's type."""
    if rows.whole or rows.column is None:
        return "true"
    return f"{row}.{quote(rows.column)} = {literal(rows.tenant)}"


def value(rows: Rows, name: str) -> str:
    """A role is of its tenant or of every one, and a copy says which: it may become another tenant's."""
    column = f"t.{quote(name)}"
    if not _is_relative(rows, name):
        return column
    return f"case when {column} = '' then '' when {column} is not null then 'own' end"


def given(rows: Rows, name: str) -> str:
    column = f"s.{quote(name)}"
    if not _is_relative(rows, name):
        return column
    return f"case when {column} = 'own' then {literal(rows.tenant)} else {column} end"


def _is_relative(rows: Rows, name: str) -> bool:
    return rows.table.name.schema == "holdfast" and name in ("parent_tenant", "role_tenant")
