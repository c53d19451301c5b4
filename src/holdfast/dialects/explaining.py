"""What every dialect says of a broken constraint and of a conflict; values stay out of it, for it is logged."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.errors import (
    BusyError,
    CheckError,
    ConstraintError,
    DeadlockError,
    ExclusionError,
    ForeignKeyError,
    LockTimeoutError,
    NotNullError,
    RetryableError,
    SerializationError,
    UniqueError,
)

_CONSTRAINTS: dict[type[ConstraintError], tuple[str, str, str]] = {
    ConstraintError: ("HF600", "The row breaks a constraint", "Look at what the constraint asks for."),
    UniqueError: ("HF601", "Another row has this value already", "Change the value, or update the row that has it."),
    ForeignKeyError: (
        "HF602",
        "The row that is referred to is not there, or is still referred to",
        "Write the parent first; delete the children first.",
    ),
    NotNullError: ("HF603", "A value is missing", "Give the column a value."),
    CheckError: ("HF604", "A value is not allowed", "Look at what the constraint asks for."),
    ExclusionError: ("HF605", "The row overlaps with another one", "Change the value, or the other row."),
}

_REPEAT = "Repeat the whole transaction: holdfast.sqlalchemy.retry does."
_RETRYABLE: dict[type[RetryableError], tuple[str, str]] = {
    SerializationError: ("HF611", "Another transaction that ran at the same time is in the way."),
    DeadlockError: ("HF612", "Transactions waited for each other, and the database ended this one."),
    LockTimeoutError: ("HF613", "A lock was not to be had in time."),
    BusyError: ("HF614", "The database is locked by another connection."),
}


def broken(
    kind: type[ConstraintError],
    *,
    constraint: str | None = None,
    schema: str | None = None,
    table: str | None = None,
    columns: Sequence[str] = (),
) -> ConstraintError:
    """The error for a broken constraint, which says of it what the database did."""
    code, message, hint = _CONSTRAINTS[kind]
    where = ", ".join(columns)
    where = f"{table} ({where})" if table and where else table or where
    told = ", ".join(part for part in (constraint, where) if part)
    message = f"{message}: {told}." if told else f"{message}."
    return kind(code, message, hint, constraint=constraint, schema=schema, table=table, columns=columns)


def repeatable(kind: type[RetryableError]) -> RetryableError:
    """The error for a transaction that may be repeated."""
    code, message = _RETRYABLE[kind]
    return kind(code, message, _REPEAT)
