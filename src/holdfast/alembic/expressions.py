"""Conditions compared by what they say: the database spells them in its own way, the models in theirs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from holdfast.alembic.conditions import TOKEN, NotUnderstoodError, parse


def is_different(model: str | None, database: str | None, *, verbatim: bool = False) -> bool:
    """Whether the two certainly do not say the same.

    What is not understood is not called different, unless the database keeps it ``verbatim``, in the model's words.

    >>> is_different("deleted_at IS NULL", "(deleted_at IS NULL)")
    False
    >>> is_different("status IN ('new', 'paid')", "((status)::text = ANY (ARRAY['new'::text, 'paid'::text]))")
    False
    >>> is_different("deleted_at IS NULL AND total > 0", "(deleted_at IS NULL)")
    True
    """
    if model is None or database is None:
        return model is not database
    if _words(model) == _words(database):
        return False
    try:
        differ = _differ(parse(model), parse(database))
    except NotUnderstoodError:
        differ = None
    return verbatim if differ is None else differ


def mentions(condition: str, names: Iterable[str]) -> bool:
    """Whether one of the names stands in the condition."""
    return not {each.lower() for each in _words(condition)}.isdisjoint(each.lower() for each in names)


def _words(condition: str) -> list[str]:
    """Without regard to space, and to the marks around a name."""
    found = []
    position = 0
    while (match := TOKEN.match(condition, position)) is not None:
        position = match.end()
        found.append(match["quoted"][1:-1] if match["quoted"] else match[0].strip())
    return [*found, *condition[position:].split()]


def predicate_of(create_index: str) -> str | None:
    """The condition of CREATE INDEX, as it was written; None where it has none."""
    depth = 0
    for match in TOKEN.finditer(create_index):
        mark, word = match["mark"], match["word"]
        depth += (mark == "(") - (mark == ")")
        if depth == 0 and word and word.lower() == "where":
            return create_index[match.end() :].strip()
    return None


def _differ(left: Any, right: Any) -> bool | None:
    """True and False are certain; None where the database may have written the same value in another way."""
    if left == right:
        return False
    if not isinstance(left, tuple) or not isinstance(right, tuple):
        return True
    kinds = {left[0], right[0]}
    if "text" in kinds and (kinds != {"text"} or left[2] or right[2]):
        return None
    if kinds == {"number"}:
        return float(left[1]) != float(right[1])
    if left[0] != right[0] or len(left) != len(right):
        return None if kinds & {"call", "name"} and not kinds & {"is", "and", "or"} else True
    found = [_differ(one, other) for one, other in zip(left[1:], right[1:], strict=True)]
    return None if None in found else any(found)
