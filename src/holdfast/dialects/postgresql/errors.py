"""The driver's errors as ours, by SQLSTATE."""

from __future__ import annotations

from holdfast.errors import REFUSALS, HoldfastError, UnsupportedError


def translate(error: BaseException) -> HoldfastError | None:
    state = getattr(error, "sqlstate", None)
    detail = getattr(error, "diag", None)
    message = getattr(detail, "message_primary", None) or str(error).strip().splitlines()[0]
    hint = getattr(detail, "message_hint", None) or ""
    if state is None:
        # libpq itself gives no SQLSTATE: it never reached a server, or lost it.
        if type(error).__name__ == "OperationalError":
            return UnsupportedError(
                "HF406",
                f"The database could not be reached: {message}.",
                "Check host, port, name and password in the URL, and that the server runs.",
            )
        return None
    if state in REFUSALS:
        return REFUSALS[state](state, message, hint)
    if state == "42501":
        return UnsupportedError("HF404", f"The role may not do this: {message}.", "Connect as the owner of the tables.")
    if state == "25006":
        return UnsupportedError(
            "HF405", f"The database takes no writes: {message}.", "Connect to the primary, with a role that may write."
        )
    if state in ("55P03", "40P01"):
        return UnsupportedError("HF407", "A lock was not to be had in time.", "Try again when the table is less busy.")
    if state in ("08001", "08006", "28000", "28P01", "3D000", "57P03", "57P01"):
        return UnsupportedError(
            "HF406",
            f"The database could not be reached: {message}.",
            "Check the URL: host, port, name, role, password.",
        )
    return None
