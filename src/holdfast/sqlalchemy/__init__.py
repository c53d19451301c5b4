"""holdfast for SQLAlchemy: declare on the model, and read and write rows that cannot be lost."""

from holdfast.sqlalchemy.across import all_tenants, async_all_tenants
from holdfast.sqlalchemy.async_repository import AsyncRepository
from holdfast.sqlalchemy.bulk import bulk_delete, bulk_insert, bulk_insert_returning, bulk_update, upsert
from holdfast.sqlalchemy.declaring import protect
from holdfast.sqlalchemy.erasing import erase
from holdfast.sqlalchemy.explaining import explained
from holdfast.sqlalchemy.foreign_keys import unindexed_foreign_keys
from holdfast.sqlalchemy.history import RowVersion, diff, revert, versions
from holdfast.sqlalchemy.installing import install, status
from holdfast.sqlalchemy.keys import PublicId, UUIDKey, uuid7
from holdfast.sqlalchemy.links import live_link
from holdfast.sqlalchemy.live import index_live, unique_live
from holdfast.sqlalchemy.loading import strict
from holdfast.sqlalchemy.mixins import (
    Audited,
    ProtectedModel,
    SoftDeletable,
    TenantKeyed,
    TenantOwned,
    Timestamped,
    Versioned,
)
from holdfast.sqlalchemy.n_plus_one import NPlusOne, NPlusOneError, detect_n_plus_one
from holdfast.sqlalchemy.naming import NAMING_CONVENTION, enum_column
from holdfast.sqlalchemy.paging import OffsetPage, Page, async_keyset_page, async_offset_page, keyset_page, offset_page
from holdfast.sqlalchemy.past import as_of, async_as_of
from holdfast.sqlalchemy.repository import Repository
from holdfast.sqlalchemy.restoring import hard_delete, restore
from holdfast.sqlalchemy.retrying import async_retry, retry
from holdfast.sqlalchemy.scopes import async_savepoint, async_session_scope, savepoint, session_scope
from holdfast.sqlalchemy.session import AsyncSession, Session, bind
from holdfast.sqlalchemy.snapshots import async_read_snapshot, read_snapshot
from holdfast.sqlalchemy.soft_delete import include_deleted, only_deleted
from holdfast.sqlalchemy.tables import policies_of
from holdfast.sqlalchemy.times import UTCDateTime

__all__ = [
    "NAMING_CONVENTION",
    "AsyncRepository",
    "AsyncSession",
    "Audited",
    "NPlusOne",
    "NPlusOneError",
    "OffsetPage",
    "Page",
    "ProtectedModel",
    "PublicId",
    "Repository",
    "RowVersion",
    "Session",
    "SoftDeletable",
    "TenantKeyed",
    "TenantOwned",
    "Timestamped",
    "UTCDateTime",
    "UUIDKey",
    "Versioned",
    "all_tenants",
    "as_of",
    "async_all_tenants",
    "async_as_of",
    "async_keyset_page",
    "async_offset_page",
    "async_read_snapshot",
    "async_retry",
    "async_savepoint",
    "async_session_scope",
    "bind",
    "bulk_delete",
    "bulk_insert",
    "bulk_insert_returning",
    "bulk_update",
    "detect_n_plus_one",
    "diff",
    "enum_column",
    "erase",
    "explained",
    "hard_delete",
    "include_deleted",
    "index_live",
    "install",
    "keyset_page",
    "live_link",
    "offset_page",
    "only_deleted",
    "policies_of",
    "protect",
    "read_snapshot",
    "restore",
    "retry",
    "revert",
    "savepoint",
    "session_scope",
    "status",
    "strict",
    "unindexed_foreign_keys",
    "unique_live",
    "upsert",
    "uuid7",
    "versions",
]
