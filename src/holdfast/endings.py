"""Tables whose history so far ends, and a new one begins: by another key no row, by exchanged names no column is taken
for another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple

from holdfast.dialects.base import Dialect
from holdfast.inventory import Inventory
from holdfast.objects import Protection
from holdfast.steps import Step
from holdfast.stored import Ending, StoredRelation
from holdfast.tables import TableName
from holdfast.timeline import shown


class Former(NamedTuple):
    """A history that ends, and why."""

    stored: StoredRelation
    later: int
    """The number of the history that begins."""
    ending: Ending

    @property
    def name(self) -> str:
        return f"{shown(self.stored.table)}#{self.stored.id}"


def former_histories(inventory: Inventory, protections: Mapping[TableName, Protection]) -> dict[TableName, Former]:
    """The histories that end: what the journal is to call their tables is not what it did."""
    found = {}
    for number, table in inventory.matches.items():
        protection, stored = protections.get(table.name), inventory.relations[number]
        if protection is not None and protection.relation.id != number:
            # As it is to be: a key may come to be another one only by what is declared.
            why = stored.ending(protection.table)
            if why is not None:
                found[table.name] = Former(stored, protection.relation.id, why)
    return found


def ending(dialect: Dialect, former: Mapping[TableName, Former], steps: Iterable[Step]) -> list[Step]:
    """A former history ends in the transaction that begins the new one: no table is written down twice."""
    waiting = {str(name): each for name, each in former.items() if each.stored.protected}
    found = []
    for step in steps:
        # What is made online says nothing of what the journal calls the table.
        each = None if step.online else waiting.pop(step.title, None)
        if each is not None:
            ended = dialect.unregister(each.stored.as_relation())
            first = dialect.batch((*ended, *dialect.hand_over(each.stored.id, each.later)))
            said = f"{each.ending.reason}: keep the history so far as {each.name}, and begin a new one"
            step = replace(step, statements=(*first, *step.statements), actions=(said, *step.actions))
        found.append(step)
    return found


def notes_of_held(inventory: Inventory, former: Mapping[TableName, Former]) -> list[str]:
    """A hold names a row in one history, by its key there: it does not keep the row in another one."""
    return [
        f"Rows of {shown(name)} are under legal hold {each.ending.former}. Their holds keep the "
        f"history so far, and no longer the rows: hold these by the present key: holdfast hold {shown(name)} KEY. "
        f"End a former one, when it may end, with: holdfast hold {each.name} KEY --release."
        for name, each in former.items()
        if each.stored.id in inventory.held
    ]
