"""A tenant as a whole: what is its own, exported, imported, moved and deleted with a proof that nothing is left."""

from __future__ import annotations

from holdfast.tenant_life.deleting import delete_tenant, plan_deletion
from holdfast.tenant_life.exporting import export_tenant
from holdfast.tenant_life.importing import import_tenant
from holdfast.tenant_life.ledger import Entry, ledger, reopen
from holdfast.tenant_life.manifest import Gap, Manifest
from holdfast.tenant_life.moving import move_tenant, plan_move
from holdfast.tenant_life.place import Place
from holdfast.tenant_life.results import Deleted, Exported, Imported, Moved
from holdfast.tenant_life.surveying import check_manifest, read_manifest

__all__ = [
    "Deleted",
    "Entry",
    "Exported",
    "Gap",
    "Imported",
    "Manifest",
    "Moved",
    "Place",
    "check_manifest",
    "delete_tenant",
    "export_tenant",
    "import_tenant",
    "ledger",
    "move_tenant",
    "plan_deletion",
    "plan_move",
    "read_manifest",
    "reopen",
]
