"""The statements that a revision runs for one table: what takes protection away, makes it, and completes it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field

from holdfast import __version__
from holdfast.dialects.base import Dialect
from holdfast.objects import DatabaseObject, Protection
from holdfast.steps import ON_TABLE, Installed, drop_order
from holdfast.tables import TableName


@dataclass(frozen=True)
class Made:
    """What makes protection in the revision's transaction, and what completes it after that."""

    statements: Sequence[str] = field(default_factory=list)
    finish: Sequence[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.statements)


@dataclass(frozen=True)
class Writing:
    """``ours`` are the tables that the revision itself makes or takes away: nobody else has to do with them."""

    dialect: Dialect
    installed: Installed
    ours: Set[TableName]

    def taking(self, name: TableName, objects: Iterable[DatabaseObject], ending: Protection | None) -> list[str]:
        """Takes the objects away; ``ending`` is what is not to be protected from then on."""
        ordered = sorted(objects, key=drop_order)
        statements = [*self._locks(ordered, exclusive=True), *(each for one in ordered for each in one.drop)]
        if ending is not None:
            statements += self.dialect.unregister(ending.relation)
        return self._noted(name, statements, [f"drop {each.kind} {each.name}" for each in ordered])

    def _noted(self, name: TableName, statements: list[str], actions: Sequence[str]) -> list[str]:
        return [*statements, self.dialect.revising.note(str(name), actions)] if statements else []

    def making(
        self,
        protection: Protection,
        objects: Sequence[DatabaseObject],
        *,
        register: bool,
        built: Sequence[DatabaseObject] = (),
    ) -> Made:
        """Functions first, which lock nothing; what is on a table last, under locks that are all taken at once. What is
        ``built`` before is only marked."""
        statements = list(self.dialect.register(protection)) if register else []
        on_table = [each for each in objects if each.kind in ON_TABLE and each not in built]
        for each in objects:
            if each.kind not in ON_TABLE:
                statements += self._made(each)
        if on_table:
            statements += self._locks(on_table, exclusive=any(each.kind != "trigger" for each in on_table))
            for each in on_table:
                statements += self._made(each)
        later = [] if protection.table.name in self.ours else [each for each in objects if each.finish]
        statements += [statement for each in objects if each not in later for statement in each.finish]
        # Each once: what all of them need in the same words is said by the last.
        marks = [
            statement for each in objects if each not in later for statement in self.dialect.mark(each, __version__)
        ]
        statements += reversed(dict.fromkeys(reversed(marks)))
        if on_table:
            statements += self.dialect.start_history(protection.relation)
        actions = [f"create {each.kind} {each.name}" for each in objects]
        return Made(self._noted(protection.table.name, statements, actions), self._finishing(protection, later))

    def _finishing(self, protection: Protection, later: Sequence[DatabaseObject]) -> list[str]:
        """Completes them after the commit, under weaker locks, in a transaction of its own."""
        statements = [
            statement for each in later for statement in (*each.finish, *self.dialect.mark(each, __version__))
        ]
        return self._noted(protection.table.name, statements, [f"validate {each.kind} {each.name}" for each in later])

    def _made(self, each: DatabaseObject) -> Iterator[str]:
        there = self.installed.get(each.identity)
        if there is not None and not there.replaceable:
            yield from each.drop
        yield from each.create

    def _locks(self, objects: Iterable[DatabaseObject], *, exclusive: bool) -> tuple[str, ...]:
        """None for what the revision itself makes or takes away: nobody else has to do with it."""
        tables = {each.table for each in objects if each.table is not None and each.kind in ON_TABLE}
        return self.dialect.revising.lock(sorted(tables - self.ours), exclusive=exclusive)
