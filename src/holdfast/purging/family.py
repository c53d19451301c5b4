"""Rows that refer to each other: which of them can go, and in which order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from holdfast.tables import TableName
from holdfast.timeline import shown

Node = tuple[TableName, str]
"""A row: its table, and its key as JSON."""


@dataclass(slots=True)
class Family:
    """Rows that are to go, what refers to them, and which of them cannot go."""

    children: dict[Node, set[Node]] = field(default_factory=dict)
    why: dict[Node, str] = field(default_factory=dict)

    def settle(self) -> None:
        """Whoever is referred to by a row that stays, stays; rows that refer to each other in a circle stay too."""
        parents: dict[Node, set[Node]] = {}
        for parent, children in self.children.items():
            for child in children:
                parents.setdefault(child, set()).add(parent)
        waiting = list(self.why)
        while waiting:
            stays = waiting.pop()
            for parent in parents.get(stays, ()):
                if parent not in self.why:
                    self.why[parent] = f"a row of {shown(stays[0])} that stays refers to it"
                    waiting.append(parent)

    def in_order(self, tops: Iterable[Node]) -> list[list[Node]]:
        """The rows below those that go, and these themselves, each after all that refer to it."""
        heights: dict[Node, int] = {}
        going = [top for top in tops if top not in self.why]
        reached = set(going)
        waiting = list(going)
        while waiting:
            for child in self.children.get(waiting.pop(), ()):
                if child not in reached:
                    reached.add(child)
                    waiting.append(child)
        pending = {node: len(self.children.get(node, ())) for node in reached}
        parents: dict[Node, list[Node]] = {}
        for node in reached:
            for child in self.children.get(node, ()):
                parents.setdefault(child, []).append(node)
        level = [node for node, number in pending.items() if not number]
        order: list[list[Node]] = []
        while level:
            order.append(sorted(level))
            following = []
            for node in level:
                heights[node] = len(order)
                for parent in parents.get(node, ()):
                    pending[parent] -= 1
                    if not pending[parent]:
                        following.append(parent)
            level = following
        for node in reached - heights.keys():
            self.why[node] = "it is part of a circle of rows that refer to each other"
        return order
