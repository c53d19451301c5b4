"""The rows that are given: any iterable, read in chunks, each row with the same columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from operator import itemgetter
from typing import Any

from sqlalchemy import inspect

from holdfast.errors import RowsError
from holdfast.sqlalchemy.bulk.targets import Target

Row = Mapping[str, Any] | object
"""Attribute names with their values, or an instance of the class that is in no session: what was set on it is meant."""
Values = tuple[Any, ...]


@dataclass(frozen=True)
class Chunk:
    """Some of the rows, as tuples in the order of ``names``."""

    first: int
    """The position of its first row among all that were given."""
    names: tuple[str, ...]
    values: list[Values]
    about: str = ""
    """Which rows these are, where they are not in the order in which they were given."""

    def __str__(self) -> str:
        return self.about or f"rows[{self.first}:{self.first + len(self.values)}]"


def in_chunks(rows: Iterable[Row], target: Target, size: int) -> Iterator[Chunk]:
    """Never more than one chunk of them is held. HF650 for an unknown column, HF651 for a row of another shape."""
    if size < 1:
        raise ValueError(f"chunk must be 1 or more, not {size}.")
    given, first = iter(rows), 0
    names: tuple[str, ...] = ()
    tupled: Callable[[Any], Values] = tuple
    while batch := list(islice(given, size)):
        mappings = _mappings(batch, target, first)
        if not names:
            names = tuple(mappings[0])
            target.check(names, [first])
            if not names:
                raise RowsError("HF651", "The first row has no columns.", "Give at least one.", rows=[0])
            tupled = itemgetter(*names) if len(names) > 1 else _single(names[0])
        try:
            if set(map(len, mappings)) != {len(names)}:
                raise KeyError
            values = list(map(tupled, mappings))
        except KeyError:
            raise _odd(mappings, names, first, target) from None
        yield Chunk(first, names, values)
        first += len(batch)


def _single(name: str) -> Callable[[Any], Values]:
    return lambda row: (row[name],)


def _mappings(batch: list[Row], target: Target, first: int) -> Sequence[Mapping[str, Any]]:
    if set(map(type, batch)) == {dict}:
        return batch  # type: ignore[return-value]
    return [
        each if isinstance(each, Mapping) else _set_on(each, target, first + index) for index, each in enumerate(batch)
    ]


def _set_on(instance: object, target: Target, position: int) -> Mapping[str, Any]:
    state = inspect(instance, raiseerr=False)
    if state is None or not isinstance(instance, target.mapper.class_):
        raise RowsError(
            "HF651",
            f"rows[{position}] is {type(instance).__name__}, neither a mapping nor a {target.name}.",
            "Give dictionaries by attribute name, or instances of the class.",
            rows=[position],
        )
    return {name: state.dict[name] for name in target.columns if name in state.dict}


def _odd(mappings: Sequence[Mapping[str, Any]], names: tuple[str, ...], first: int, target: Target) -> RowsError:
    position, row = next((first + i, row) for i, row in enumerate(mappings) if row.keys() != set(names))
    target.check(row, [position])
    missing = [name for name in names if name not in row]
    more = [name for name in row if name not in names]
    said = [f"has no {', '.join(missing)}"] if missing else []
    said += [f"has {', '.join(more)} besides"] if more else []
    return RowsError(
        "HF651",
        f"rows[{position}] has other columns than the rows before it: it {' and '.join(said)}.",
        "A column that is left out gets its default, or stays as it is, which None does not say: give every row the "
        "same columns, or call once for each set of them.",
        rows=[position],
    )
