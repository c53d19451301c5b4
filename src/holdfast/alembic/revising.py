"""Protection as it is against protection as the models declare it, as operations of one revision."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from holdfast.alembic.foreseeing import Foreseen, Touched
from holdfast.alembic.protecting import ProtectOp, UnprotectOp
from holdfast.alembic.writing import Made, Writing
from holdfast.declaration import as_declared, carrying_tenants, parents_first, protections_of
from holdfast.dialects.base import Dialect
from holdfast.errors import DeclarationError
from holdfast.inventory import Inventory
from holdfast.journal import Relation
from holdfast.objects import DatabaseObject, InstalledObject, Protection, Protections
from holdfast.policies import Policy
from holdfast.steps import Identity, drop_order, is_current
from holdfast.tables import TableInfo, TableName

_NUMBERS = 2**23 - 1
"""What SQLite keeps in three bytes."""


def new_relation(table: TableInfo, taken: Container[int]) -> Relation:
    """What the journal is to call a table that it does not know: the same number in every database.

    It comes from the name, so that SQL which holds it can be written before it runs, for many databases, and on
    branches that are merged; where it is taken the next one is.
    """
    digest = hashlib.sha256("\0".join(table.name).encode()).digest()
    number = int.from_bytes(digest[:8]) % _NUMBERS + 1
    while number in taken:
        number = number % _NUMBERS + 1
    return Relation(number, table.name, table.key, {c.name: i for i, c in enumerate(table.columns, 1)})


@dataclass
class Side:
    """What holds before the revision, or after it."""

    protections: Protections
    objects: dict[TableName, tuple[DatabaseObject, ...]] = field(default_factory=dict)
    whole: bool = True
    """Whether all of it could be said: a table that was altered by hand may no longer bear its declaration."""

    @cached_property
    def identities(self) -> dict[Identity, DatabaseObject]:
        return {each.identity: each for listed in self.objects.values() for each in listed}


@dataclass
class Building:
    """What each way builds before all else, outside of transactions."""

    up: list[DatabaseObject] = field(default_factory=list)
    down: list[DatabaseObject] = field(default_factory=list)


@dataclass
class Revision:
    """Compares, and writes the operations that stand before and after those of the tables."""

    dialect: Dialect
    inventory: Inventory
    foreseen: Foreseen
    declared: Mapping[TableName, Sequence[Policy]]
    """What the models say of each of their tables; nothing for one that is not to be protected."""

    def operations(self) -> tuple[list[UnprotectOp], list[ProtectOp]]:
        self.installed = {each.identity: each for each in self.inventory.installed}
        self.writing = Writing(self.dialect, self.installed, self.foreseen.created | self.foreseen.dropped)
        self.before = self._before()
        self.after = self._after()
        first, last = [], []
        self.built = Building()
        names = [each.table.name for each in parents_first(self.after.protections)]
        # What goes, goes children first.
        names += [name for name in reversed(list(self.before.protections)) if name not in self.after.protections]
        for name in names:
            detach, attach = self._table(name)
            if detach is not None:
                first.append(detach)
            if attach is not None:
                last.append(attach)
        first += self._gone()
        if orphans := self._orphans():
            first.insert(0, orphans)
        # On the way down the first come last: a parent's own must be there before what its children need.
        return list(reversed(first)), last

    # ------------------------------------------------------------------ the two sides

    @property
    def sides(self) -> tuple[Side, Side]:
        return self.before, self.after

    def _before(self) -> Side:
        side = Side(protections_of(self.inventory))
        for name, each in side.protections.items():
            try:
                side.objects[name] = self.dialect.objects(each, side.protections)
            except DeclarationError:
                side.objects[name] = ()
                side.whole = False
        return side

    def _after(self) -> Side:
        matches = self.inventory.matches
        # A table that comes again goes on under the number that it had.
        stored = {each.table: each for each in self.inventory.relations.values() if each.id not in matches}
        stored |= {table.name: self.inventory.relations[number] for number, table in matches.items()}
        protections: dict[TableName, Protection] = {}
        taken = set(self.inventory.relations)
        kept = self.before.protections
        for name, table in self.foreseen.tables.items():
            policies: Sequence[Policy] | None = self.declared.get(name)
            if policies is None and name in kept:
                policies = kept[name].policies
            if not policies:
                continue
            known = stored.get(name)
            if known is None:
                relation = new_relation(table, taken)
                taken.add(relation.id)
            else:
                relation = known.for_table(table)
                if table.key and known.ending(table) is not None:
                    # What the journal has so far may be of other rows or columns.
                    relation = replace(relation, id=new_relation(table, taken).id)
                    taken.add(relation.id)
            added = known.added if known is not None and known.protected else ()
            added = tuple(column for column in added if table.column(column) is not None)
            protections[name] = Protection(as_declared(table, relation, policies), relation, tuple(policies), added)
        protections = carrying_tenants(self.dialect, protections)
        side = Side(protections)
        if protections == self.before.protections:
            # Rendering is what takes longest.
            return self.before
        for name, each in protections.items():
            try:
                side.objects[name] = self.dialect.objects(each, protections)
            except DeclarationError:
                if name in self.declared:
                    raise
                # Not for these models to mend.
                side.objects[name] = self.before.objects.get(name, ())
                side.whole = False
        return side

    # ------------------------------------------------------------------ one table

    def _table(self, name: TableName) -> tuple[UnprotectOp | None, ProtectOp | None]:
        """What stands before the operations of the tables, and what stands after them, each with its way back."""
        before, after = self.before.protections.get(name), self.after.protections.get(name)
        dropping_up, making_up = self._moving(name, up=True)
        dropping_down, making_down = self._moving(name, up=False)
        dropping_up = [each for each in dropping_up if each.identity in self.installed]
        registering = after is not None and not self._is_registered(after)
        expected = self._expected(before, after)
        # A history ends with its table's protection, or where the table has another key.
        ends = before is None or after is None or self._is_another_history(name)
        first_up = self.writing.taking(name, dropping_up, before if ends else None)
        last_down, last_up = Made(), Made()
        if before is not None:
            again = registering or ends or bool(making_down)
            built = self._built(name, making_down, up=False)
            former = before
            if ends and after is not None:
                # What was known by the former key still is: `status` says that the table has another one.
                known = self.inventory.relations[before.relation.id]
                former = replace(before, table=replace(before.table, key=known.key))
            last_down = self.writing.making(former, making_down, register=again, built=built)
        if after is not None:
            built = self._built(name, making_up, up=True)
            last_up = self.writing.making(after, making_up, register=registering, built=built)
        first_down = self.writing.taking(name, dropping_down, after if ends else None)
        detach = attach = None
        if first_up or last_down:
            actions = [f"drop {each.kind} {each.name}" for each in dropping_up]
            first = [expected, *first_up] if first_up else []
            detach = UnprotectOp(str(name), first, last_down.statements, actions=actions, back_finish=last_down.finish)
        if last_up or (detach is not None and first_down):
            told = [] if first_up or not last_up else [expected]
            actions = self._actions(making_up, registering)
            attach = ProtectOp(
                str(name), [*told, *last_up.statements], first_down, actions=actions, finish=last_up.finish
            )
        return detach, attach

    def _is_another_history(self, name: TableName) -> bool:
        """Whether the table has another key afterwards: then the journal calls it by another number."""
        before, after = self.before.protections.get(name), self.after.protections.get(name)
        return before is not None and after is not None and before.relation.id != after.relation.id

    def _moving(self, name: TableName, *, up: bool) -> tuple[list[DatabaseObject], list[DatabaseObject]]:
        """What has to go before the operations of the tables, and what has to be made after them."""
        here, there = (self.before, self.after) if up else (self.after, self.before)
        all_go = self._is_another_history(name)
        leaving = [
            each
            for each in here.objects.get(name, ())
            if all_go or each.identity not in there.identities or self._in_the_way(each, up=up)
        ]
        gone = {each.identity for each in leaving}
        making = [
            each
            for each in there.objects.get(name, ())
            if each.identity in gone
            or (
                not is_current(each, self.installed.get(each.identity))
                if up
                else here is not there
                and (each.identity not in here.identities or here.identities[each.identity].checksum != each.checksum)
            )
        ]
        return leaving, making

    def _built(self, name: TableName, making: Sequence[DatabaseObject], *, up: bool) -> list[DatabaseObject]:
        """Indexes that are built first of all, while others write: of tables that are there and are not made over."""
        table = (self.inventory.tables if up else self.foreseen.tables).get(name)
        if table is None or name in self.foreseen.created | self.foreseen.dropped:
            return []
        there = self.installed if up else self.after.identities
        touched = self.foreseen.touched.get(name, Touched())
        kept = {each.name for each in table.columns} - touched.up - touched.down
        built = [each for each in making if each.online and each.identity not in there and kept >= set(each.columns)]
        (self.built.up if up else self.built.down).extend(built)
        return built

    def _in_the_way(self, each: DatabaseObject, *, up: bool) -> bool:
        if each.kind == "function":
            return False
        way = self.dialect.revising.in_the_way
        for table, touched in self.foreseen.touched.items():
            if touched.rebuilt and way(each, table, touched.up if up else touched.down):
                return True
        goes = self.foreseen.dropped if up else self.foreseen.created
        return self.dialect.revising.autoindexes and any(way(each, table, ()) for table in goes)

    def _expected(self, before: Protection | None, after: Protection | None) -> str:
        known: dict[TableName, list[tuple[int, str]]] = {}
        for each in (before, after):
            if each is not None:
                pairs = [(number, column) for column, number in each.relation.columns.items()]
                known.setdefault(each.table.name, []).extend(pairs)
        protection = after or before
        assert protection is not None
        if before is not None and self._is_another_history(protection.table.name):
            # The journal knows the table by the former number until then.
            protection = before
        return self.dialect.revising.expect(protection.relation, known)

    def _is_registered(self, protection: Protection) -> bool:
        """Whether the database remembers just this: the table as it will be, and what must hold for it."""
        stored = self.inventory.relations.get(protection.relation.id)
        return (
            stored is not None
            and stored.protected
            and (stored.policies, stored.added) == (protection.policies, protection.added)
            and (not stored.oid or stored.is_same(protection.table))
            and stored.describes(protection.table)
        )

    # ------------------------------------------------------------------ what is said, and what is left over

    def _actions(self, objects: Iterable[DatabaseObject], registering: bool) -> list[str]:
        actions = ["write down what is declared"] if registering else []
        for each in objects:
            there = self.installed.get(each.identity)
            actions.append(f"{_verb(there)} {each.kind} {each.name}")
        return actions

    def _gone(self) -> Iterator[UnprotectOp]:
        """A table that somebody dropped needs no protection; its history stays."""
        matches = self.inventory.matches
        for stored in self.inventory.relations.values():
            if stored.protected and stored.id not in matches and stored.table not in self.foreseen.tables:
                action = "the table is gone: keep its history, protect it no longer"
                yield UnprotectOp(str(stored.table), self.dialect.unregister(stored.as_relation()), actions=[action])

    def _orphans(self) -> UnprotectOp | None:
        """Ours, and of no declaration: what an interruption left."""
        if not (self.before.whole and self.after.whole):
            return None
        known = {**self.before.identities, **self.after.identities}
        left = sorted(
            (each for each in self.inventory.installed if each.per_table and each.identity not in known), key=drop_order
        )
        statements = [statement for each in left for statement in self.dialect.drop_installed(each)]
        actions = [f"drop {each.kind} {each.name}" for each in left]
        return UnprotectOp("left over", statements, actions=actions) if left else None


def _verb(there: InstalledObject | None) -> str:
    if there is None:
        return "create"
    return "switch on" if not there.enabled else "mend" if there.altered else "replace"
