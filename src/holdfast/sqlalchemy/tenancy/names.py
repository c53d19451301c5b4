"""What a tenant may be called, and what its schema or database is called then."""

from __future__ import annotations

import re
from dataclasses import dataclass

from holdfast.context import current
from holdfast.errors import DeclarationError, RequestError, TenantError

_SAFE = re.compile(r"[a-z0-9_-]+")
"""What every name is held to, whatever the pattern: fit for an identifier, for a file's name and for a URL."""
_LONGEST = 63
"""PostgreSQL cuts off what is longer, and two tenants would be one."""


@dataclass(frozen=True, slots=True)
class TenantNames:
    """Which names a tenant may have, and the prefix of its schema or database.

    The prefix keeps tenants apart from everything else that the server has: a tenant called ``public`` lives in
    ``tenant_public``. ``pattern`` is matched against the whole name; whatever it allows, a name is made of
    ``a-z 0-9 _ -`` alone. HF490 for a name that is not allowed.

    >>> names = TenantNames()
    >>> names.identifier("acme"), names.tenant("tenant_acme"), names.tenant("public")
    ('tenant_acme', 'acme', None)
    >>> TenantNames(pattern="[0-9a-f-]{36}").identifier("0190a1b2-0000-7000-8000-000000000001")
    'tenant_0190a1b2-0000-7000-8000-000000000001'
    """

    prefix: str = "tenant_"
    pattern: str = "[a-z][a-z0-9_]{0,40}"

    def __post_init__(self) -> None:
        if not re.fullmatch("[a-z][a-z0-9_]*", self.prefix) or self.prefix.startswith("pg_"):
            raise DeclarationError(
                "HF490",
                f"The prefix {self.prefix!r} does not keep tenants apart from what else the server has.",
                "Take one of a-z, 0-9 and _ that begins with a letter, and not with pg_.",
            )

    def check(self, tenant: object) -> str:
        """The name, if it is one; HF490 otherwise."""
        if (
            not isinstance(tenant, str)
            or not re.fullmatch(self.pattern, tenant)
            or not _SAFE.fullmatch(tenant)
            or len(self.prefix + tenant) > _LONGEST
        ):
            raise TenantError(
                "HF490",
                f"{str(tenant)[:80]!r} cannot be the name of a tenant.",
                f"It has to match {self.pattern}, of a-z, 0-9, _ and - alone, "
                f"and be no longer than {_LONGEST - len(self.prefix)}.",
            )
        return tenant

    def identifier(self, tenant: object) -> str:
        """What its schema or database is called, not quoted."""
        return self.prefix + self.check(tenant)

    def tenant(self, identifier: str) -> str | None:
        """Whose schema or database that is; None where it is no tenant's."""
        tenant = identifier.removeprefix(self.prefix)
        allowed = identifier.startswith(self.prefix) and re.fullmatch(self.pattern, tenant) and _SAFE.fullmatch(tenant)
        return tenant if allowed else None

    def present(self) -> str:
        """The tenant of the context in hand; HF491 where there is none, HF490 where it is none."""
        tenant = current().get("tenant")
        if tenant is None:
            raise TenantError(
                "HF491",
                "A transaction began without a tenant, so there is nothing that it may see.",
                'Begin it within holdfast.context(tenant="…"). What belongs to no tenant is read with another engine.',
            )
        return self.check(tenant)


def unknown(tenant: str) -> RequestError:
    return RequestError("HF494", f"There is no tenant {tenant!r}.", "Make it first: create(tenant).")
