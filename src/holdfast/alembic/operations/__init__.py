"""Operations that hold nobody up, go on where a crash left them, and can be taken back: ``op.hf_…``."""

from holdfast.alembic.operations.backfill import BackfillOp
from holdfast.alembic.operations.check import CreateCheckOp
from holdfast.alembic.operations.contracting import ContractColumnOp, RestoreColumnOp
from holdfast.alembic.operations.dropping import DropConstraintOp, DropIndexOp
from holdfast.alembic.operations.enum_value import AddEnumValueOp, KeepEnumValueOp
from holdfast.alembic.operations.expanding import CollapseColumnOp, ExpandColumnOp
from holdfast.alembic.operations.finalizing import FinalizeColumnOp
from holdfast.alembic.operations.foreign_key import CreateForeignKeyOp
from holdfast.alembic.operations.index import CreateIndexOp
from holdfast.alembic.operations.not_null import DropNotNullOp, SetNotNullOp
from holdfast.alembic.operations.removing import DropColumnOp, RetireColumnOp, UnretireColumnOp
from holdfast.alembic.operations.unique import CreateUniqueOp

__all__ = [
    "AddEnumValueOp",
    "BackfillOp",
    "CollapseColumnOp",
    "ContractColumnOp",
    "CreateCheckOp",
    "CreateForeignKeyOp",
    "CreateIndexOp",
    "CreateUniqueOp",
    "DropColumnOp",
    "DropConstraintOp",
    "DropIndexOp",
    "DropNotNullOp",
    "ExpandColumnOp",
    "FinalizeColumnOp",
    "KeepEnumValueOp",
    "RestoreColumnOp",
    "RetireColumnOp",
    "SetNotNullOp",
    "UnretireColumnOp",
]
