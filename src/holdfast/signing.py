"""Contexts that count only with a signature: who has no key cannot pass for another tenant, whatever SQL it can run."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection

from holdfast.database import execute
from holdfast.dialects.base import Dialect
from holdfast.dialects.query import Query
from holdfast.dialects.signing import Signing
from holdfast.errors import DeclarationError, UnsupportedError

_HOME = "holdfast.home"
"""The key in ``Connection.info`` of what names the database that the connection leads to."""
_BLOCK = 64
SHORTEST = 32
"""Bytes of a secret, at least: who can run SQL has what it signed, and all the time to guess."""
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class SigningKey:
    """What a program signs its contexts with, and only who has it can; it is shown by nothing that shows objects.

    ``id`` is the key's name in the database, ``secret`` what ``holdfast sign create`` printed; where it is kept is for
    you to say. A signed context counts for transactions that begin within ``ttl``. Raises HF475 for a name or a secret
    that will not do.

    >>> SigningKey("web-1", "not this one, but 32 or more random bytes")
    SigningKey('web-1')
    """

    __slots__ = ("_mac", "id", "ttl")

    def __init__(self, id: str, secret: str | bytes, *, ttl: timedelta | float = 300) -> None:  # noqa: A002
        self._mac = _mac(secret)
        # What fails from here on has no secret for a traceback to show.
        del secret
        self.id = id
        self.ttl = ttl.total_seconds() if isinstance(ttl, timedelta) else float(ttl)
        check_id(id)
        if self._mac is None:
            raise too_short()
        if not self.ttl > 0:
            raise DeclarationError("HF475", "A key's ttl is a time of more than zero.", "Give seconds or a timedelta.")

    def __repr__(self) -> str:
        return f"SigningKey({self.id!r})"

    def __reduce__(self) -> Any:
        raise TypeError("A SigningKey is not to be written down.")

    def sign(self, context: Mapping[str, Any], *, database: Sequence[str], now: float) -> str:
        """The context with its signature, for the database of these names, from ``now`` on the database's clock."""
        said = json.dumps([round(now + self.ttl, 3), database, context], default=str, separators=(",", ":"))
        text = f"{self.id}.{said}"
        assert self._mac is not None
        mac = self._mac.copy()
        mac.update(text.encode("ascii"))
        return f"{text}.{mac.hexdigest()}"


def check_id(key_id: str) -> str:
    if not _ID.fullmatch(key_id):
        raise DeclarationError(
            "HF475", f"{key_id!r} is no name for a key.", "Use letters of ASCII, digits, _ and -, up to 64 of them."
        )
    return key_id


def too_short() -> DeclarationError:
    """HF475 for a secret that could be guessed from a context that it signed."""
    return DeclarationError(
        "HF475",
        f"A key's secret has {SHORTEST} bytes or more.",
        "Let holdfast make one: holdfast sign create ID. It prints the secret, once.",
    )


def _mac(secret: str | bytes) -> hmac.HMAC | None:
    given = secret.encode() if isinstance(secret, str) else bytes(secret)
    return hmac.new(given, digestmod="sha256") if len(given) >= SHORTEST else None


def blocks(secret: bytes) -> tuple[bytes, bytes]:
    """What HMAC-SHA256 begins its two hashes with, in place of the secret.

    >>> inner, outer = blocks(b"k" * 32)
    >>> by_hand = hashlib.sha256(outer + hashlib.sha256(inner + b"text").digest()).hexdigest()
    >>> by_hand == hmac.new(b"k" * 32, b"text", "sha256").hexdigest()
    True
    """
    key = (hashlib.sha256(secret).digest() if len(secret) > _BLOCK else secret).ljust(_BLOCK, b"\0")
    return bytes(each ^ 0x36 for each in key), bytes(each ^ 0x5C for each in key)


def signing_of(dialect: Dialect) -> Signing:
    """How the database asks for signatures; HF476 where it cannot."""
    if dialect.signing is None:
        raise UnsupportedError(
            "HF476",
            f"{dialect.title} cannot ask for signatures: {dialect.features.reasons['signs_context']}.",
            "Bind the engine without a key.",
        )
    return dialect.signing


@dataclass(frozen=True, slots=True)
class _Home:
    database: tuple[str, str]
    ahead: float
    """Seconds that its clock is ahead of this one: that clock decides when a context has expired."""


def signed(connection: Connection, dialect: Dialect, key: SigningKey, context: Mapping[str, Any]) -> Query:
    """Binds the context to the transaction in hand. A connection is asked once which database it leads to."""
    signing = signing_of(dialect)
    home: _Home | None = connection.info.get(_HOME)
    if home is None:
        row = execute(connection, signing.home())[0]
        home = connection.info[_HOME] = _Home((row[0], row[1]), row[2] - time.time())
    said = {name: value for name, value in context.items() if name != "allow"}
    return signing.bind(key.sign(said, database=home.database, now=time.time() + home.ahead), context)
