"""Who does what in a database: the duties, and the role that has each."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

Duty = Literal["owner", "migrator", "application", "read_only", "auditor", "all_tenants"]


@dataclass(frozen=True, slots=True)
class Roles:
    """The names of the database's roles by duty; None where nobody was given it.

    ``owner`` owns the tables and never logs in; ``migrator`` changes them in its name; ``application`` reads and writes
    rows of one tenant at a time, and owns nothing; ``read_only`` reads them; ``auditor`` reads the journal;
    ``all_tenants`` works across tenants, and each time that is recorded.

    >>> Roles(application="shop_app").scoped
    ('shop_app',)
    """

    owner: str | None = None
    migrator: str | None = None
    application: str | None = None
    read_only: str | None = None
    auditor: str | None = None
    all_tenants: str | None = None

    @property
    def scoped(self) -> tuple[str, ...]:
        """The roles to which one tenant's rows are shown at a time; none where no role was given that duty."""
        return tuple(role for role in (self.application, self.read_only) if role is not None)

    def by_duty(self) -> dict[str, str]:
        return {each.name: name for each in fields(self) if (name := getattr(self, each.name)) is not None}
