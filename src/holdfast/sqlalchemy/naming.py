"""Names for constraints and indexes: of all their columns, short enough for every database; and enums that are checked.

The name in the metadata is the name in the database: nothing is left for a database to shorten.
"""

from __future__ import annotations

import enum
import hashlib
import re
from typing import Any, TypeVar

from sqlalchemy import (
    CheckConstraint,
    Column,
    Enum,
    ForeignKeyConstraint,
    Index,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
)
from sqlalchemy.orm import MappedColumn, mapped_column

from holdfast.errors import DeclarationError

LIMIT = 63
"""Bytes: what PostgreSQL keeps of a name. It cuts the rest off without a word, and other databases keep more."""
LIVE = "holdfast.live"
"""In ``Index.info``: the index is over the rows that live."""

E = TypeVar("E", bound=enum.Enum)


def shortened(name: str, limit: int = LIMIT) -> str:
    """The name itself, or of a long one as much as fits, and a hash of all of it: two long names stay two.

    >>> shortened("ix_orders_status")
    'ix_orders_status'
    >>> len(shortened("ix_" + "é" * 60).encode()) <= 63
    True
    """
    whole = name.encode()
    if len(whole) <= limit:
        return name
    digest = hashlib.sha256(whole).hexdigest()[:12]
    # What is left of a character that the cut goes through is left out.
    kept = whole[: limit - len(digest) - 1].decode(errors="ignore").rstrip("_")
    return f"{kept}_{digest}"


def _joined(*parts: str, limit: int = LIMIT) -> str:
    return shortened("_".join(part for part in parts if part), limit)


def _primary_key(constraint: PrimaryKeyConstraint, table: Table) -> str:
    return _joined("pk", table.name)


def _unique(constraint: UniqueConstraint, table: Table) -> str:
    return _joined("uq", table.name, *(column.name for column in constraint.columns))


def _foreign_key(constraint: ForeignKeyConstraint, table: Table) -> str:
    target = constraint.elements[0].target_fullname.split(".")[-2]
    return _joined("fk", table.name, *constraint.column_keys, target)


def _index(index: Index, table: Table) -> str:
    live = bool(index.info.get(LIVE))
    kind = "uq" if live and index.unique else "ix"
    return _joined(kind, table.name, *map(_words_of, index.expressions), "live" if live else "")


def _check(constraint: CheckConstraint, table: Table) -> str:
    """Two checks may speak of the same columns, so the name ends with a hash of what is checked."""
    columns = list(constraint.columns)
    kind = columns[0].type if len(columns) == 1 else None
    if isinstance(kind, Enum) and kind.create_constraint:
        checked = "\0".join(sorted(kind.enums))
    else:
        checked = " ".join(_text(constraint.sqltext).split())
    words = "_".join(column.name for column in columns) or _slug(checked)
    digest = hashlib.sha256(checked.encode()).hexdigest()[:8]
    return f"{_joined('ck', table.name, words, limit=LIMIT - len(digest) - 1)}_{digest}"


def _words_of(expression: Any) -> str:
    """A column's name; of an expression its words."""
    return expression.name if isinstance(expression, Column) else _slug(_text(expression))


def _text(expression: Any) -> str:
    """In the generic dialect, so that a name is the same on every database, and without the table's name."""
    return str(expression.compile(compile_kwargs={"literal_binds": True, "include_table": False}))


def _slug(sql: str) -> str:
    return "_".join(re.findall(r"\w+", sql.lower()))


NAMING_CONVENTION: dict[str, Any] = {
    "pk": "%(holdfast_pk)s",
    "uq": "%(holdfast_uq)s",
    "fk": "%(holdfast_fk)s",
    "ix": "%(holdfast_ix)s",
    "ck": "%(holdfast_ck)s",
    "holdfast_pk": _primary_key,
    "holdfast_uq": _unique,
    "holdfast_fk": _foreign_key,
    "holdfast_ix": _index,
    "holdfast_ck": _check,
}
"""For ``MetaData(naming_convention=…)``: every constraint and index without a name gets one.

It is made of the table and of *all* columns (``uq_orders_tenant_id_number``), is at most 63 bytes long, and two
long ones differ. A CHECK without a name gets one of its words or columns and of a hash of its text. A name that is
given stays as it is.

>>> from sqlalchemy import Column, Integer, MetaData, Table, UniqueConstraint
>>> metadata = MetaData(naming_convention=NAMING_CONVENTION)
>>> columns = [Column(name, Integer) for name in ("a", "b", "c")]
>>> table = Table("t", metadata, *columns, UniqueConstraint("a", "b"), UniqueConstraint("a", "c"))
>>> sorted(str(each.name) for each in table.constraints)
['pk_t', 'uq_t_a_b', 'uq_t_a_c']
"""


class CheckedEnum(Enum):
    """The values of an enum as text of any length, with a CHECK that the naming convention names.

    A copy of SQLAlchemy's own type, as a mixin's column or a migration makes it, is called after the Python class
    even if it was to have no name; two columns of one table would then have constraints of the same name.
    """

    def __init__(self, *values: Any, **options: Any) -> None:
        storing: dict[str, Any] = {"name": None, "native_enum": False, "create_constraint": True, "length": None}
        super().__init__(*values, **storing | {"validate_strings": True} | options)


def enum_column(
    kind: type[E], *, check: str | None = None, server_default: E | str | None = None, **options: Any
) -> MappedColumn[E]:
    """A column that holds the values of an enum as text of any length, and a CHECK that lets nothing else in.

    What is stored is the *value* of a member, so that a member can be renamed in Python. ``check`` names the
    constraint; else the naming convention does, with another name for another set of values. ``options`` are
    those of ``mapped_column``. HF112 where a value is not text. A value in the database that the enum lacks
    raises ``LookupError`` when it is read, and one that it lacks is refused before it is written.

    >>> import enum
    >>> class Status(enum.StrEnum):
    ...     NEW = "new"
    ...     PAID = "paid"
    >>> status = enum_column(Status, default=Status.NEW)  # status: Mapped[Status] = …
    >>> status.column.type.enums
    ['new', 'paid']
    """
    values = [member.value for member in kind]
    for value in values:
        if not isinstance(value, str):
            raise DeclarationError(
                "HF112",
                f"{kind.__name__} has the value {value!r}, and an enum column stores text.",
                "Give every member a string; a StrEnum does.",
            )
    default: str | None = server_default.value if isinstance(server_default, enum.Enum) else server_default
    stored = CheckedEnum(kind, name=check, values_callable=lambda _: values)
    return mapped_column(stored, server_default=default, **options)
