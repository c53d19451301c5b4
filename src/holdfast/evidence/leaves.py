"""Digests of a journal's members, of an epoch, and the ranges of numbers that an epoch covers."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from holdfast.dialects.evidence import KINDS, RANGES, SCALARS, Kind

LEAF, SALT = 32, 16
"""Bytes."""

Ranges = list[tuple[int, int]]
"""Numbers, from the first to the last of each."""

_SALTED: Mapping[Kind, bytes] = {kind: f"{kind} ".encode() for kind in KINDS}
_LED: Mapping[Kind, bytes] = {kind: f"holdfast {kind}\0".encode() for kind in KINDS}
_sha256 = hashlib.sha256
_RANGE = re.compile(r"\[(-?\d+),(-?\d+)\)")


def sha256(*parts: bytes) -> bytes:
    return _sha256(b"".join(parts)).digest()


def salt_of(seed: bytes, kind: Kind, number: int) -> bytes:
    """The salt of one member, which the seed of its epoch gives; from a salt the seed cannot be told."""
    return _sha256(b"%b%b%d" % (seed, _SALTED[kind], number)).digest()[:SALT]


def inner(salt: bytes, body: str) -> bytes:
    """The digest of what an erasure may take away: without the salt nobody can try values on it."""
    return _sha256(salt + body.encode()).digest()


def leaf(kind: Kind, head: str, inner_digest: bytes) -> bytes:
    """The digest of a member: no two kinds, and no two heads, can be taken for each other."""
    return _sha256(_LED[kind] + head.encode() + b"\0" + inner_digest).digest()


def sealed_leaf(seed: bytes, kind: Kind, number: int, head: str, body: str) -> bytes:
    """All three at once, for there are millions."""
    salt = _sha256(b"%b%b%d" % (seed, _SALTED[kind], number)).digest()[:SALT]
    return _sha256(_LED[kind] + head.encode() + b"\0" + _sha256(salt + body.encode()).digest()).digest()


def all_salts(seed: bytes, members: Mapping[Kind, Ranges]) -> bytearray:
    """The salts of an epoch, one after the other."""
    salts = bytearray()
    for kind in KINDS:
        for number in numbers(members[kind]):
            salts += salt_of(seed, kind, number)
    return salts


def epoch_hash(epoch: Mapping[str, Any]) -> bytes:
    """What the next epoch, and a digest that is kept outside, hold on to."""
    document = {
        **{name: epoch[name] for name in (*SCALARS, *RANGES)},
        **{name: bytes(epoch[name]).hex() for name in ("root", "seed_digest", "facts_digest", "previous")},
    }
    return sha256(b"holdfast epoch 1\0", canonical(document).encode())


def canonical(document: Any) -> str:
    """JSON that is always the same for the same content."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


# ------------------------------------------------------------------ ranges


def written(ranges: Iterable[tuple[int, int]]) -> str:
    """As PostgreSQL spells a multirange of integers."""
    return "{" + ",".join(f"[{first},{last + 1})" for first, last in ranges) + "}"


def read(text: str) -> Ranges:
    return [(int(first), int(end) - 1) for first, end in _RANGE.findall(text)]


def numbers(ranges: Ranges) -> Iterator[int]:
    for first, last in ranges:
        yield from range(first, last + 1)


def count(ranges: Ranges) -> int:
    return sum(last - first + 1 for first, last in ranges)


def extend(ranges: Ranges, number: int) -> None:
    """Adds a number that is higher than all that are in."""
    if ranges and ranges[-1][1] == number - 1:
        ranges[-1] = (ranges[-1][0], number)
    else:
        ranges.append((number, number))


def merged(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """Sorted by their first number; those that meet are one."""
    result: Ranges = []
    for first, last in ranges:
        if result and first <= result[-1][1] + 1:
            result[-1] = (result[-1][0], max(last, result[-1][1]))
        else:
            result.append((first, last))
    return result


def overlaps(wanted: Sequence[tuple[int, int]], ranges: Ranges) -> Iterator[tuple[int, int, int]]:
    """first and last of each stretch that both have, and its place among the numbers of ``ranges``."""
    place, position = 0, 0
    for first, last in ranges:
        while position < len(wanted) and wanted[position][1] < first:
            position += 1
        each = position
        while each < len(wanted) and wanted[each][0] <= last:
            low, high = max(first, wanted[each][0]), min(last, wanted[each][1])
            yield low, high, place + low - first
            each += 1
        place += last - first + 1
