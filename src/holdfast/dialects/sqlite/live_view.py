"""The view of the rows that live. It shows all columns, also those that the table gets later."""

from __future__ import annotations

from holdfast.dialects.sqlite.sql import qualified, quote
from holdfast.objects import DatabaseObject, Protection
from holdfast.policies import SoftDelete

MARKER = "-- holdfast: the living rows of relation "
"""Before the number of the relation; a comment stays in the catalog as it was given."""


def live_view(policy: SoftDelete, protection: Protection) -> tuple[DatabaseObject, ...]:
    table = protection.table
    name = policy.live_view_of(table.name.name)
    if name is None:
        return ()
    view = f"main.{quote(name)}"
    create = (
        f"create view {view} as\n{MARKER}{protection.relation.id}\n"
        f"select * from {qualified(table.name)} where {quote(policy.column)} is null"
    )
    drop = f"drop view if exists {view}"
    return (DatabaseObject("view", name, table.name, "SoftDelete", (drop, create), (drop,)),)
