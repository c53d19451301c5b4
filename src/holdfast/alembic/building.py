"""An index that protection needs on a large table: built before all else in a revision, while others write."""

from __future__ import annotations

from holdfast.alembic.operations.index import CreateIndexOp
from holdfast.alembic.protecting import UnprotectOp
from holdfast.objects import DatabaseObject


class BuildOp(CreateIndexOp):
    """Stands first: what came before would be committed with it, and not be undone when the rest fails.

    The other way it is nothing: ``op.hf_unprotect`` drops the index with what stands upon it.
    """

    @classmethod
    def of(cls, index: DatabaseObject) -> BuildOp:
        assert index.table is not None
        return cls(index.name, index.table.name, index.columns, schema=index.table.schema, unique=True)

    def reverse(self) -> BuildBackOp:  # type: ignore[override]
        return self.back()

    def back(self) -> BuildBackOp:
        return BuildBackOp(self)


class BuildBackOp(UnprotectOp):
    """Nothing; the other way, the index is built."""

    def __init__(self, build: BuildOp) -> None:
        super().__init__(f"{build.schema}.{build.table_name}", ())
        self.build = build

    def reverse(self) -> BuildOp:  # type: ignore[override]
        return self.build
