"""holdfast keeps rows safe: the database itself protects them, and what happened can be seen and undone."""

__version__ = "0.1.0"

from holdfast.context import bind, context, current
from holdfast.database import Database
from holdfast.errors import (
    DeclarationError,
    DriftError,
    HoldfastError,
    RefusedError,
    UndoConflictError,
    UnsupportedError,
)
from holdfast.policies import Audit, Guard, Permit, SoftDelete, Tenant, Timestamps, Version
from holdfast.undo import restore, undo

__all__ = [
    "Audit",
    "Database",
    "DeclarationError",
    "DriftError",
    "Guard",
    "HoldfastError",
    "Permit",
    "RefusedError",
    "SoftDelete",
    "Tenant",
    "Timestamps",
    "UndoConflictError",
    "UnsupportedError",
    "Version",
    "__version__",
    "bind",
    "context",
    "current",
    "restore",
    "undo",
]
