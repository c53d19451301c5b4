"""The driver's errors as ours, by SQLSTATE."""

from __future__ import annotations

import json

from holdfast.dialects.explaining import broken, repeatable
from holdfast.errors import (
    HISTORY_ERRORS,
    REFUSALS,
    AbortedError,
    CheckError,
    CommitUnknownError,
    ConstraintError,
    DeadlockError,
    ExclusionError,
    ForeignKeyError,
    HoldfastError,
    LockTimeoutError,
    NotNullError,
    PermissionDeniedError,
    RetryableError,
    SerializationError,
    StaleVersionError,
    TenantError,
    UniqueError,
    UnsupportedError,
)

_CONSTRAINTS: dict[str, type[ConstraintError]] = {
    "23001": ForeignKeyError,
    "23502": NotNullError,
    "23503": ForeignKeyError,
    "23505": UniqueError,
    "23514": CheckError,
    "23P01": ExclusionError,
}
_RETRYABLE: dict[str, type[RetryableError]] = {
    "40001": SerializationError,
    "40P01": DeadlockError,
    "55P03": LockTimeoutError,
}


def translate(error: BaseException) -> HoldfastError | None:
    state = getattr(error, "sqlstate", None)
    if state is None:
        return _unreachable(error)
    if state in REFUSALS:
        message, hint = _said(error, "message"), _said(error, "hint")
        if state == "HF202":
            table, known = _said(error, "table_name"), json.loads(_said(error, "detail") or "{}")
            return StaleVersionError(state, message or str(error), hint or "", table=table, **known)
        if state == "HF485":
            return PermissionDeniedError(state, message or str(error), hint or "", permission=_said(error, "detail"))
        return REFUSALS[state](state, message or str(error), hint or "")
    if state == "42501" and _said(error, "source_function") == "ExecWithCheckOptions":
        return TenantError(
            "HF203",
            f"The row is not the present tenant's: {_said(error, 'message')}.",
            "Begin the transaction within holdfast.context(tenant=…), with the tenant whose row it is.",
        )
    if state in HISTORY_ERRORS:
        return HISTORY_ERRORS[state](state, _said(error, "message") or str(error), _said(error, "hint") or "")
    if state.startswith("23"):
        column = _said(error, "column_name")
        return broken(
            _CONSTRAINTS.get(state, ConstraintError),
            constraint=_said(error, "constraint_name"),
            schema=_said(error, "schema_name"),
            table=_said(error, "table_name"),
            columns=(column,) if column else (),
        )
    if state == "2BP01":
        standing = "; ".join((_said(error, "detail") or _said(error, "message") or "").splitlines())
        return UnsupportedError(
            "HF414", f"Something else stands on it: {standing}.", "Drop that first, or build it on the table itself."
        )
    if state in _RETRYABLE:
        return repeatable(_RETRYABLE[state])
    return _of_the_connection(state, _said(error, "message") or _first_line(error))


def _of_the_connection(state: str, message: str) -> HoldfastError | None:
    """What the role, the server or the transaction as a whole cannot do."""
    match state:
        case "40003" | "08007":
            return CommitUnknownError(
                "HF616",
                "It is not known whether the transaction was committed.",
                "Look whether its changes are there before you repeat it.",
            )
        case "25P02":
            return AbortedError(
                "HF617",
                "An earlier statement of this transaction failed, so none of it can be committed.",
                "Put what may fail into a savepoint, and catch its error outside of that.",
            )
        case "42501":
            return UnsupportedError(
                "HF404", f"The role may not do this: {message}.", "Connect as the owner of the tables."
            )
        case "25006":
            return UnsupportedError(
                "HF405",
                f"The database takes no writes: {message}.",
                "Connect to the primary, with a role that may write, and do not write in a read-only transaction.",
            )
        case "08001" | "08006" | "28000" | "28P01" | "3D000" | "57P03" | "57P01":
            return UnsupportedError(
                "HF406",
                f"The database could not be reached: {message}.",
                "Check the URL: host, port, name, role, password.",
            )
    return None


def _unreachable(error: BaseException) -> HoldfastError | None:
    """libpq itself gives no SQLSTATE: it never reached a server, or lost it."""
    if type(error).__name__ != "OperationalError":
        return None
    return UnsupportedError(
        "HF406",
        f"The database could not be reached: {_first_line(error)}.",
        "Check host, port, name and password in the URL, and that the server runs.",
    )


def _said(error: BaseException, name: str) -> str | None:
    """A field of the server's answer. psycopg keeps it in ``diag``; asyncpg has attributes, of which SQLAlchemy's
    adapter passes on the SQLSTATE alone, so they are asked of its cause."""
    diagnostics = getattr(error, "diag", None)
    if diagnostics is not None:
        name = {"message": "message_primary", "hint": "message_hint", "detail": "message_detail"}.get(name, name)
        found = getattr(diagnostics, name, None)
    else:
        name = {"source_function": "server_source_function"}.get(name, name)
        found = getattr(error, name, None) or getattr(error.__cause__, name, None)
    return str(found) if found else None


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), "no message")
