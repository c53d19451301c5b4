"""What a default of the catalog comes to, as an expression that can stand anywhere."""

from __future__ import annotations

from holdfast.dialects.sqlite.sql import literal
from holdfast.dialects.sqlite.tokens import closing_of, tokens

_VALUES = frozenset(("NULL", "TRUE", "FALSE", "CURRENT_DATE", "CURRENT_TIME", "CURRENT_TIMESTAMP"))


def default_value(default: str) -> str:
    """An expression: the default. A name alone is a text, for no column can be meant: DEFAULT pending is 'pending'."""
    found = tokens(default)
    # The catalog leaves parentheses out that a model has.
    while found[0].text == "(" and closing_of(found, 0) == len(found) - 1:
        found = found[1:-1]
    first = found[0]
    if len(found) == 1 and (first.kind == "quoted" or (first.kind == "word" and first.word not in _VALUES)):
        return literal(first.name)
    return f"({default[first.start : found[-1].end]})"
