"""The driver's errors as ours, by SQLite's result codes, and by the code that our own refusals begin with."""

from __future__ import annotations

import re
from typing import Any

from holdfast.dialects.explaining import broken, repeatable
from holdfast.errors import (
    HISTORY_ERRORS,
    REFUSALS,
    BusyError,
    CheckError,
    ConstraintError,
    ForeignKeyError,
    HoldfastError,
    NotNullError,
    PermissionDeniedError,
    UniqueError,
    UnsupportedError,
)

# What stands before the words of ours that an expression, which can raise nothing itself, makes SQLite say.
_SAYING = ("no such table: ", "JSON path error near '", "bad JSON path: '")

# How SQLite says that it cannot make sense of something of the file, before a change or after it.
_IN_THE_WAY = re.compile(r"error in (?P<kind>view|trigger|index) (?P<name>.+?)(?: after [a-z ]+)?: (?P<why>.+)")


def translate(error: BaseException) -> HoldfastError | None:
    text = str(error).strip()
    code, _, rest = text.partition(": ")
    if code in REFUSALS:
        message, _, hint = rest.partition(" Hint: ")
        if code == "HF485":
            permission = message.removeprefix("This needs the permission ").partition(",")[0]
            return PermissionDeniedError(code, message, hint, permission=permission)
        return REFUSALS[code](code, message, hint)
    said = next((text.removeprefix(each) for each in _SAYING if text.startswith(each)), text)
    code, _, rest = said.partition(": ")
    if code in HISTORY_ERRORS:
        message, _, hint = rest.removesuffix("'").partition(" Hint: ")
        return HISTORY_ERRORS[code](code, message, hint)
    number = getattr(error, "sqlite_errorcode", None)
    if number is None:
        return None
    message = text.splitlines()[0] if text else "no message"
    # The low byte is the result, the rest its variety.
    match number & 0xFF:
        case 1:
            return _in_the_way(text)
        case 19:
            return _broken(number >> 8, rest)
        case 5 | 6:
            return repeatable(BusyError)
        case 8:
            return UnsupportedError(
                "HF405",
                f"The database takes no writes: {message}.",
                "Make the file and its folder writable for this user, open it without mode=ro, "
                "and do not write in a read-only transaction.",
            )
        case 13 | 10:
            return UnsupportedError(
                "HF405",
                f"The file could not be read or written: {message}; nothing of the transaction was written.",
                "Look at the space on the disk, and at limits for the size of files.",
            )
        case 14:
            return UnsupportedError(
                "HF406",
                f"The database could not be opened: {message}.",
                "Check that the path in the URL exists, and the rights on the file and on its folder.",
            )
        case 26 | 11:
            return UnsupportedError(
                "HF406", f"The file is no sound SQLite database: {message}.", "Check the path in the URL."
            )
    return None


def _in_the_way(text: str) -> UnsupportedError | None:
    """SQLite goes through every view, trigger and index of the file when a column is dropped or a name is changed.

    Of our own triggers it says nothing to the users that they could mend.
    """
    told = _IN_THE_WAY.match(text)
    if told is None or told["name"].startswith("holdfast_"):
        return None
    return UnsupportedError(
        "HF414",
        f"The {told['kind']} {told['name']} stands in the way: {told['why']}.",
        "Drop or mend it, and run the command again.",
    )


def _broken(variety: int, name: str) -> ConstraintError | None:
    """``name`` is what the message ends with: "UNIQUE constraint failed: t.a, t.b".

    SQLite has no other place for it: there is no field in the error. The texts before the name are constants of the
    source, in no language but this, and what counts as which error is decided by the number alone.
    """
    match variety:
        case 1:
            # Without a name of its own a CHECK is told by its expression, which is nobody's name.
            return broken(CheckError, constraint=name if name.isidentifier() else None)
        case 3:
            return broken(ForeignKeyError)
        case 5:
            return broken(NotNullError, **_columns(name))
        case 6 | 8 | 10:
            if name.startswith("index '"):
                return broken(UniqueError, constraint=name.removeprefix("index '").removesuffix("'"))
            return broken(UniqueError, **_columns(name))
    # The others are raised by somebody's trigger or function, which says what it means itself.
    return None


def _columns(listed: str) -> dict[str, Any]:
    """Table and columns of "t.a, t.b"; nothing where a name has a dot or a comma of its own, so that it is unclear."""
    pairs = [each.split(".") for each in listed.split(", ")]
    tables = {pair[0] for pair in pairs}
    if len(tables) > 1 or any(len(pair) != 2 for pair in pairs):
        return {}
    return {"table": tables.pop(), "columns": [pair[1] for pair in pairs]}
