"""holdfast for SQLAlchemy: declare on the model, and read and write rows that cannot be lost."""

from holdfast.sqlalchemy.declaring import protect
from holdfast.sqlalchemy.explaining import explained
from holdfast.sqlalchemy.installing import install, status
from holdfast.sqlalchemy.mixins import Audited, ProtectedModel, SoftDeletable, Timestamped, Versioned
from holdfast.sqlalchemy.restoring import hard_delete, restore
from holdfast.sqlalchemy.session import AsyncSession, Session, bind
from holdfast.sqlalchemy.soft_delete import include_deleted, only_deleted
from holdfast.sqlalchemy.tables import policies_of
from holdfast.sqlalchemy.times import UTCDateTime

__all__ = [
    "AsyncSession",
    "Audited",
    "ProtectedModel",
    "Session",
    "SoftDeletable",
    "Timestamped",
    "UTCDateTime",
    "Versioned",
    "bind",
    "explained",
    "hard_delete",
    "include_deleted",
    "install",
    "only_deleted",
    "policies_of",
    "protect",
    "restore",
    "status",
]
