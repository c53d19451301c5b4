"""A row's versions as its class has them, what differs between two of them, and the way back to one."""

from holdfast.sqlalchemy.history.reverting import revert
from holdfast.sqlalchemy.history.row_version import RowVersion, diff
from holdfast.sqlalchemy.history.versions import versions

__all__ = ["RowVersion", "diff", "revert", "versions"]
