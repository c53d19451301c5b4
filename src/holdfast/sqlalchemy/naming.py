"""Names for constraints and indexes: of all their columns, short enough for every database; and enums that are checked.

The name in the metadata is the name in the database: nothing is left for a database to shorten.
"""

from __future__ import annotations

import enum
import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from sqlalchemy import CheckConstraint, Column, ColumnElement, Enum, ForeignKeyConstraint, Index, Table, TextClause
from sqlalchemy.orm import MappedColumn, mapped_column
from sqlalchemy.schema import ColumnCollectionConstraint

from holdfast.errors import DeclarationError

LIMIT = 63
"""Bytes: what PostgreSQL keeps of a name. It cuts the rest off without a word, and other databases keep more."""
LIVE = "holdfast.live"
"""In ``Index.info``: the index is over the rows that live."""

E = TypeVar("E", bound=enum.Enum)


def shortened(name: str) -> str:
    """The name itself, or of a long one as much as fits, and a hash of all of it: two long names stay two.

    >>> shortened("ix_orders_status")
    'ix_orders_status'
    >>> len(shortened("ix_" + "é" * 60).encode()) <= 63
    True
    """
    whole = name.encode()
    if len(whole) <= LIMIT:
        return name
    digest = hashlib.sha256(whole).hexdigest()[:12]
    # What is left of a character that the cut goes through is left out.
    return f"{whole[: LIMIT - len(digest) - 1].decode(errors='ignore')}_{digest}"


def _joined(*parts: str) -> str:
    return shortened("_".join(part for part in parts if part))


def _primary_key(constraint: ColumnCollectionConstraint, table: Table) -> str:
    return _joined("pk", table.name)


def _unique(constraint: ColumnCollectionConstraint, table: Table) -> str:
    return _joined("uq", table.name, *(column.name for column in constraint.columns))


def _foreign_key(constraint: ForeignKeyConstraint, table: Table) -> str:
    target = constraint.elements[0].target_fullname.split(".")[-2]
    return _joined("fk", table.name, *(element.parent.name for element in constraint.elements), target)


def _index(index: Index, table: Table) -> str:
    live = bool(index.info.get(LIVE))
    kind = "uq" if live and index.unique else "ix"
    return _joined(kind, table.name, *map(_words_of, index.expressions), "live" if live else "")


def _check(constraint: CheckConstraint, table: Table) -> str:
    """Two checks may speak of the same columns, so the name carries a hash of what is checked."""
    columns = [column for column in constraint.columns if isinstance(column, Column)]
    kind = columns[0].type if len(columns) == 1 else None
    if isinstance(kind, Enum) and kind.create_constraint:
        checked, words = "\0".join(sorted(kind.enums)), columns[0].name
    else:
        checked = " ".join(_text(constraint.sqltext).split())
        words = "_".join(column.name for column in columns) or _slug(checked)
    digest = hashlib.sha256(checked.encode()).hexdigest()[:8]
    # The hash must not be what a long name loses.
    return _joined("ck", _cut(f"{table.name}_{words}", LIMIT - len("ck_") - len(digest) - 1), digest)


def _cut(name: str, limit: int) -> str:
    return name if len(name.encode()) <= limit else shortened("_" * LIMIT + name)[LIMIT:] or _hashed(name, limit)


def _words_of(expression: str | ColumnElement[Any] | TextClause) -> str:
    """A column's name; of an expression its words."""
    return expression.name if isinstance(expression, Column) else _slug(_text(expression))


def _text(expression: Any) -> str:
    compiled = expression.compile(compile_kwargs={"literal_binds": True, "include_table": False})
    return str(compiled)


def _slug(sql: str) -> str:
    return "_".join(re.findall(r"\w+", sql))


NAMING_CONVENTION: Mapping[str, Any] = {}
