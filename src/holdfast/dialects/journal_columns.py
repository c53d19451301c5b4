"""Which columns the journal's tables have, as the statements that make them say."""

from __future__ import annotations

import re
from collections.abc import Mapping

_COLUMN = re.compile(r"^    (?!primary\b|unique\b|check\b|foreign\b|constraint\b|--)\"?([a-z_]+)\"?", re.MULTILINE)


def columns_of(create: Mapping[str, str]) -> dict[str, frozenset[str]]:
    """The columns that each CREATE TABLE of ours names, a line for each."""
    return {name: frozenset(_COLUMN.findall(sql)) for name, sql in create.items()}
