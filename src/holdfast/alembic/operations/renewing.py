"""Protection that follows when a column of its table comes, goes, or takes another's name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from holdfast.alembic.operations.stepping import Step, Stepping
from holdfast.declaration import protections_of
from holdfast.errors import MigrationError
from holdfast.inspector import inspect
from holdfast.inventory import Inventory
from holdfast.plan import plan_protect
from holdfast.policies import Audit, Policy, SoftDelete, Tenant, Timestamps, Version, find
from holdfast.tables import TableInfo, TableName

Shape = Callable[[TableInfo], TableInfo]


@dataclass(frozen=True, slots=True)
class Renewal:
    """What has to go before the table is changed, and what is made after it, in the same transaction."""

    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    protected: bool = False


def table_name(stepping: Stepping) -> TableName:
    """The table with its schema; HF466 where there is none."""
    found = stepping.ask(stepping.dialect.migrating.expanding.schema(stepping.table))
    if not found:
        raise MigrationError("HF466", f"There is no table {stepping.table}.", "Give its name, and its schema.")
    return TableName(str(found[0][0]), stepping.table.name)


def policies_of(stepping: Stepping) -> tuple[Policy, ...]:
    """What the database remembers as declared for the table; nothing where it is not protected."""
    _, inventory = inspect(stepping.connection, stepping.dialect, objects=False)
    protection = protections_of(inventory).get(table_name(stepping))
    return () if protection is None else protection.policies


def known_columns(stepping: Stepping) -> set[str]:
    """The columns that protection has been told of; nothing where the table is not protected."""
    _, inventory = inspect(stepping.connection, stepping.dialect, objects=False)
    name = table_name(stepping)
    for number, table in inventory.matches.items():
        if table.name == name and inventory.relations[number].protected:
            return {column.name for column in inventory.relations[number].columns}
    return set()


def named_by(policies: Sequence[Policy], column: str) -> str | None:
    """The policy that cannot do without the column of that name."""
    soft_delete, timestamps = find(policies, SoftDelete), find(policies, Timestamps)
    version, tenant = find(policies, Version), find(policies, Tenant)
    names: dict[str, set[str]] = {
        "SoftDelete": {soft_delete.column} if soft_delete else set(),
        "Timestamps": {timestamps.created, timestamps.updated} if timestamps else set(),
        "Version": {version.column} if version else set(),
        "Tenant": {tenant.column} if tenant else set(),
    }
    return next((name for name, columns in names.items() if column in columns), None)


def renewal(
    stepping: Stepping,
    names: Mapping[str, Sequence[str]],
    shape: Shape = lambda table: table,
    leaving: Sequence[str] = (),
) -> Renewal:
    """Makes protection know the table as ``shape`` says that it will be.

    ``names`` says under which names a column goes from then on: what is kept out of the journal stays out of it.
    """
    dialect, inventory = inspect(stepping.connection, stepping.dialect)
    # Every driver takes them one by one; the transaction is short anyway.
    dialect = dialect.one_at_a_time()
    name = table_name(stepping)
    protections = protections_of(inventory)
    protection = protections.get(name)
    if protection is None:
        return Renewal()
    in_the_way = [
        each
        for listed in (protections.values() if leaving else ())
        for each in dialect.objects(listed, protections)
        if each.kind != "function" and dialect.revising.in_the_way(each, name, leaving)
    ]
    gone = {each.identity for each in in_the_way} & {each.identity for each in inventory.installed}
    foreseen = replace(
        inventory,
        tables={**inventory.tables, name: shape(inventory.tables[name])},
        installed=tuple(replace(each, altered=True) if each.identity in gone else each for each in inventory.installed),
    )
    before = tuple(statement for each in in_the_way if each.identity in gone for statement in each.drop)
    after = _steps(dialect, foreseen, name, _renamed(protection.policies, names))
    if before or after:
        after = (*after, dialect.revising.note(str(name), ["follow the columns"]))
    return Renewal(before, after, protected=True)


def renew(stepping: Stepping, names: Mapping[str, Sequence[str]]) -> None:
    """Protection knows the table as it is; each by itself is the caller's."""
    what = f"Protection of {stepping.table}"

    def look() -> str:
        return "done" if not renewal(stepping, names).after else "behind"

    with stepping.each_by_itself():
        found = renewal(stepping, names)
    if found.after:
        stepping.walk(what, [Step("behind", found.after)], look, "done", "")


def _steps(dialect: Any, inventory: Inventory, name: TableName, policies: Sequence[Policy]) -> tuple[str, ...]:
    plan = plan_protect(dialect, inventory, {name: policies})
    return tuple(
        statement
        for step in plan.steps
        if step.title != "journal" and (step.title == str(name) or name in step.tables)
        for statement in step.statements
    )


def _renamed(policies: Sequence[Policy], names: Mapping[str, Sequence[str]]) -> list[Policy]:
    def moved(columns: frozenset[str]) -> frozenset[str]:
        return frozenset(new for column in columns for new in names.get(column, (column,)))

    return [
        replace(each, exclude=moved(each.exclude), mask=moved(each.mask), large=moved(each.large))
        if isinstance(each, Audit)
        else each
        for each in policies
    ]
