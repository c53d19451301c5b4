"""The rows of an upsert: each key once, in the order of the keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from holdfast.errors import RowsError
from holdfast.sqlalchemy.bulk.rows import Chunk, Row, Values, in_chunks
from holdfast.sqlalchemy.bulk.targets import Target
from holdfast.sqlalchemy.bulk.writing import key_of

Duplicates = Literal["refuse", "first", "last"]
_READ = 10_000


def in_order(
    rows: Iterable[Row], target: Target, matched: tuple[str, ...], duplicates: Duplicates, size: int
) -> Iterator[Chunk]:
    """Whoever takes locks in the same order as all others never waits for them in a circle, so all rows are sorted.

    HF651 where the rows lack what is matched by, HF652 for None in it, HF653 for a key that comes twice.
    """
    by_key: dict[Values, Values] = {}
    names: tuple[str, ...] = ()
    for chunk in in_chunks(rows, target, _READ):
        if not names:
            names = chunk.names
            _check(target, names, matched)
        places = [names.index(name) for name in matched]
        for index, row in enumerate(chunk.values):
            key = tuple(row[place] for place in places)
            if None in key:
                raise RowsError(
                    "HF652",
                    f"rows[{chunk.first + index}] has None in {', '.join(matched)}, which tells no row from another.",
                    "Give every row its key, or insert those that have none.",
                    rows=[chunk.first + index],
                )
            if key in by_key:
                if duplicates == "refuse":
                    raise _twice(key, chunk.first + index)
                if duplicates == "first":
                    continue
            by_key[key] = row
    keys = _sorted(list(by_key))
    for first in range(0, len(keys), size):
        some = keys[first : first + size]
        about = f"the rows with keys from {key_of(some[0])!r} to {key_of(some[-1])!r}"
        yield Chunk(first, names, [by_key[key] for key in some], about)


def _check(target: Target, names: tuple[str, ...], matched: tuple[str, ...]) -> None:
    lacking = [name for name in matched if name not in names]
    if lacking:
        raise RowsError(
            "HF651", f"The rows have no {', '.join(lacking)}, which they are matched by.", "Give it in every row."
        )
    target.refuse_kept(names)


def _twice(key: Values, position: int) -> RowsError:
    return RowsError(
        "HF653",
        f"rows[{position}] is the second one with the key {key_of(key)!r}.",
        'Give each key once, or say which row is meant: duplicates="first" or "last".',
        rows=[position],
    )


def _sorted(keys: list[Values]) -> list[Values]:
    try:
        return sorted(keys)
    except TypeError:
        # Members of an enum, say. Any order will do, if it is the same for all.
        return sorted(keys, key=lambda key: tuple(map(str, key)))
