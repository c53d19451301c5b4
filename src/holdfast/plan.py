"""What to create, replace and drop, so that the database is as declared; printed, or applied elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from holdfast.declaration import (
    declare,
    parents_first,
    protections_of,
)
from holdfast.dialects.base import Dialect
from holdfast.endings import ending, former_histories, notes_of_held
from holdfast.errors import DeclarationError, HeldError
from holdfast.inventory import Inventory, check_columns
from holdfast.journal_step import journal_step
from holdfast.notes import notes_of
from holdfast.objects import DatabaseObject, InstalledObject, Protection
from holdfast.obstacles import check_rights, check_views, refuse_used
from holdfast.policies import Policy
from holdfast.steps import (
    Identity,
    Step,
    columns_step,
    drop_columns_step,
    finishing_steps,
    leaving_step,
    left_over_step,
    online_steps,
    table_step,
)
from holdfast.tables import TableName


@dataclass(frozen=True, slots=True)
class Plan:
    steps: tuple[Step, ...]
    notes: tuple[str, ...] = ()
    """What is weaker than it could be, and what was left out and why."""
    basis: Inventory | None = field(default=None, repr=False, compare=False)
    """What the plan was made for: on another database it would do harm."""
    whole: bool = False
    """Whether all steps are one transaction, so that nothing is ever half done."""

    @property
    def empty(self) -> bool:
        return not self.steps

    @property
    def transactions(self) -> tuple[tuple[Step, ...], ...]:
        """The steps, those together that are done or left undone together."""
        return (self.steps,) if self.whole and self.steps else tuple((step,) for step in self.steps)

    def sql(self) -> str:
        """Everything that would run, as a script."""
        parts = []
        for first, *others in self.transactions:
            if first.online:
                parts.append(f"-- {first.title}\n{_body(first).rstrip()}\n")
                continue
            following = "".join(f"-- {step.title}\n{_body(step)}" for step in others)
            parts.append(f"-- {first.title}\nBEGIN;\n\n{_body(first)}{following}COMMIT;\n")
        return "\n".join(parts)


def _body(step: Step) -> str:
    return "".join(f"{each.rstrip().rstrip(';')};\n\n" for each in step.online or step.statements)


def plan_protect(
    dialect: Dialect,
    inventory: Inventory,
    declared: Mapping[TableName, Sequence[Policy]],
    *,
    add_columns: bool = False,
    roles_apart: bool | None = None,
) -> Plan:
    """The plan that makes ``declared`` hold beside what was declared before; HF1xx where it cannot."""
    check_columns(inventory.state)
    journal, dialect, notes = journal_step(dialect, inventory, roles_apart)
    declaration = declare(dialect, inventory, declared, add_columns=add_columns)
    protections = declaration.protections
    # All columns come first: a trigger of one table may stand on another and read its mark.
    steps = [columns_step(dialect, protections[name], missing) for name, missing in declaration.new_columns.items()]
    objects = {name: dialect.objects(each, protections) for name, each in protections.items()}
    installed = {each.identity: each for each in inventory.installed}
    wanted = [each for listed in objects.values() for each in listed]
    check_views(dialect, inventory, wanted, installed)
    left_over = _left_over(inventory, wanted)
    refuse_used(left_over)
    for protection in declaration.parents_first():
        steps += online_steps(dialect, protection, objects[protection.table.name], installed)
    finishing: list[Step] = []
    for protection in declaration.parents_first():
        name = protection.table.name
        finishing += finishing_steps(dialect, protection, objects[name], installed)
        step = table_step(
            dialect,
            protection,
            objects[name],
            installed,
            [each for each in left_over if each.table == name],
            registered=name in declaration.new_columns or _is_registered(inventory, protection),
        )
        if step is not None:
            steps.append(step)
    if elsewhere := [each for each in left_over if each.table not in protections]:
        steps.append(left_over_step(dialect, elsewhere))
    steps += finishing
    steps += _gone_steps(dialect, inventory)
    former = former_histories(inventory, protections)
    steps = ending(dialect, former, steps)
    if journal is not None and (steps or inventory.has_journal):
        steps.insert(0, journal)
    check_rights(inventory, steps)
    notes = (*notes, *notes_of(dialect, inventory, protections), *notes_of_held(inventory, former))
    return Plan(tuple(steps), notes, inventory)


def _left_over(inventory: Inventory, wanted: Iterable[DatabaseObject]) -> list[InstalledObject]:
    """Our triggers and functions that nothing declares any more; the journal's own carry no such names."""
    identities = {each.identity for each in wanted}
    return [each for each in inventory.installed if each.per_table and each.identity not in identities]


def _is_registered(inventory: Inventory, protection: Protection) -> bool:
    """Whether the database remembers just this: the table as it is now, and what must hold for it."""
    stored = inventory.relations.get(protection.relation.id)
    return (
        stored is not None
        and stored.protected
        and (stored.policies, stored.added) == (protection.policies, protection.added)
        and (not stored.oid or stored.is_same(protection.table))
        and stored.describes(protection.table)
    )


def _gone_steps(dialect: Dialect, inventory: Inventory, names: set[TableName] | None = None) -> list[Step]:
    """A table that was dropped needs no protection; its history stays."""
    matches = inventory.matches
    return [
        Step(
            str(stored.table),
            dialect.unregister(stored.as_relation()),
            ("the table is gone: keep its history, protect it no longer",),
        )
        for stored in inventory.relations.values()
        if stored.protected and stored.id not in matches and (names is None or stored.table in names)
    ]


def plan_unprotect(
    dialect: Dialect, inventory: Inventory, names: Iterable[TableName] | None, *, purge_history: bool = False
) -> Plan:
    """The plan that takes protection away again, and with ``purge_history`` the journal of those tables too.

    ``None`` stands for everything, the history of tables that are gone included.
    """
    protections = protections_of(inventory)
    chosen = set(inventory.tables) if names is None else set(names)
    purged = _purged(inventory, None if names is None else chosen) if purge_history else set()
    _refuse_held(inventory, purged)
    staying = {name: each for name, each in protections.items() if name not in chosen}
    removing = purge_history and purged == set(inventory.relations)
    steps, kept = _staying_steps(dialect, inventory, protections, staying)
    steps += _leaving_steps(
        dialect,
        inventory,
        protections,
        [name for name in protections if name in chosen],
        kept,
        set() if removing else purged,
    )
    steps += _gone_steps(dialect, inventory, None if names is None else chosen)
    if removing and inventory.has_journal:
        steps.append(Step("journal", dialect.remove_journal(), ("remove the journal",)))
    elif rest := [each for each in purged if each not in {p.relation.id for p in protections.values()}]:
        forgotten = [each for number in rest for each in dialect.forget(inventory.relations[number].as_relation())]
        steps.append(Step("history", tuple(forgotten), ("remove the history of tables that are not protected",)))
    check_rights(inventory, steps)
    # What stands on a column, or stops every change of a table, is known only when the column is dropped.
    return Plan(tuple(steps), (), inventory, whole=dialect.one_writer)


def _refuse_held(inventory: Inventory, purged: set[int]) -> None:
    for number in sorted(purged & inventory.held):
        name = inventory.relations[number].table
        raise HeldError(
            "HF421",
            f"Rows of {name} are under legal hold, so its history stays.",
            "See them with: holdfast hold; end one with: holdfast hold TABLE KEY --release.",
        )


def _purged(inventory: Inventory, names: set[TableName] | None) -> set[int]:
    """The relations whose history goes: those of the tables by their present names, or last ones if they are gone."""
    matches = inventory.matches
    present = {
        number: matches.get(number) or inventory.begun_anew(each) for number, each in inventory.relations.items()
    }
    return {
        number
        for number, table in present.items()
        if names is None or (table.name if table is not None else inventory.relations[number].table) in names
    }


def _staying_steps(
    dialect: Dialect,
    inventory: Inventory,
    protections: Mapping[TableName, Protection],
    staying: Mapping[TableName, Protection],
) -> tuple[list[Step], set[Identity] | None]:
    """What stays may have to change where it knew of what goes: a parent's triggers know its children's marks.

    Also gives what stays; None where that cannot be said, since a table no longer bears its declaration.
    """
    installed = {each.identity: each for each in inventory.installed}
    steps: list[Step] = []
    kept: set[Identity] | None = set()
    for protection in staying.values():
        before = _objects_leniently(dialect, protection, protections)
        if before is None:
            kept = None
            continue
        after = dialect.objects(protection, staying)
        if kept is not None:
            kept |= {each.identity for each in after}
        known = {each.identity: each.checksum for each in before}
        changed = [each for each in after if known.get(each.identity) != each.checksum]
        if step := table_step(dialect, protection, changed, installed, registered=True):
            steps.append(step)
    return steps, kept


def _leaving_steps(
    dialect: Dialect,
    inventory: Inventory,
    protections: Mapping[TableName, Protection],
    leaving: Sequence[TableName],
    kept: set[Identity] | None,
    purged: set[int],
) -> list[Step]:
    """Children go first, columns last: a parent's triggers read the marks of its children as long as they are."""
    installed = {each.identity for each in inventory.installed}
    refuse_used(each for each in inventory.installed if each.table in leaving)
    dropped: set[Identity] = set()
    steps, columns = [], []
    for protection in reversed(list(parents_first(protections))):
        if protection.table.name not in leaving:
            continue
        last = dialect.unregister(protection.relation)
        if protection.relation.id in purged:
            last = (*last, *dialect.forget(protection.relation))
        objects = [
            each
            for each in _objects_leniently(dialect, protection, protections) or ()
            if each.identity in installed - dropped and each.identity not in (kept or ())
        ]
        dropped |= {each.identity for each in objects}
        added = [column for column in protection.added if protection.table.column(column) is not None]
        if added:
            columns.append(drop_columns_step(dialect, protection, added, last))
        steps.append(leaving_step(dialect, protection, objects, () if added else last))
    if kept is not None:
        left = [each for each in inventory.installed if each.per_table and each.identity not in dropped | kept]
        refuse_used(left)
        # A reference to what goes stands in the way of its key.
        references = [each for each in left if each.kind == "foreign key"]
        others = [each for each in left if each.kind != "foreign key"]
        if references:
            steps.insert(0, left_over_step(dialect, references))
        if others:
            steps.append(left_over_step(dialect, others))
    return steps + columns


def _objects_leniently(
    dialect: Dialect, protection: Protection, protections: Mapping[TableName, Protection]
) -> tuple[DatabaseObject, ...] | None:
    """The objects; None where the table was altered so that its declaration no longer holds."""
    try:
        return dialect.objects(protection, protections)
    except DeclarationError:
        return None
