"""Declared objects against installed ones: is everything as it was declared?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from holdfast.declaration import declare
from holdfast.dialects.base import Dialect
from holdfast.errors import DeclarationError
from holdfast.inventory import Inventory
from holdfast.objects import DatabaseObject, InstalledObject, State
from holdfast.policies import Policy
from holdfast.tables import TableName

JOURNAL = "journal"
"""What stands for the table in the states of the journal's own objects."""
PARTITION = "partition"
"""How the object begins that ``holdfast maintain`` makes, and not ``protect``."""


@dataclass(frozen=True, slots=True)
class ObjectState:
    """One declared or installed object, and how it stands."""

    table: str
    policy: str
    object: str
    state: State

    def as_json(self) -> dict[str, str]:
        return {"table": self.table, "policy": self.policy, "object": self.object, "state": self.state}


def status(
    dialect: Dialect, inventory: Inventory, declared: Mapping[TableName, Sequence[Policy]] | None = None
) -> list[ObjectState]:
    """The state of every object, table by table, the journal's own last; all ``current`` means: as declared.

    ``declared`` is what models or a file say; without it what the database remembers is compared.
    """
    declaration = declare(dialect, inventory, declared or {}, add_columns=True)
    installed = {each.identity: each for each in inventory.installed}
    endings = {
        table.name: inventory.relations[number].ending(table)
        for number, table in inventory.matches.items()
        if inventory.relations[number].protected
    }
    states: list[ObjectState] = []
    seen: set[tuple[str, str, str]] = set()
    for name, protection in declaration.protections.items():
        table = str(name)
        missing = declaration.new_columns.get(name, ())
        states += [ObjectState(table, "", f"column {column}", "missing") for column, _ in missing]
        try:
            objects = dialect.objects(protection, declaration.protections)
        except DeclarationError as error:
            states.append(ObjectState(table, "", error.message, "outdated"))
            # Which objects are its own cannot be said, so no function is called orphaned.
            seen |= {each.identity for each in inventory.installed if each.table in (name, None)}
            continue
        seen |= {each.identity for each in objects}
        states += [
            ObjectState(table, each.policy, f"{each.kind} {each.name}", _state(each, installed.get(each.identity)))
            for each in objects
        ]
        stored = inventory.relations.get(protection.relation.id)
        ending = endings.get(name)
        if ending is not None:
            states.append(ObjectState(table, "", ending.state, "outdated"))
        elif stored is None or not stored.protected or not stored.describes(protection.table):
            states.append(ObjectState(table, "", "table description", "outdated"))
    states += _gone(inventory)
    states += [
        ObjectState(str(left.table or ""), "", f"{left.kind} {left.name}", "orphaned")
        for left in inventory.installed
        if left.per_table and left.identity not in seen
    ]
    return states + _journal(dialect, inventory, installed)


def _gone(inventory: Inventory) -> list[ObjectState]:
    matches = inventory.matches
    return [
        ObjectState(str(stored.table), "", "table", "missing")
        for stored in inventory.relations.values()
        if stored.protected and stored.id not in matches
    ]


def _journal(
    dialect: Dialect, inventory: Inventory, installed: Mapping[tuple[str, str, str], InstalledObject]
) -> list[ObjectState]:
    if not inventory.has_journal:
        return []
    return [
        *(
            ObjectState(JOURNAL, "", f"{each.kind} {each.name}", _state(each, installed.get(each.identity)))
            for each in dialect.journal_objects()
        ),
        *(
            ObjectState(JOURNAL, "", f"column {column} of {table}", "missing")
            for table, column in inventory.state.get("lacking") or ()
        ),
        *(ObjectState(JOURNAL, "", f"{PARTITION} {month}", "missing") for month in inventory.gaps),
    ]


def _state(wanted: DatabaseObject, there: InstalledObject | None) -> State:
    if there is None:
        return "missing"
    if not there.enabled:
        return "disabled"
    if there.altered:
        return "altered"
    return "current" if there.source == wanted.checksum else "outdated"
