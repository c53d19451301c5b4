"""An error as the fields of RFC 9457 ("Problem Details for HTTP APIs"), fit to be shown to whoever sent the request."""

from __future__ import annotations

from typing import Any

from holdfast.errors import (
    AbortedError,
    CheckError,
    CommitUnknownError,
    ConstraintError,
    ExclusionError,
    ForeignKeyError,
    GuardError,
    HoldfastError,
    MultipleFoundError,
    NotFoundError,
    NotNullError,
    PermissionDeniedError,
    ProtectedError,
    RefusedError,
    RequestError,
    RetryableError,
    StaleVersionError,
    TenantError,
    UndoConflictError,
    UniqueError,
    UnsupportedError,
)

_UNKNOWN = (500, "Internal Server Error", "The request could not be carried out.")
_UNAVAILABLE = (503, "The database is not available", "Nothing was changed. Try again later.")
_NOT_AVAILABLE = {"HF405", "HF406", "HF407"}
"""A standby, a database out of reach, a table that stays locked: it passes, and is nobody's request's fault."""

_RETRY_AFTER = 1
"""Seconds. What is in the way of a conflict is gone with the transaction that caused it."""

_PROBLEMS: dict[type[HoldfastError], tuple[int, str, str]] = {
    UniqueError: (409, "The value is taken", "Another row has this value already."),
    ForeignKeyError: (409, "A reference does not hold", "What is referred to is not there, or is still referred to."),
    NotNullError: (409, "A value is missing", "A value that is needed was not given."),
    CheckError: (409, "A value is not allowed", "A value is not among those that are allowed."),
    ExclusionError: (409, "It overlaps", "It overlaps with what is there already."),
    ConstraintError: (409, "A rule does not hold", "The change breaks a rule of the data."),
    StaleVersionError: (409, "It was changed meanwhile", "Somebody else changed it since it was read."),
    UndoConflictError: (409, "It was changed meanwhile", "What was to be undone was changed again since."),
    MultipleFoundError: (409, "There are several", "There are several where one was expected."),
    ProtectedError: (403, "It is protected", "This may not be deleted or changed so."),
    TenantError: (403, "It belongs to somebody else", "This belongs to another tenant."),
    PermissionDeniedError: (403, "It is not permitted", "A permission that this needs is not held."),
    GuardError: (403, "It is too much at once", "The change would touch more rows than it may."),
    RefusedError: (403, "It is refused", "The change is refused."),
    NotFoundError: (404, "There is no such thing", "Nothing was found under this name."),
    RequestError: (400, "The request is not valid", "The request asks for what cannot be given."),
    # The request is sound and the state of the resource is no obstacle, so it is not 409, which asks the client to
    # change something: "temporary overload", "will likely be alleviated after some delay" (RFC 9110, 15.6.4) it is.
    RetryableError: (503, "Others are at work", "Nothing was changed. Try again in a moment."),
    # Not 503, after which clients and proxies repeat: that could do it twice.
    CommitUnknownError: (500, "The outcome is not known", "It may have been done, or not. Look before you repeat it."),
    AbortedError: (500, "Internal Server Error", "Nothing was changed."),
}


def to_problem(error: BaseException, *, instance: str | None = None, base: str = "/errors/") -> dict[str, Any]:
    """The members of a problem document for any exception: ``type``, ``title``, ``status``, ``detail`` and, where
    they are known, ``instance``, ``code``, ``constraint``, ``columns`` and ``retry_after`` (seconds, for the header).

    No value, SQL, parameter, key or address from the error gets in: title and detail are constants, constraint and
    columns are names of the schema. ``type`` is the code after ``base``, which is where the documentation pages are;
    anything that is not a ``HoldfastError`` is a 500 of type ``about:blank``. ``instance`` is the caller's own.

    >>> from holdfast.errors import UniqueError
    >>> to_problem(UniqueError("HF601", "…", columns=["email"]))["columns"]
    ['email']
    >>> to_problem(RuntimeError("password=hunter2"))["detail"]
    'The request could not be carried out.'
    """
    status, title, detail = _of(error)
    problem: dict[str, Any] = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    if isinstance(error, HoldfastError):
        problem["type"] = base + error.code
        problem["code"] = error.code
    if isinstance(error, ConstraintError):
        if error.constraint is not None:
            problem["constraint"] = error.constraint
        if error.columns:
            problem["columns"] = list(error.columns)
    if status == 503:
        problem["retry_after"] = _RETRY_AFTER
    if instance is not None:
        problem["instance"] = instance
    return problem


def _of(error: BaseException) -> tuple[int, str, str]:
    if isinstance(error, UnsupportedError) and error.code in _NOT_AVAILABLE:
        return _UNAVAILABLE
    for kind in type(error).__mro__:
        if kind in _PROBLEMS:
            return _PROBLEMS[kind]
    return _UNKNOWN
