"""Cursors: a place in one list, signed, so that nobody can make one up or carry it to another list."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from holdfast.errors import InvalidCursorError, PagingError
from holdfast.sqlalchemy.paging.values import dumps, loads

Secret = str | bytes
VERSION = 1
_SIGNATURE = 16
_BINDING = 8
_LONGEST = 4_096
_SHORTEST_SECRET = 16


@dataclass(frozen=True, slots=True)
class Position:
    """A place between two rows, said by the values that one of them has in the columns of the order."""

    values: tuple[Any, ...]
    backward: bool = False
    """Whether to read towards the beginning of the list."""
    inclusive: bool = False
    """Whether the row with these values is itself still to be read."""


class Keys:
    """What cursors are signed with. The first secret signs, any of them may have signed."""

    def __init__(self, secret: Secret | Sequence[Secret]) -> None:
        given = [secret] if isinstance(secret, str | bytes) else list(secret)
        secrets = [each.encode() if isinstance(each, str) else bytes(each) for each in given]
        if not secrets or min(map(len, secrets)) < _SHORTEST_SECRET:
            raise PagingError(
                "HF644",
                f"A secret that signs cursors must have {_SHORTEST_SECRET} bytes or more.",
                "Make one with: python -c 'import secrets; print(secrets.token_hex(32))'.",
            )
        # The secret may serve for other things too; what is signed here is of no use there.
        self.derived = [blake2b(each, digest_size=32, person=b"holdfast cursor").digest() for each in secrets]


class Sealer:
    """Writes and reads the cursors of one list."""

    def __init__(self, keys: Keys | Secret | Sequence[Secret], listing: bytes) -> None:
        self._keys = (keys if isinstance(keys, Keys) else Keys(keys)).derived
        # Keyed, so that it tells nothing of the filter to who holds the cursor.
        self._bindings = [
            blake2b(listing, key=key, digest_size=_BINDING, person=b"list").digest() for key in self._keys
        ]

    def seal(self, position: Position) -> str:
        """The cursor for that place; HF643 where its values cannot be carried."""
        flags = bytes([VERSION, position.backward | position.inclusive << 1])
        content = flags + self._bindings[0] + dumps(position.values).encode()
        text = base64.urlsafe_b64encode(_sign(self._keys[0], content) + content).rstrip(b"=").decode()
        if len(text) > _LONGEST:
            raise PagingError(
                "HF643",
                f"The values of the order make a cursor of {len(text):,} characters; it may have {_LONGEST:,}.",
                "Order by a shorter column, or by an expression over it such as func.left(column, 100).",
            )
        return text

    def open(self, cursor: object, width: int) -> Position:
        """The place that the cursor names; HF621 unless it was made for this very list."""
        content, own_binding = self._verified(cursor)
        flags, binding, values = content[1], content[2 : 2 + _BINDING], content[2 + _BINDING :]
        if not hmac.compare_digest(binding, own_binding):
            raise _invalid("The cursor belongs to another list: its order, its filter or its scope is not this one's.")
        try:
            found = tuple(loads(values.decode()))
        except (ValueError, KeyError) as error:
            raise _invalid("The cursor does not name a place that can be read.") from error
        if len(found) != width:
            raise _invalid("The cursor does not name a place in this order.")
        return Position(found, bool(flags & 1), bool(flags & 2))

    def _verified(self, cursor: object) -> tuple[bytes, bytes]:
        """What was signed, and what the key that signed it makes of this list."""
        if not isinstance(cursor, str) or len(cursor) > _LONGEST:
            raise _invalid("This is not a cursor.")
        try:
            sealed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError) as error:
            raise _invalid("This is not a cursor.") from error
        # Several texts decode to the same bytes; one alone was handed out.
        if base64.urlsafe_b64encode(sealed).rstrip(b"=").decode() != cursor or len(sealed) < _SIGNATURE + 2 + _BINDING:
            raise _invalid("This is not a cursor.")
        signature, content = sealed[:_SIGNATURE], sealed[_SIGNATURE:]
        if content[0] != VERSION:
            raise _invalid("The cursor was made by another version.")
        for key, binding in zip(self._keys, self._bindings, strict=True):
            if hmac.compare_digest(signature, _sign(key, content)):
                return content, binding
        raise _invalid("The cursor was not made here, or was changed on its way.")


def _sign(key: bytes, content: bytes) -> bytes:
    return blake2b(content, key=key, digest_size=_SIGNATURE, person=b"cursor").digest()


def _invalid(message: str) -> InvalidCursorError:
    return InvalidCursorError("HF621", message, "Begin again without a cursor.")
