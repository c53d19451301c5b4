"""Which tables have rows of a tenant, and which might and say nothing about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from holdfast.dialects.tenant_life import Rows, TenantLife
from holdfast.errors import RequestError, UnsupportedError
from holdfast.objects import Protections
from holdfast.tables import TableInfo, TableName

Shared = Mapping[str, str]
"""Tables of which no row is a tenant's, each with the reason."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A table that may have rows of a tenant, and says nothing about it."""

    table: str
    why: str

    def as_json(self) -> dict[str, str]:
        return {"table": self.table, "why": self.why}


@dataclass(frozen=True, slots=True)
class Manifest:
    """Every table with rows of a tenant: a table stands after those it refers to, unless they refer to each other,
    and then they are of one group."""

    groups: tuple[tuple[tuple[TableInfo, str | None], ...], ...]
    """Tables, each with the column that says whose a row is; None where the whole table is one tenant's."""
    gaps: tuple[Gap, ...]
    shared: Shared
    unrelated: tuple[str, ...] = ()
    """Tables that nothing of the schema connects with tenants, and that were not declared as shared."""
    schema: str | None = None
    """The schema that is one tenant's as a whole; None where tables have the rows of many."""
    home: str = "public"
    protections: Protections = field(default_factory=dict)
    relations: tuple[int, ...] = ()
    """Those tables as the journal calls them whose every row is, or was, the one tenant's."""

    @property
    def tables(self) -> tuple[str, ...]:
        return tuple(self.called(table.name) for group in self.groups for table, _ in group)

    def called(self, name: TableName) -> str:
        """The table's name in an archive: without the schema that everything of the tenant is in."""
        return name.name if name.schema == (self.schema or self.home) else str(name)

    def check(self, *, strict: bool = False) -> None:
        """HF481 where there are gaps; ``strict``, also where a table is neither a tenant's nor declared as shared."""
        gaps = [f"{each.table} ({each.why})" for each in self.gaps]
        if strict:
            gaps += [f"{name} (nothing connects it with a tenant)" for name in self.unrelated]
        if gaps:
            raise UnsupportedError(
                "HF481",
                f"It is not said whose rows these are: {'; '.join(gaps)}.",
                "Declare Tenant for the table, or say why no row of it is a tenant's: --shared TABLE=REASON.",
            )

    def rows_of(self, life: TenantLife, tenant: str) -> tuple[tuple[Rows, ...], ...]:
        """The rows that are the tenant's, group by group; HF480 where a column cannot have such a value."""
        return tuple(
            tuple(
                Rows(table, column, _spelled(life, table, column, tenant), self._whole(table)) for table, column in each
            )
            for each in self.groups
        )

    def _whole(self, table: TableInfo) -> bool:
        return self.schema is not None and table.name.schema == self.schema

    def as_json(self) -> dict[str, Any]:
        return {
            "schema": self.schema,
            "tables": [
                {"table": self.called(table.name), "column": column, "group": number}
                for number, group in enumerate(self.groups)
                for table, column in group
            ],
            "gaps": [each.as_json() for each in self.gaps],
            "shared": dict(self.shared),
            "unrelated": list(self.unrelated),
        }


def flat(rows: Sequence[Sequence[Rows]]) -> tuple[Rows, ...]:
    """Each table by itself. Those of the roles are closed like any other: an actor of the tenant may give them."""
    return tuple(each for group in rows for each in group)


def no_tenant(tenant: str) -> RequestError:
    return RequestError("HF480", f"There is no tenant {tenant!r}: no table has a row of it.", "Look at its spelling.")


def _spelled(life: TenantLife, table: TableInfo, column: str | None, tenant: str) -> str:
    info = table.column(column) if column is not None else None
    if info is None:
        return tenant
    spelled = life.spelled(info, tenant)
    if spelled is None:
        raise no_tenant(tenant)
    return spelled
