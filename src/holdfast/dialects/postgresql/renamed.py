"""A table that was renamed or moved since it was protected: a function names it as it was, and another may have that name.

What the function says of its own table goes on by the table's number, and never to the table that took the name.
"""

from __future__ import annotations

from holdfast.dialects.postgresql.sql import literal, qualified
from holdfast.tables import TableInfo


def is_named(table: TableInfo) -> str:
    """A condition: the trigger's table has the name. Of parts, which have names of their own: some table has it."""
    if table.kind == "ordinary" and not table.inherits:
        return f"tg_table_name = {literal(table.name.name)} and tg_table_schema = {literal(table.name.schema)}"
    return f"to_regclass({literal(qualified(table.name))}) is not null"


def is_within(table: TableInfo) -> str:
    """A condition: what has the name is the trigger's table, or what that is a part of."""
    return f"""exists (
            with recursive above as (
                select tg_relid as oid
                union
                select i.inhparent from above as a join pg_inherits as i on i.inhrelid = a.oid
            )
            select from above as a where a.oid = to_regclass({literal(qualified(table.name))})
        )"""
