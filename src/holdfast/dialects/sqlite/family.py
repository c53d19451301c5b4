"""What goes with a row that is marked, and what comes back with it: each foreign key's own ON DELETE."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from holdfast.dialects.sqlite.defaults import default_value
from holdfast.dialects.sqlite.sql import all_of, any_of, literal, matching, quote, refusal, trigger
from holdfast.dialects.sqlite.statement import NOT_REVIVING, NOT_UNDOING, SETTLE, STAMP
from holdfast.objects import DatabaseObject, Protection, Protections
from holdfast.policies import Audit, SoftDelete, find
from holdfast.tables import ForeignKey, TableName


@dataclass(frozen=True, slots=True)
class Family:
    """Renders the steps that follow the foreign keys which point at one table.

    A table that cascades to itself is followed to the end by one recursive query, since its trigger would not fire
    within itself.
    """

    protection: Protection
    policy: SoftDelete
    protections: Protections
    undoing: bool = False
    """Whether the steps are those within an undo, which itself brings back what has a journal, stamps included."""

    @property
    def stamp(self) -> str:
        return f"new.{self.mark}" if self.undoing else STAMP

    @property
    def table(self) -> str:
        return quote(self.protection.table.name.name)

    @property
    def mark(self) -> str:
        return quote(self.policy.column)

    @property
    def identity(self) -> list[str]:
        return [quote(name) for name in self.protection.table.key]

    @property
    def own_keys(self) -> list[ForeignKey]:
        """The foreign keys by which the table cascades to itself."""
        return [key for key in self.keys if key.table == key.target and key.on_delete == "CASCADE"]

    @property
    def other_keys(self) -> list[ForeignKey]:
        return [key for key in self.keys if key not in self.own_keys]

    @property
    def keys(self) -> list[ForeignKey]:
        keys = self.protection.followers
        if not self.undoing:
            return list(keys)
        return [key for key in keys if key.on_delete == "CASCADE" and not self.has_journal(key.table)]

    def has_journal(self, table: TableName) -> bool:
        protection = self.protections.get(table)
        return protection is not None and protection.get(Audit) is not None

    def mark_of(self, table: TableName) -> str | None:
        protection = self.protections.get(table)
        policy = find(protection.policies, SoftDelete) if protection else None
        return quote(policy.column) if policy else None

    def members(self, condition: str) -> str:
        """A query for the keys of the row and of all below it that fulfil the condition on ``c``."""
        columns = ", ".join(f"k{number}" for number in range(len(self.identity)))
        joined = all_of(f"p.{name} is m.k{number}" for number, name in enumerate(self.identity))
        below = any_of(matching(key, "c", "p") for key in self.own_keys)
        return (
            f"with recursive members ({columns}) as (\n"
            f"    select {', '.join(f'new.{name}' for name in self.identity)}\n"
            f"    union\n"
            f"    select {', '.join(f'c.{name}' for name in self.identity)}\n"
            f"    from members as m\n"
            f"    join {self.table} as p on {joined}\n"
            f"    join {self.table} as c on {below}\n"
            f"    where {condition}\n"
            f")\nselect {columns} from members"
        )

    def below(self, key: ForeignKey, members: str, child: str = "") -> str:
        """A condition on the child's columns: it points at the row, or at one that goes with it."""
        columns = [f"{child}{quote(name)}" for name in key.columns]
        targets = [quote(name) for name in key.target_columns]
        if not self.own_keys:
            return all_of(f"new.{target} = {column}" for column, target in zip(columns, targets, strict=True))
        return (
            f"({', '.join(columns)}) in (\n    select {', '.join(f'f.{target}' for target in targets)}\n"
            f"    from {self.table} as f\n    where ({', '.join(f'f.{name}' for name in self.identity)}) in (\n{members}))"
        )

    # ------------------------------------------------------------------ steps

    def follow(self) -> list[str]:
        """Steps: children are marked with exactly the parent's stamp, let go of, or stand in the way."""
        steps: list[str] = []
        members = self.members(f"c.{self.mark} is null or c.{self.mark} is {self.stamp}")
        if self.own_keys:
            steps += [
                f"update {self.table}\nset {self.mark} = {self.stamp}\n"
                f"where {self.mark} is null and ({', '.join(self.identity)}) in (\n{members});",
                SETTLE,
            ]
        # What stands in the way is looked for last: what goes along is gone by then.
        for key in sorted(self.other_keys, key=lambda key: key.on_delete in ("RESTRICT", "NO ACTION")):
            steps += self._follow(key, members)
        return steps

    def _follow(self, key: ForeignKey, members: str) -> list[str]:
        target, mark = quote(key.table.name), self.mark_of(key.table)
        living = f" and {mark} is null" if mark else ""
        match key.on_delete:
            case "CASCADE":
                return [
                    f"update {target}\nset {mark} = {self.stamp}\nwhere {self.below(key, members)}{living};",
                    SETTLE,
                ]
            case "SET NULL" | "SET DEFAULT":
                assignments = ", ".join(f"{quote(name)} = {self._default(key, name)}" for name in key.columns)
                return [f"update {target}\nset {assignments}\nwhere {self.below(key, members)}{living};", SETTLE]
            case "RESTRICT" | "NO ACTION":
                refused = refusal(
                    "HF201",
                    f"A row of {key.target.name} cannot be deleted while rows of {key.table.name} refer to it ({key.name}).",
                    f"Delete the rows of {key.table.name} first.",
                )
                return [
                    f"select {refused}\nwhere exists (select 1 from {target} where {self.below(key, members)}{living});"
                ]

    def _default(self, key: ForeignKey, name: str) -> str:
        if key.on_delete == "SET NULL":
            return "null"
        child = self.protections.get(key.table)
        column = child.table.column(name) if child else None
        return default_value(column.default) if column and column.default is not None else "null"

    def revive(self) -> list[str]:
        """Steps: those that this very delete took come back, and no others."""
        steps: list[str] = []
        members = self.members(f"c.{self.mark} is old.{self.mark} or c.{self.mark} is null")
        if self.own_keys:
            others = self._other_parents(self.protection.table.name, self.own_keys)
            steps += [
                f"update {self.table}\nset {self.mark} = null\n"
                f"where {self.mark} is old.{self.mark} and ({', '.join(self.identity)}) in (\n{members}){others};",
                SETTLE,
            ]
        for key in self.other_keys:
            if key.on_delete == "CASCADE":
                mark = self.mark_of(key.table)
                steps += [
                    f"update {quote(key.table.name)}\nset {mark} = null\n"
                    f"where {self.below(key, members)} and {mark} is old.{self.mark}"
                    f"{self._other_parents(key.table, [key])};",
                    SETTLE,
                ]
        return steps

    def _other_parents(self, table: TableName, besides: list[ForeignKey]) -> str:
        """A condition: no other parent went with the same delete and is still dead. It will bring the row back."""
        child = self.protections.get(table)
        conditions = []
        for key in child.table.foreign_keys if child else ():
            mark = self.mark_of(key.target)
            if key in besides or mark is None:
                continue
            conditions.append(
                f"\n    and not exists (select 1 from {quote(key.target.name)} as o\n"
                f"        where {matching(key, quote(table.name), 'o')} and o.{mark} is old.{self.mark})"
            )
        return "".join(conditions)

    # ------------------------------------------------------------------ parents

    def under_dead_parents(self) -> list[str]:
        """Steps: a row does not come back under a dead parent, unless that is coming back just now as well."""
        return [
            f"select {_dead_parent(key)}\nfrom {quote(key.target.name)} as p\n"
            f"where {matching(key, 'new', 'p')} and p.{mark} is not null\n"
            f"    and (p.{mark} is not old.{self.mark} or {NOT_REVIVING});"
            for key in self.protection.table.foreign_keys
            if (mark := self.mark_of(key.target)) is not None
        ]

    def living_parents(self) -> Iterator[DatabaseObject]:
        """No living child may point at a dead parent, whoever writes the child."""
        for number, key in enumerate(self.protection.followers, start=1):
            columns = ", ".join(quote(name) for name in key.columns)
            for event, of in (("insert", ""), ("update", f" of {columns}")):
                yield self._living_parent(key, f"{event}_{self.protection.relation.id}_{number}", f"after {event}{of}")

    def _living_parent(self, key: ForeignKey, name: str, event: str) -> DatabaseObject:
        living = [f"new.{quote(column)} is not null" for column in key.columns]
        if mark := self.mark_of(key.table):
            # What is revived is looked at by the child's own trigger.
            living.append(f"new.{mark} is null")
        dead = f"{matching(key, 'new', 'p')} and p.{self.mark} is not null"
        return trigger(
            f"holdfast_living_{name}",
            key.table,
            event,
            [f"select {_dead_parent(key)}\nfrom {quote(key.target.name)} as p\nwhere {dead};"],
            when=all_of([*living, NOT_UNDOING]),
            policy="SoftDelete",
            purpose=f"refuses a living row of {literal(key.table.name)} under a deleted one of {literal(key.target.name)}",
        )


def _dead_parent(key: ForeignKey) -> str:
    return refusal(
        "HF201",
        f"A row of {key.table.name} cannot refer to a deleted row of {key.target.name}.",
        f"Restore the row of {key.target.name} first, or refer to a living one.",
    )
