"""A run: batch by batch, each in a transaction of its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection

from holdfast.database import Database, execute, explained
from holdfast.declaration import protections_of
from holdfast.dialects.base import Dialect
from holdfast.durations import Duration, duration
from holdfast.errors import UnsupportedError
from holdfast.holds import freeze
from holdfast.inspector import inspect
from holdfast.install import patiently
from holdfast.inventory import Inventory
from holdfast.moving_holds import follow_holds
from holdfast.objects import Protection, Protections
from holdfast.policies import SoftDelete
from holdfast.purging.family import Family, Node
from holdfast.purging.results import Left, Purged
from holdfast.steps import LOCK_TIMEOUT
from holdfast.tables import TableName
from holdfast.timeline import loads, moment, shown

Progress = Callable[[int, int], None]
"""Called with how many rows of the table were looked at, and of how many."""

MAX_LEFT = 1_000


def purge(
    database: Database,
    table: str,
    *,
    older_than: Duration | None = None,
    batch: int = 1_000,
    dry_run: bool = False,
    actor: str | None = None,
    deadline: float = 60.0,
    progress: Progress | None = None,
) -> Purged:
    """Really deletes the rows of ``table`` that were marked longer ago than ``older_than``, with their dead children.

    In the order of the key, each batch in a transaction of its own, so that a run may be interrupted and the next one
    goes on. Without ``older_than`` the table's ``SoftDelete(purge_after=…)`` counts: HF424 where it says nothing. HF412
    where the table is not soft-deleted, HF407 where rows stayed locked for ``deadline`` seconds. A dry run tells what
    would go, and changes nothing.
    """
    with database.snapshot() as connection:
        dialect, inventory = inspect(connection, database.dialect)
        inventory.check_journal("holdfast protect --all")
        protections = protections_of(inventory)
        protection = _protection(inventory, protections, table)
    if not dry_run:
        follow_holds(database, inventory)
    with database.snapshot() as connection:
        before = moment(execute(connection, dialect.past.now())[0][0]) - _age(protection, older_than)
        total, held = execute(connection, dialect.purging.count(protection, before))[0]
    with database.connect() as connection:
        run = _Run(connection, dialect, protections, protection, before, batch, dry_run, actor)
        looked_at = run.to_the_end(deadline, total - held, progress)
    dealt_with = looked_at if dry_run else run.purged[protection.table.name] + run.left_rows
    return Purged(
        shown(protection.table.name),
        before,
        {shown(name): number for name, number in sorted(run.purged.items())},
        tuple(run.left),
        run.left_rows,
        held,
        max(0, total - held - dealt_with),
    )


def _protection(inventory: Inventory, protections: Protections, table: str) -> Protection:
    info = inventory.resolve(table)
    protection = protections.get(info.name)
    if protection is None or protection.get(SoftDelete) is None:
        raise UnsupportedError(
            "HF412",
            f"{shown(info.name)} is not soft-deleted, so nothing marks rows that may go.",
            "Rows of a table without SoftDelete are really deleted at once.",
        )
    return protection


def _age(protection: Protection, given: Duration | None) -> Any:
    policy = protection.get(SoftDelete)
    wanted = given if given is not None or policy is None else policy.purge_after
    if wanted is None:
        raise UnsupportedError(
            "HF424",
            f"It is not said after how long rows of {shown(protection.table.name)} may be purged.",
            "Give --older-than 90d, or declare it: SoftDelete(purge_after=90).",
        )
    return duration(wanted)


def _follows(parent: Protection, child: Protection) -> bool:
    """Whether rows of the child may go: those that are marked, and those that are the rest of the very same row."""
    policy = parent.get(SoftDelete)
    return child.get(SoftDelete) is not None or (policy is not None and child.table.name.name in policy.parts)


@dataclass(slots=True)
class _Run:
    """One purge, batch by batch."""

    connection: Connection
    dialect: Dialect
    protections: Protections
    protection: Protection
    before: datetime
    size: int
    dry_run: bool
    actor: str | None
    purged: Counter[TableName] = field(default_factory=Counter)
    left: list[Left] = field(default_factory=list)
    left_rows: int = 0
    seen: set[Node] = field(default_factory=set)
    """What a dry run has counted already, since it is still there."""

    def to_the_end(self, deadline: float, expected: int, progress: Progress | None) -> int:
        """Batch after batch; how many rows were looked at."""
        looked_at, after = 0, None
        while True:
            rows = patiently(shown(self.protection.table.name), partial(self.batch_after, after), deadline)
            looked_at += len(rows)
            if progress is not None:
                progress(looked_at, max(expected, looked_at))
            if len(rows) < self.size:
                return looked_at
            after = rows[-1]

    def batch_after(self, after: Any) -> list[Any]:
        """The rows that were looked at, the last of which says where to go on."""
        with explained(self.dialect), self.connection.begin() as transaction:
            self._begin()
            rows = execute(
                self.connection,
                self.dialect.purging.candidates(self.protection, self.before, after, self.size),
            )
            name = self.protection.table.name
            tops = [(name, str(row[0])) for row in rows]
            family = self._family(tops)
            order = family.in_order(tops)
            counts = self._counted(order) if self.dry_run else self._delete(order, family)
            if self.dry_run:
                transaction.rollback()
            else:
                for query in self.dialect.unbind_context():
                    execute(self.connection, query)
        # Only now is it certain.
        self.purged.update(counts)
        stays = [(top, family.why[top]) for top in tops if top in family.why]
        self.left_rows += len(stays)
        self.left += [Left(shown(top[0]), loads(top[1]), why) for top, why in stays[: MAX_LEFT - len(self.left)]]
        return rows

    def _begin(self) -> None:
        context = {"actor": self.actor, "reason": "purge", "allow": "hard_delete,mass"}
        for query in self.dialect.bind_context(context):
            execute(self.connection, query)
        for statement in self.dialect.lock_settings(LOCK_TIMEOUT):
            execute(self.connection, statement)
        if settings := self.dialect.purging.settings():
            execute(self.connection, settings)
        freeze(self.connection, self.dialect)

    def _family(self, tops: list[Node]) -> Family:
        family = Family()
        level = {self.protection.table.name: [key for _, key in tops]}
        seen = set(tops)
        while level:
            following: dict[TableName, list[str]] = {}
            for name, keys in level.items():
                for child in self._referring(self.protections[name], keys, family):
                    if child not in seen:
                        seen.add(child)
                        following.setdefault(child[0], []).append(child[1])
            level = following
        family.settle()
        return family

    def _referring(self, parent: Protection, keys: list[str], family: Family) -> list[Node]:
        """The dead rows that refer to these, and must go first; what else refers to them keeps them."""
        name = parent.table.name
        found = []
        for key in parent.table.referenced_by:
            child = self.protections.get(key.table)
            soft = child if child is not None and _follows(parent, child) else None
            query = self.dialect.purging.referring(key, parent, soft, self.before, keys)
            for row in execute(self.connection, query):
                node = (name, str(row.parent))
                if soft is None:
                    family.why.setdefault(node, f"a row of {shown(key.table)} refers to it")
                    continue
                other = (key.table, str(row.key))
                if other == node:
                    continue
                if row.held:
                    family.why.setdefault(node, f"a row of {shown(key.table)} under legal hold refers to it")
                elif not row.expired:
                    family.why.setdefault(node, f"a row of {shown(key.table)} that lives, or died later, refers to it")
                else:
                    family.children.setdefault(node, set()).add(other)
                    found.append(other)
        return found

    def _delete(self, order: list[list[Node]], family: Family) -> Counter[TableName]:
        counts: Counter[TableName] = Counter()
        for level in order:
            keys: dict[TableName, list[str]] = {}
            for name, key in level:
                keys.setdefault(name, []).append(key)
            for name, listed in keys.items():
                query = self.dialect.purging.delete(self.protections[name], self.before, listed)
                gone = {str(row[0]) for row in execute(self.connection, query)}
                counts[name] += len(gone)
                for key in set(listed) - gone:
                    family.why.setdefault((name, key), "a trigger kept it from being deleted")
        return counts

    def _counted(self, order: list[list[Node]]) -> Counter[TableName]:
        new = {node for level in order for node in level} - self.seen
        self.seen |= new
        return Counter(name for name, _ in new)
