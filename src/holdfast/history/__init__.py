"""A row's versions, what differs between two of them, the way back to one; a table as it was."""

from __future__ import annotations

from holdfast.history.reverting import Reverted, check_writable, lock_row, revert, write_back
from holdfast.history.tables import AsOf, as_of, copy_as_of, moment_of, row_as_of, rows_as_of, table_as_of
from holdfast.history.versions import Version, diff, version_at, versions, versions_of

__all__ = [
    "AsOf",
    "Reverted",
    "Version",
    "as_of",
    "check_writable",
    "copy_as_of",
    "diff",
    "lock_row",
    "moment_of",
    "revert",
    "row_as_of",
    "rows_as_of",
    "table_as_of",
    "version_at",
    "versions",
    "versions_of",
    "write_back",
]
