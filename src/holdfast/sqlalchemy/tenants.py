"""Rows of one tenant at a time: what a session may read and write.

The database holds it too, where it can hide rows: the condition that every read carries is what lets an index serve
it, what is loud where no tenant is named, and what is left where there is no row security.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import inspect
from sqlalchemy.orm import Mapper, Session, UOWTransaction

from holdfast.errors import TenantError
from holdfast.policies import Tenant
from holdfast.sqlalchemy.present_tenant import present, present_tenant
from holdfast.sqlalchemy.tables import policy_of

ACROSS = "holdfast.across_tenants"
"""The key in ``Session.info`` of a session that works across tenants, with its reason."""
TENANT = "holdfast.tenant"
"""The key in the ``info`` of a session, and of a connection, of the one tenant that it is of."""


def hold_to_tenant(session: Session) -> None:
    """A session that does not work across tenants is of the present one, from its first row to its end; HF203."""
    if ACROSS not in session.info:
        keep_to(session, present_tenant())


def keep_to(session: Session, tenant: str) -> None:
    """A session has the rows of one tenant in hand, and must not go over to another; HF203."""
    known = session.info.setdefault(TENANT, tenant)
    if known != tenant:
        raise switched("session", known, tenant)


def switched(what: str, known: str, tenant: str) -> TenantError:
    return TenantError(
        "HF203",
        f"This {what} is of tenant {known}, and cannot go over to {tenant}.",
        "Use a session of its own for each tenant, within the tenant's context.",
    )


def tenant_of(mapper: Mapper[Any]) -> str | None:
    """The attribute that says whose row it is, where the class has tenants."""
    for each in mapper.iterate_to_root():
        policy = policy_of(each.local_table, Tenant)
        if policy is not None:
            return each.get_property_by_column(each.local_table.c[policy.column]).key
    return None


def check_tenants(session: Session, flush: UOWTransaction, instances: Any) -> None:
    """A listener for ``before_flush``: nothing is written for another tenant, and a new row is the present one's."""
    if ACROSS in session.info:
        return
    for instance, key in _owned(session):
        hold_to_tenant(session)
        value = getattr(instance, key)
        here = present_tenant()
        if value is None:
            column = inspect(instance, raiseerr=True).mapper.columns[key]
            setattr(instance, key, present(column.type)())
        elif str(value) != here:
            name = type(instance).__name__
            raise TenantError(
                "HF203",
                f"{name} of tenant {value} was to be written, and the work in hand is for tenant {here}.",
                f"Leave {key} out: it is filled in by itself.",
            )


def _owned(session: Session) -> Iterator[tuple[Any, str]]:
    for instance in (*session.new, *session.dirty, *session.deleted):
        key = tenant_of(inspect(instance).mapper)
        if key is not None:
            yield instance, key
