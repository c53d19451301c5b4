"""What can go wrong, each with a code, a message and a hint that says what to do.

HoldfastError
├─ DeclarationError     HF1xx   the declaration is wrong
├─ RefusedError         HF2xx   the database refused a write
│  ├─ ProtectedError    HF201
│  ├─ StaleVersionError HF202
│  ├─ TenantError       HF203, HF484
│  ├─ GuardError        HF204, HF205
│  ├─ SignatureError    HF206, HF207
│  ├─ PermissionDeniedError HF485
│  ├─ RoleError         HF487
│  └─ HeldError         HF421
├─ DriftError           HF3xx   the database is not as declared
│  └─ RolesError        HF320   the role in use gets past row security
├─ LockedError          HF304   another run changes protection at this moment
├─ UnsupportedError     HF4xx   this database, or this role, cannot
├─ UndoConflictError    HF5xx   the row has changed since
├─ ConstraintError      HF60x   a constraint of the schema stands in the way
│  ├─ UniqueError       HF601
│  ├─ ForeignKeyError   HF602
│  ├─ NotNullError      HF603
│  ├─ CheckError        HF604
│  └─ ExclusionError    HF605
├─ RetryableError       HF61x   nothing was committed; the whole transaction may be repeated as it was
│  ├─ SerializationError  HF611
│  ├─ DeadlockError       HF612
│  ├─ LockTimeoutError    HF613
│  ├─ BusyError           HF614
│  └─ ConnectionLostError HF615
├─ CommitUnknownError   HF616   the connection was lost while the transaction was being ended
├─ AbortedError         HF617   an earlier statement of the transaction failed, and the error was caught
├─ RequestError         HF62x   what was asked for cannot be given
│  ├─ InvalidCursorError  HF621
│  ├─ NotFoundError       HF622
│  ├─ InvalidFilterError  HF623
│  ├─ MultipleFoundError  HF624
│  ├─ InvalidWriteError   HF625
│  ├─ EmptyFilterError    HF626
│  └─ RowsError           HF65x
├─ ErasureError         HF42x   the values of a row cannot be erased as asked; nothing was
├─ HistoryError         HF43x   the journal does not reach so far, or not there
├─ MigrationError       HF45x   a migration stopped; the hint says what is in the database and how to go on
└─ PagingError          HF64x   the statement, the order or the secret cannot be paged with
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holdfast.journal import Conflict


class HoldfastError(Exception):
    """Every error of holdfast: ``code``, ``message`` and ``hint``; ``str()`` gives all three."""

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(code, message, hint)
        self.code = code
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        text = f"{self.code}: {self.message}"
        return f"{text} {self.hint}" if self.hint else text


class DeclarationError(HoldfastError):
    """The declaration cannot hold as written; the hint says which line to add or to change.

    >>> from sqlalchemy import MetaData, Table
    >>> from holdfast import Version
    >>> from holdfast.sqlalchemy import protect
    >>> try:
    ...     protect(Version())(Table("orders", MetaData()))
    ... except DeclarationError as error:
    ...     print(error.code, error.message)
    HF102 orders has no column 'version', which its declaration names.
    """


class RefusedError(HoldfastError):
    """The database refused a write, and nothing of the statement was written.

    >>> error = GuardError("HF204", "DELETE of public.orders would touch 5000 rows; up to 100 are expected.")
    >>> isinstance(error, RefusedError), error.code
    (True, 'HF204')
    """


class ProtectedError(RefusedError):
    """A delete, or a write to the journal, that the declaration forbids."""


class StaleVersionError(RefusedError):
    """The row was changed by somebody else since it was read.

    ``table``, ``key``, ``expected`` and ``current`` (the versions) are None where they are not known; ``fields`` is
    what differs, as ``{"column": (base, theirs, mine)}``.
    """

    def __init__(
        self,
        code: str,
        message: str,
        hint: str = "",
        *,
        table: str | None = None,
        key: Any = None,
        expected: int | None = None,
        current: int | None = None,
        fields: Mapping[str, tuple[Any, Any, Any]] | None = None,
    ) -> None:
        super().__init__(code, message, hint)
        self.table = table
        self.key = key
        self.expected = expected
        self.current = current
        self.fields = dict(fields or {})


class TenantError(RefusedError):
    """A write for another tenant, or without a tenant."""


class SignatureError(RefusedError):
    """The context is signed, but not with a key of this database, not for it, or too long ago."""


class GuardError(RefusedError):
    """A statement touched more rows than expected, or is a TRUNCATE, and did not say so first."""


class PermissionDeniedError(RefusedError):
    """What was to be done needs a permission that is not held.

    ``permission`` is its code.
    """

    def __init__(self, code: str, message: str, hint: str = "", *, permission: str | None = None) -> None:
        super().__init__(code, message, hint)
        self.permission = permission


class RoleError(RefusedError):
    """A role that is not there, or cannot be as it was to be; nothing was written."""


class HeldError(RefusedError):
    """The row, or rows of the table, are under legal hold."""


REFUSALS: Mapping[str, type[RefusedError]] = {
    "HF201": ProtectedError,
    "HF202": StaleVersionError,
    "HF203": TenantError,
    "HF204": GuardError,
    "HF205": GuardError,
    "HF206": SignatureError,
    "HF207": SignatureError,
    "HF465": RefusedError,
    "HF484": TenantError,
    "HF485": PermissionDeniedError,
}
"""What a refusal is, by the code with which the database raises it."""


class DriftError(HoldfastError):
    """What is installed is not what was declared.

    >>> print(DriftError("HF305", "The journal has lost its table change.", "Restore it from a backup."))
    HF305: The journal has lost its table change. Restore it from a backup.
    """


class RolesError(DriftError):
    """The role in use gets past row security, or something opens a table to it; ``findings`` are all that was found."""

    def __init__(self, code: str, message: str, hint: str = "", findings: Sequence[Any] = ()) -> None:
        super().__init__(code, message, hint)
        self.findings = tuple(findings)


class LockedError(HoldfastError):
    """Another holdfast is changing protection in this database, or has since it was looked at."""


class UnsupportedError(HoldfastError):
    """This database, or the role in use, cannot do what was asked; the hint says what it can.

    >>> from holdfast import Database
    >>> try:
    ...     Database("oracle://scott@db/orcl")
    ... except UnsupportedError as error:
    ...     print(error.hint)
    It protects PostgreSQL 14 to 18 and SQLite 3.37+.
    """


class ErasureError(HoldfastError):
    """The values of a row cannot be erased as asked; nothing was written."""


class HistoryError(HoldfastError):
    """HF43x: what was asked for is not in the journal, or cannot be had again from it."""


HISTORY_ERRORS: Mapping[str, type[HoldfastError]] = {
    "HF303": UnsupportedError,
    "HF435": HistoryError,
    "HF451": DriftError,
}
"""What the database answers that is asked for a past that it does not have, or to write down what contradicts what it
knows, by the code with which it raises it."""


class UndoConflictError(HoldfastError):
    """An undo would overwrite, or cannot bring back, something; nothing was written.

    >>> from holdfast.journal import Conflict
    >>> fields = {"status": ("deleted", "paid", "new")}
    >>> error = UndoConflictError("HF501", "Nothing was undone.", "", [Conflict("orders", 7, "it was changed", fields)])
    >>> [(each.key, dict(each.fields)) for each in error.conflicts]
    [(7, {'status': ('deleted', 'paid', 'new')})]
    """

    def __init__(self, code: str, message: str, hint: str = "", conflicts: Sequence[Conflict] = ()) -> None:
        super().__init__(code, message, hint)
        self.conflicts = tuple(conflicts)


class ConstraintError(HoldfastError):
    """A constraint of the schema stands in the way; nothing of the statement was written.

    ``constraint``, ``schema``, ``table`` and ``columns`` are what the database says of it, and None or empty where it
    says nothing: PostgreSQL names the columns of a NOT NULL alone, SQLite no foreign key.
    """

    def __init__(
        self,
        code: str,
        message: str,
        hint: str = "",
        *,
        constraint: str | None = None,
        schema: str | None = None,
        table: str | None = None,
        columns: Sequence[str] = (),
    ) -> None:
        super().__init__(code, message, hint)
        self.constraint = constraint
        self.schema = schema
        self.table = table
        self.columns = tuple(columns)


class UniqueError(ConstraintError):
    """Another row has the value already."""


class ForeignKeyError(ConstraintError):
    """The row refers to one that is not there, or one that is still referred to was to go."""


class NotNullError(ConstraintError):
    """A column that needs a value got none."""


class CheckError(ConstraintError):
    """A value is not among those that a CHECK allows."""


class ExclusionError(ConstraintError):
    """The row overlaps with another one."""


class RetryableError(HoldfastError):
    """Nothing of the transaction was committed, and the same transaction may well succeed when it is repeated."""


class SerializationError(RetryableError):
    """Transactions ran at the same time that could not have run one after the other with the same outcome."""


class DeadlockError(RetryableError):
    """Transactions waited for each other; the database ended this one."""


class LockTimeoutError(RetryableError):
    """A lock was not to be had in the time that the session allows."""


class BusyError(RetryableError):
    """Another connection had the SQLite file locked for longer than this one waits."""


class ConnectionLostError(RetryableError):
    """The connection was lost in the middle of a transaction, before anything asked to commit it."""


class CommitUnknownError(HoldfastError):
    """The connection was lost while the transaction was being ended, so it may or may not be committed."""


class AbortedError(HoldfastError):
    """An earlier statement of the transaction failed, so none of it can be committed."""


class RequestError(HoldfastError):
    """What was asked for cannot be given; the request has to be another one."""


class InvalidCursorError(RequestError):
    """The cursor was not made for this list, or not by us."""


class MissedChangesError(RequestError):
    """The feed cannot go on without a gap: what would come next was dropped from the journal.

    ``cursor`` is where it goes on after the gap.
    """

    def __init__(self, code: str, message: str, hint: str = "", *, cursor: str) -> None:
        super().__init__(code, message, hint)
        self.cursor = cursor


class NotFoundError(RequestError):
    """There is no such row, or none that may be seen."""


class InvalidFilterError(RequestError):
    """A filter or an order names what may not be filtered or ordered by, or has a value that does not fit."""


class MultipleFoundError(RequestError):
    """There are several rows where one was expected."""


class InvalidWriteError(RequestError):
    """A write names what may not be written so; nothing was written."""


class RowsError(InvalidWriteError):
    """Rows that were given to a bulk write cannot be written as they are; none of them was.

    ``rows`` are their positions among those given, the first being 0; empty where it is about all of them.
    """

    def __init__(self, code: str, message: str, hint: str = "", *, rows: Sequence[int] = ()) -> None:
        super().__init__(code, message, hint)
        self.rows = tuple(rows)


class EmptyFilterError(RequestError):
    """The filter of a write leaves no row out, and nothing says that all rows are meant; nothing was written."""


class MigrationError(HoldfastError):
    """A migration stopped; the hint says what is in the database and how to go on."""


class PagingError(HoldfastError):
    """A list cannot be paged as the program asks for it; the hint says what to write instead."""
