"""The order in which tables are dropped: who refers to one goes first, or lets go of it first."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from alembic.operations import ops

from holdfast.alembic.describing import Describer
from holdfast.inventory import Inventory
from holdfast.tables import TableName


def drop_in_order(upgrade: ops.UpgradeOps, describer: Describer, inventory: Inventory) -> None:
    """Stock autogenerate drops tables in no order, and lets the tables that stay go of them afterwards."""

    def table_of(each: ops.MigrateOperation) -> TableName | None:
        if isinstance(each, (ops.DropTableOp, ops.ModifyTableOps)):
            return describer.name(each.schema, each.table_name)
        return None

    def targets(name: TableName | None) -> set[TableName]:
        table = None if name is None else inventory.tables.get(name)
        return set() if table is None else {key.target for key in table.foreign_keys if key.target != name}

    leaving = {table_of(each) for each in upgrade.ops if isinstance(each, ops.DropTableOp)}
    if not leaving:
        return
    named = [(table_of(each), each) for each in upgrade.ops]
    first = next(number for number, (name, _) in enumerate(named) if name in leaving)
    # Whatever is made is made before; what is done to the tables that stay does not need those that go.
    letting_go = [
        each for name, each in named[first:] if name is not None and name not in leaving and targets(name) & leaving
    ]
    order = children_first({name: targets(name) & leaving for name in leaving if name is not None})
    dropping = [each for wanted in order for name, each in named if name == wanted]
    moved = {id(each) for each in (*letting_go, *dropping)}
    rest = [each for each in upgrade.ops[first:] if id(each) not in moved]
    upgrade.ops[first:] = [*letting_go, *dropping, *rest]


def children_first(targets: dict[TableName, Collection[TableName | None]]) -> Iterable[TableName]:
    """Tables of a circle come last, and by name: nothing but a constraint that is dropped first frees them."""
    left = sorted(targets)
    while left:
        free = next((each for each in left if not any(each in targets[other] for other in left)), left[0])
        left.remove(free)
        yield free
