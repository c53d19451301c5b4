"""A tenant's rows closed to others, while they are moved or deleted: triggers that concern these rows alone."""

from __future__ import annotations

from holdfast.dialects.postgresql.sql import literal, qualified, quote
from holdfast.dialects.postgresql.tenant_rows import which
from holdfast.dialects.query import Query
from holdfast.dialects.tenant_life import Rows, TenantClosing
from holdfast.tables import TableInfo, TableName

_REFUSE = """\
create or replace function holdfast.refuse_closed() returns trigger
language plpgsql
as $holdfast$
begin
    raise exception using errcode = 'HF484',
        message = 'The rows of this tenant are being moved or deleted, and are not written meanwhile.',
        schema = tg_table_schema, table = tg_table_name,
        hint = 'Wait until that is done; see how far it is: holdfast tenants ledger TENANT.';
end
$holdfast$"""


class PostgreSQLTenantClosing(TenantClosing):
    def close(self, rows: Rows, digest: str) -> tuple[str, ...]:
        # Two that make the function at once would be in each other's way.
        made = ["select pg_advisory_xact_lock(hashtextextended('holdfast.refuse_closed', 0))", _REFUSE]
        free = f"current_setting('holdfast.tenant_at_work', true) is distinct from {literal(digest)}"
        for table in _targets(rows.table):
            for event, row in (("insert", "new"), ("update", "old"), ("delete", "old")):
                name = _lock_name(digest, event)
                own = "" if rows.whole else f"{which(rows, row)} and "
                made += [
                    f"drop trigger if exists {name} on {qualified(table)}",
                    f"create trigger {name} before {event} on {qualified(table)}\n"
                    f"    for each row when ({own}{free}) execute function holdfast.refuse_closed()",
                ]
        return tuple(made)

    def open(self, rows: Rows, digest: str) -> tuple[str, ...]:
        return tuple(
            f"drop trigger if exists {_lock_name(digest, event)} on {qualified(table)}"
            for table in _targets(rows.table)
            for event in ("insert", "update", "delete")
        )

    def may_write(self, digest: str) -> Query:
        return Query(
            "select set_config('holdfast.tenant_at_work', :digest, true),"
            " set_config('holdfast.allow', 'mass,hard_delete', true)",
            {"digest": digest},
        )


def _lock_name(digest: str, event: str) -> str:
    """Not one of those that protection consists of, which are compared with what was declared."""
    return quote(f"tenant_closed_{digest[:12]}_{event}")


def _targets(table: TableInfo) -> tuple[TableName, ...]:
    """A partition has the triggers of its table by itself; what inherits has not."""
    return (table.name,) if table.kind == "partitioned" else (table.name, *table.children)
