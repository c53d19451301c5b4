"""The driver's errors as ours, by SQLite's result codes, and by the code that our own refusals begin with."""

from __future__ import annotations

from holdfast.errors import REFUSALS, HoldfastError, UnsupportedError


def translate(error: BaseException) -> HoldfastError | None:
    text = str(error).strip()
    code, _, rest = text.partition(": ")
    if code in REFUSALS:
        message, _, hint = rest.partition(" Hint: ")
        return REFUSALS[code](code, message, hint)
    number = getattr(error, "sqlite_errorcode", None)
    if number is None:
        return None
    message = text.splitlines()[0] if text else "no message"
    # The low byte is the result, the rest its variety.
    match number & 0xFF:
        case 5 | 6:
            return UnsupportedError(
                "HF407", "The database is locked by another connection.", "Try again when it is less busy."
            )
        case 8:
            return UnsupportedError(
                "HF405",
                f"The database takes no writes: {message}.",
                "Make the file and its folder writable for this user, and open it without mode=ro.",
            )
        case 14 | 10:
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
