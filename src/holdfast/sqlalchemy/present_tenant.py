"""The tenant of the work in hand, as a value of a column."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Column, ColumnDefault, ColumnElement, bindparam
from sqlalchemy.types import TypeEngine

from holdfast.context import current
from holdfast.errors import TenantError


def present_tenant() -> str:
    """The tenant of the work in hand; HF203 without one."""
    tenant = current().get("tenant")
    if tenant is None:
        raise TenantError(
            "HF203",
            "Rows of a tenant were asked for, and the work in hand is for none.",
            "Put it into a block: with holdfast.context(tenant=…). What is for all tenants goes through all_tenants().",
        )
    return str(tenant)


def present(kind: TypeEngine[Any]) -> Callable[[], Any]:
    """The present tenant as a value of the column."""
    convert: Callable[[str], Any] = kind.python_type

    def value() -> Any:
        tenant = present_tenant()
        try:
            return convert(tenant)
        except (ValueError, TypeError) as error:
            raise TenantError(
                "HF203",
                f"{tenant!r} names no tenant: it is not of type {kind}.",
                "Give context(tenant=…) what the column holds.",
            ) from error

    return value


def is_own(column: ColumnElement[Any]) -> ColumnElement[bool]:
    """A condition: the row is the present tenant's, whoever that is when the statement runs; HF203 without a tenant."""
    return column == bindparam("holdfast_tenant", callable_=present(column.type), type_=column.type, unique=True)


def give_default(column: Column[Any]) -> None:
    """A row that does not say whose it is is the present tenant's, by whatever statement it is inserted."""
    if column.default is None and column.server_default is None:
        value = present(column.type)
        default = ColumnDefault(lambda _: value())
        default.column = column
        column.default = default
