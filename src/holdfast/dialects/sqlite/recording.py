"""What the recording triggers of one table say: which columns, which key, which steps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from holdfast.dialects.sqlite.pairs import Event, makes_pairs_agree, pair_with, pairs_of
from holdfast.dialects.sqlite.sql import all_of, any_of, differ, joined, quote, same
from holdfast.dialects.sqlite.statement import NOT_KEEPING, NOW, STAMP, UNDOING
from holdfast.dialects.sqlite.values import HIDDEN, WAITING, key_of
from holdfast.objects import Protection
from holdfast.policies import Audit, SoftDelete
from holdfast.tables import ColumnInfo

# Written before the first change of a transaction. With a context its token tells transactions apart; without one
# each statement is a transaction of its own, which is all that SQLite lets a trigger see.
TRANSACTION = f"""\
insert into holdfast_transaction (at, statement, token, actor, tenant, reason, context)
select {NOW}, s.number, c.token, c.actor, c.tenant, c.reason, c.context
from holdfast_statement as s
left join holdfast_context as c on c.id = 1
where not exists (
    select 1 from holdfast_transaction as t
    where t.id = (select max(id) from holdfast_transaction)
        and case when c.token is null then t.token is null and t.statement = s.number else t.token = c.token end
);"""

# SQLite takes 500 SELECTs in one compound at most.
AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Recorder:
    """Renders the parts of the recording triggers of one table."""

    protection: Protection
    policy: Audit

    @property
    def relation(self) -> int:
        return self.protection.relation.id

    @property
    def table(self) -> str:
        return quote(self.protection.table.name.name)

    @property
    def key(self) -> tuple[str, ...]:
        return self.protection.table.key

    @property
    def mark(self) -> str | None:
        soft_delete = self.protection.get(SoftDelete)
        return soft_delete.column if soft_delete else None

    @property
    def kept(self) -> list[ColumnInfo]:
        """The columns of which the journal may say anything. Generated ones follow from the others."""
        return [column for column in self.protection.table.writable if column.name not in self.policy.exclude]

    @property
    def compared(self) -> list[ColumnInfo]:
        return [column for column in self.kept if column.name not in self.protection.stamps]

    # ------------------------------------------------------------------ conditions

    def key_differs(self) -> str:
        return any_of(differ(f"old.{quote(name)}", f"new.{quote(name)}") for name in self.key)

    def after(self, column: str, event: Event = "update") -> str:
        """An expression: what the row has in the column when the write is done."""
        pair = pair_with(pairs_of(self.protection.table), column)
        return f"new.{quote(column)}" if pair is None else f"({pair.after(column, event)})"

    def outside(self, condition: str) -> str:
        """The condition, but for the UPDATE by which two columns of an expansion are made to agree.

        Nor while a stamp is put right: what such a row is going to be was seen before.
        """
        ours = makes_pairs_agree(self.protection.table)
        return f"{NOT_KEEPING} and not {ours} and ({condition})" if ours else condition

    def differs(self, column: ColumnInfo) -> str:
        old, new = f"old.{quote(column.name)}", self.after(column.name)
        if column.name == self.mark:
            # A stamp cannot be moved: what is written over it is taken back.
            return f"case when {UNDOING} then {differ(old, new)} else ({old} is null) <> ({new} is null) end"
        return differ(old, new)

    def changed(self) -> str:
        others = any_of(self.differs(column) for column in self.compared if column.name != self.mark)
        marks = [self.differs(column) for column in self.compared if column.name == self.mark]
        return any_of([others, *marks])

    def match(self, value: str = "new.{}") -> str:
        """The row that has this key exactly, found through the table's own index."""
        names = [quote(name) for name in self.key]
        return all_of(f"t.{name} is {value.format(name)} and {same(f't.{name}', value.format(name))}" for name in names)

    # ------------------------------------------------------------------ the order of what happened

    def overtaken(self, row: str = "new", event: Event = "update") -> str:
        """A condition on ``s``: a trigger of somebody else changed the row again before this could be recorded."""
        if row == "new":
            alike = [
                same(f"t.{quote(c.name)}", self.after(c.name, event)) for c in self.compared if c.name != self.mark
            ]
            return f"s.mixed and not exists (select 1 from {self.table} as t where {all_of([self.match(), *alike])})"
        return f"s.mixed and exists (select 1 from {self.table} as t where {self.match('old.{}')})"

    def image(self) -> str:
        """An expression by which an AFTER trigger knows the update that a BEFORE trigger saw begin. It is kept for a
        while, so nothing of a column that the journal is not to keep is in it."""
        columns = [c for c in self.compared if c.name not in self.policy.mask | self.policy.large]
        return joined(f"quote({row}.{quote(c.name)})" for c in columns for row in ("old", "new"))

    def seen(self, row: str, column: str, event: Event = "update") -> str:
        """An expression: the column's value as a trigger may write it down."""
        value = self.after(column, event) if row == "new" else f"{row}.{quote(column)}"
        return f"case when {value} is not null then '***' end" if column in self.policy.mask else value

    def masked(self, column: str, *values: str) -> str:
        """An expression: what the journal says of the column's values, NULL where it keeps them."""
        if column not in self.policy.large or column in self.policy.mask:
            return str(HIDDEN) if column in self.policy.mask else "null"
        nothing = all_of(f"{value} is null" for value in values)
        return f"case when {nothing} then {HIDDEN} else {WAITING} end"

    def began(self) -> str:
        """An expression: the place of an update, just before all that was recorded since it began."""
        return (
            f"coalesce((select x.start from holdfast_started as x where x.relation = {self.relation}\n"
            f"        and x.key is {key_of('old', self.key)} and x.image = {self.image()}\n"
            f"        order by x.id desc limit 1),\n"
            f"        (select min(c.id) from holdfast_change as c where c.relation = {self.relation}\n"
            f"         and c.key is {key_of('old', self.key)} and c.statement = s.number), s.event) - 0.5"
        )

    def beside(self, side: int, key: str, shift: str) -> str:
        """An expression: the place next to where this key's row last left (1) or came (2), in this transaction."""
        return (
            f"coalesce((select coalesce(c.place, c.id) {shift} from holdfast_change as c\n"
            f"        where c.relation = {self.relation} and c.key is {key} and c.side = {side}\n"
            f"            and c.transaction_id = (select max(id) from holdfast_transaction)\n"
            f"        order by c.id desc limit 1), 0)"
        )

    # ------------------------------------------------------------------ steps

    def change(
        self, operation: str, side: int, key: str, overtaken: str = "", place: str = "null", rows: str = ""
    ) -> str:
        late, placed = "0", "null"
        if overtaken:
            late, placed = f"case when {overtaken} then s.event else 0 end", f"case when {overtaken} then {place} end"
        return (
            "insert into holdfast_change (transaction_id, statement, relation, operation, side, late, place, key)\n"
            f"select (select max(id) from holdfast_transaction), s.number, {self.relation}, {operation}, {side},\n"
            f"    {late},\n    {placed},\n    {key}\n"
            f"from holdfast_statement as s{rows};"
        )

    def values(
        self, columns: Iterable[ColumnInfo], before: str = "null", after: str = "null", event: Event = "update"
    ) -> list[str]:
        """Steps that add the values of the change just made; of an UPDATE, those of the columns that changed."""
        update = before != "null" and after != "null"
        selects = []
        for column in columns:
            parts = [str(self.protection.relation.column_id(column.name))]
            for row in (before, after):
                value = self.seen(row, column.name, event) if row != "null" else "null"
                if column.name == self.mark and row == "new":
                    value = f"case when {value} is null or {UNDOING} then {value} else {STAMP} end"
                parts.append(value)
            parts.append(self.masked(column.name, *parts[1:]))
            condition = f"\n    where {self.differs(column)}" if update else ""
            selects.append((parts, condition))
        return [self._insert_values(selects[i : i + AT_ONCE]) for i in range(0, len(selects), AT_ONCE)]

    def _insert_values(self, selects: Sequence[tuple[list[str], str]]) -> str:
        names = ("column_id", "before", "after", "masked")
        rendered = []
        for number, (parts, condition) in enumerate(selects):
            named = [f"{part} as {name}" for part, name in zip(parts, names, strict=True)] if number == 0 else parts
            rendered.append(f"    select {', '.join(named)}{condition}")
        union = "\n    union all\n".join(rendered)
        return (
            "insert into holdfast_value (change, column_id, before, after, masked)\n"
            "select (select max(id) from holdfast_change), v.column_id, v.before, v.after, v.masked\n"
            f"from (\n{union}\n) as v;"
        )

    def operation(self) -> str:
        """What an UPDATE is called: setting the mark is a delete, taking it away a restore."""
        if self.mark is None:
            return "'U'"
        before, after = (f"{row}.{quote(self.mark)}" for row in ("old", "new"))
        return (
            f"case when {before} is null and {after} is not null then 'S'"
            f" when {before} is not null and {after} is null then 'R' else 'U' end"
        )

    def changed_in_place(self) -> list[str]:
        key = key_of("new", self.key)
        return [
            self.change(self.operation(), 3, key, self.overtaken(), self.began()),
            *self.values(self.compared, before="old", after="new"),
        ]

    def came(self, operation: str) -> list[str]:
        """Steps: the row of ``new`` is there under its key. Its stamps follow, and are not known yet."""
        key = key_of("new", self.key)
        event: Event = "insert" if operation == "'I'" else "update"
        steps = [self.change(operation, 2, key, self.overtaken(event=event), self.beside(1, key, "+ 0.25"))]
        if operation != "'I'" or self.policy.inserts == "full":
            steps += self.values(self.compared, after="new", event=event)
        return steps

    def went(self, operation: str) -> list[str]:
        """Steps: the row of ``old`` is no longer there under its key."""
        key = key_of("old", self.key)
        if operation == "'D'":
            change = self.change(operation, 1, key, self.overtaken("old"), self.beside(2, key, "- 0.25"))
        else:
            change = self.change(operation, 1, key, self.overtaken(), self.began())
        return [change, *self.values(self.kept, before="old")]

    # ------------------------------------------------------------------ rows that were replaced

    def replaced(self, moved: bool, r: str = "r") -> str:
        """A condition on ``r``: the row that might have been replaced is gone, or has the key of the new one."""
        names = [quote(name) for name in self.key]
        stored = [
            f"(select k.value from holdfast_replaced as k where k.relation = {self.relation} and k.key is {r}.key "
            f"and k.column_id = {self.protection.relation.column_id(name)})"
            for name in self.key
        ]
        there = all_of(
            f"t.{name} is {value} and {same(f't.{name}', value)}" for name, value in zip(names, stored, strict=True)
        )
        gone = f"not exists (select 1 from {self.table} as t where {there})"
        if not moved:
            return gone
        return f"({r}.key is {key_of('new', self.key)} or {gone})"

    def record_replaced(self, moved: bool, event: Event = "update") -> list[str]:
        """Steps: each row that the statement replaced is recorded as deleted."""
        pending = f"r.relation = {self.relation} and r.statement = s.number and {self.replaced(moved)}"
        hidden = [c.name for c in self.kept if c.name in self.policy.mask | self.policy.large]
        cases = "".join(
            f" when {self.protection.relation.column_id(name)} then {self.masked(name, 'r.value')}" for name in hidden
        )
        masked = f"case r.column_id{cases} end" if cases else "null"
        key = self.protection.relation.column_id(self.key[0])
        return [
            self.change(
                "'D'",
                1,
                "r.key",
                self.overtaken(event=event) if moved else "",
                "r.start - 0.5",
                f"\njoin holdfast_replaced as r on r.column_id = {key}\nwhere {pending}",
            ),
            "insert into holdfast_value (change, column_id, before, after, masked)\n"
            f"select (select max(c.id) from holdfast_change as c where c.relation = {self.relation} and c.key is r.key),\n"
            f"    r.column_id, r.value, null, {masked}\n"
            f"from holdfast_replaced as r, holdfast_statement as s\nwhere {pending};",
            # No alias: a trigger takes none here.
            f"update holdfast_replaced\nset statement = -statement\nwhere relation = {self.relation}\n"
            "    and statement = (select number from holdfast_statement)\n"
            f"    and {self.replaced(moved, 'holdfast_replaced')};",
        ]

    def no_longer_replaced(self) -> str:
        return f"delete from holdfast_replaced where relation = {self.relation} and key is {key_of('old', self.key)};"
