"""What the journal has of a tenant's rows."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.dialects.postgresql.exporting import exported
from holdfast.dialects.postgresql.sql import quote
from holdfast.dialects.query import Query
from holdfast.dialects.retention import Part
from holdfast.dialects.tenant_life import TenantHistory

# Where a table is one tenant's as a whole, its changes need not say so.
_OWNED = "(c.tenant = :tenant or c.relation = any (cast(:relations as integer[])))"
# Recorded before the table had tenants: known by the key of a row that was recorded later as the tenant's.
_UNOWNED = """\
c.tenant is null and exists (
        select from holdfast.change as o
        where o.relation = c.relation and o.key = c.key and o.tenant = :tenant)"""


class PostgreSQLTenantHistory(TenantHistory):
    def held(self, tenant: str, relations: Sequence[int]) -> Query:
        return Query(
            "select r.schema_name, r.table_name, h.key\nfrom holdfast.hold as h\n"
            "join holdfast.relation as r on r.id = h.relation\nwhere exists (\n"
            f"    select from holdfast.change as c where c.relation = h.relation and c.key = h.key and {_OWNED})\n"
            "limit 1",
            {"tenant": tenant, "relations": list(relations)},
        )

    def count(self, tenant: str, relations: Sequence[int]) -> Query:
        return Query(
            f"select count(*) from holdfast.change as c where {_OWNED} or {_UNOWNED}",
            {"tenant": tenant, "relations": list(relations)},
        )

    def in_part(
        self,
        part: Part,
        piece: tuple[int, int],
        tenant: str,
        relations: Sequence[int],
        unsealed: str,
        *,
        unowned: bool,
    ) -> Query:
        return Query(
            f"select c.id, c.relation\nfrom only holdfast.{quote(part.name)} as c\n"
            f"where c.ctid >= '({piece[0]},0)'::tid and c.ctid < '({piece[1]},0)'::tid and not {unsealed}\n"
            f"    and {_UNOWNED if unowned else _OWNED}",
            {"tenant": tenant} if unowned else {"tenant": tenant, "relations": list(relations)},
        )

    def lines(self, tenant: str, relations: Sequence[int]) -> Query:
        return Query(
            f"select {exported()}\nfrom holdfast.change as c\n"
            "left join holdfast.transaction as t on t.xid = c.xid and t.at = c.at\n"
            f"where {_OWNED} or {_UNOWNED}\norder by c.id",
            {"tenant": tenant, "relations": list(relations)},
        )
