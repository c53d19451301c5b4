"""Many rows at once: inserted, updated, deleted, or inserted-or-updated; all of them or none."""

from holdfast.sqlalchemy.bulk.deleting import bulk_delete
from holdfast.sqlalchemy.bulk.inserting import bulk_insert, bulk_insert_returning
from holdfast.sqlalchemy.bulk.updating import bulk_update
from holdfast.sqlalchemy.bulk.upserting import upsert

__all__ = ["bulk_delete", "bulk_insert", "bulk_insert_returning", "bulk_update", "upsert"]
