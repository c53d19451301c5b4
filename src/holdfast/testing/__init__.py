"""For the tests of an application whose tables holdfast protects."""

from holdfast.sqlalchemy.n_plus_one import NPlusOneError, NPlusOneWarning, detect_n_plus_one
from holdfast.testing.acting import acting_as
from holdfast.testing.auditing import assert_audited, assert_not_audited
from holdfast.testing.comparing import about
from holdfast.testing.counting import count_queries
from holdfast.testing.postgresql import PostgreSQLServer
from holdfast.testing.sessions import async_rolled_back_session, rolled_back_session
from holdfast.testing.sqlite import async_memory_sqlite, memory_sqlite

__all__ = [
    "NPlusOneError",
    "NPlusOneWarning",
    "PostgreSQLServer",
    "about",
    "acting_as",
    "assert_audited",
    "assert_not_audited",
    "async_memory_sqlite",
    "async_rolled_back_session",
    "count_queries",
    "detect_n_plus_one",
    "memory_sqlite",
    "rolled_back_session",
]
