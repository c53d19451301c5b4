"""What stands in the way of a plan, said before anything is written: names, what users built, rights that lack."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.dialects.base import Dialect
from holdfast.errors import DeclarationError, UnsupportedError
from holdfast.inventory import Inventory
from holdfast.objects import DatabaseObject, InstalledObject
from holdfast.steps import Installed, Step, is_current
from holdfast.tables import TableName


def check_views(dialect: Dialect, inventory: Inventory, wanted: Iterable[DatabaseObject], installed: Installed) -> None:
    """HF413 where a view would show its readers more than the table does, HF111 where it cannot have its name."""
    seen: set[TableName] = set()
    for each in wanted:
        if each.kind != "view" or each.table is None:
            continue
        if inventory.version < dialect.features.live_view:
            oldest = ".".join(str(part) for part in dialect.features.live_view)
            raise UnsupportedError(
                "HF413",
                f"{each.table} is to have a live view, and {dialect.title} before {oldest} reads a view with the "
                "rights of its owner: it would show every reader all rows, past grants and row security.",
                f"Upgrade to {dialect.title} {oldest}, or take live_view away; who accepts that makes the view "
                f"by hand: CREATE VIEW {each.name} AS SELECT … WHERE … IS NULL.",
            )
        name = TableName(each.table.schema, each.name)
        if name in seen or (inventory.is_taken(name) and each.identity not in installed):
            raise DeclarationError(
                "HF111",
                f"The live view of {each.table} cannot be called {name}: there is something else of that name.",
                "Rename that, or give the view another name: SoftDelete(live_view='…').",
            )
        seen.add(name)
        there = installed.get(each.identity)
        if there is not None and not there.replaceable and not is_current(each, there):
            refuse_used([there])


def refuse_used(leaving: Iterable[InstalledObject]) -> None:
    """HF414 where something of the users' stands on what is to go."""
    for each in leaving:
        if each.used_by:
            raise UnsupportedError(
                "HF414",
                f"The {each.kind} {each.name} is to go or to be made anew, and this is built upon it: "
                f"{', '.join(each.used_by)}.",
                "Drop that first, or build it on the table itself.",
            )


def check_rights(inventory: Inventory, steps: Iterable[Step]) -> None:
    """HF404 before anything is written, where a step could not be finished."""
    usable = inventory.state.get("roles")
    if usable is None:
        return
    for step in steps:
        for name in step.tables:
            table = inventory.tables.get(name)
            if table is not None and table.owner not in usable:
                raise UnsupportedError(
                    "HF404",
                    f"{name} belongs to the role {table.owner!r}, and {inventory.state['role']!r} has not its rights.",
                    f"Connect as {table.owner!r}, or as a member of it.",
                )
        if inventory.has_journal and inventory.state["journal_owner"] not in usable:
            raise UnsupportedError(
                "HF404",
                f"The journal belongs to the role {inventory.state['journal_owner']!r}, and "
                f"{inventory.state['role']!r} has not its rights.",
                "Connect as the role that protected the first table, or as a superuser.",
            )
