"""The digest of an epoch, and the files in which digests are kept outside of the database."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from holdfast.errors import UnsupportedError
from holdfast.evidence.results import Digest

if TYPE_CHECKING:
    from holdfast.database import AnyRow


def digest_of(row: AnyRow) -> Digest:
    """The digest of an epoch."""
    return Digest(row.journal, row.number, bytes(row.hash).hex(), row.sealed_at, row.total, row.high_change)


def read_digests(text: str, name: str) -> list[Digest]:
    """The digests that a file holds, one after the other; HF312 where it holds none, or anything else."""
    decoder, digests = json.JSONDecoder(), []
    rest = text.strip()
    try:
        while rest:
            document, end = decoder.raw_decode(rest)
            digests.append(_read_digest(document))
            rest = rest[end:].lstrip()
        if not digests:
            raise ValueError("empty")
    except (ValueError, KeyError, TypeError) as error:
        raise UnsupportedError(
            "HF312", f"{name} holds something else than digests of a journal.", "Give a file that holdfast seal wrote."
        ) from error
    return digests


def _read_digest(document: dict[str, Any]) -> Digest:
    if document["holdfast"] != 1:
        raise ValueError("another version")
    return Digest(
        str(document["database"]),
        int(document["epoch"]),
        str(document["hash"]),
        str(document["sealed_at"]),
        int(document["changes"]),
        int(document["last_change"]),
    )
