"""What stock autogenerate is not to touch: the journal, and what a policy makes or keeps of the users' own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from alembic.operations import ops

from holdfast.alembic.describing import Describer
from holdfast.alembic.revising import Revision, Side
from holdfast.objects import DatabaseObject
from holdfast.sqlalchemy.tables import POLICIES
from holdfast.tables import TableName

Named = tuple[TableName, str]
_KEYS = ("index", "unique key", "foreign key")


def leave_ours(upgrade: ops.UpgradeOps, describer: Describer) -> None:
    """The journal's tables are in no model, and are not to be dropped for that."""

    def keeps(each: ops.MigrateOperation) -> bool:
        if isinstance(each, (ops.DropTableOp, ops.ModifyTableOps)):
            return not describer.dialect.revising.is_own(describer.name(each.schema, each.table_name))
        return True

    upgrade.ops[:] = [each for each in upgrade.ops if keeps(each)]
    for each in upgrade.ops:
        if isinstance(each, ops.CreateTableOp):
            # What is declared stands in the models; rendered, it would be names that the revision does not know.
            each.info = {key: value for key, value in each.info.items() if not str(key).startswith(POLICIES)}


def leave_made(upgrade: ops.UpgradeOps, describer: Describer, revision: Revision) -> None:
    """Keys, indexes and columns that a policy makes or changes are compared by us, whatever the model says of them."""
    made = Made(describer, revision)
    created = {
        describer.name(each.schema, each.table_name) for each in upgrade.ops if isinstance(each, ops.CreateTableOp)
    }
    for each in upgrade.ops:
        if isinstance(each, ops.ModifyTableOps) and describer.name(each.schema, each.table_name) not in created:
            each.ops[:] = made.without(each.ops)
    upgrade.ops[:] = [each for each in upgrade.ops if not (isinstance(each, ops.ModifyTableOps) and each.is_empty())]


class Made:
    """What the policies made before the revision, and will have made after it."""

    def __init__(self, describer: Describer, revision: Revision) -> None:
        self.describer = describer
        self.revision = revision
        self.before = _keys(revision.before)
        self.after = _keys(revision.after)

    def without(self, operations: Iterable[ops.MigrateOperation]) -> list[ops.MigrateOperation]:
        listed = list(operations)
        wanted = {self._named(each) for each in listed if not isinstance(each, (ops.DropConstraintOp, ops.DropIndexOp))}
        kept = []
        for each in listed:
            name = self._named(each)
            if name in self.after:
                continue
            if name in self.before:
                # What it was before comes back by itself, first of all; only where no model has it it is to go.
                if name in wanted or self.before[name].name.startswith("holdfast_"):
                    continue
                self._as_it_comes_back(each, name)
            if not isinstance(each, ops.AlterColumnOp) or self._is_left_of(each):
                kept.append(each)
        return kept

    def _as_it_comes_back(self, each: ops.MigrateOperation, name: Named) -> None:
        """On the way down it is made as it was without the policy, which then makes it over again."""
        protection = self.revision.before.protections.get(name[0])
        column = protection and self.describer.sql.kept_column(protection.policies)
        back = getattr(each, "_reverse", None)
        if column is None:
            return
        match back:
            case ops.CreateForeignKeyOp() if column in back.local_cols and len(back.local_cols) > 1:
                place = back.local_cols.index(column)
                for columns in (back.local_cols, back.remote_cols):
                    del columns[place]
                if back.kw.get("ondelete"):
                    back.kw["ondelete"] = back.kw["ondelete"].partition("(")[0].strip()
            case ops.CreateUniqueConstraintOp() | ops.CreateIndexOp() if len(back.columns) > 1:
                back.columns = [part for part in back.columns if str(getattr(part, "name", part)) != column]

    def _is_left_of(self, each: ops.AlterColumnOp) -> bool:
        """Whether anything is left of the change to a column, once what a policy keeps of it is taken out."""
        name = self.describer.name(each.schema, each.table_name)
        here, there = (self._kept_column(side, name) == each.column_name for side in self.revision.sides)
        if there:
            each.modify_server_default = False
            if here:
                each.modify_nullable = None
        elif here and each.modify_server_default is not False:
            # The policy takes its default along.
            each.existing_server_default = None
        return each.has_changes()

    def _kept_column(self, side: Side, table: TableName) -> str | None:
        protection = side.protections.get(table)
        return None if protection is None else self.describer.sql.kept_column(protection.policies)

    def _named(self, each: ops.MigrateOperation) -> Named:
        """The table and the name, or the one that the database would give, of what an operation makes or takes away."""
        describer = self.describer
        match each:
            case ops.CreateForeignKeyOp():
                name = describer.constraint_name(each.to_constraint())
                named = describer.sql.foreign_key_name(each.source_table, each.local_cols, name)
                return describer.name(each.kw.get("source_schema"), each.source_table), named
            case ops.CreateUniqueConstraintOp():
                return describer.name(each.schema, each.table_name), describer.unique(each.to_constraint(), 0).name
            case ops.DropConstraintOp():
                return describer.name(each.schema, each.table_name), str(each.constraint_name)
            case ops.CreateIndexOp() | ops.DropIndexOp() if each.table_name is not None:
                return describer.name(each.schema, each.table_name), str(each.index_name)
        return TableName("", ""), ""


def _keys(side: Side) -> dict[Any, DatabaseObject]:
    return {(each.table, each.name): each for listed in side.objects.values() for each in listed if each.kind in _KEYS}
