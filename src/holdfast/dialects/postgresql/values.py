"""How a value of each type is written into the journal, compared, and read back, bit for bit.

A row is kept as JSON text with column ids for names. Numbers and booleans stand bare; everything else is its
text form as a string, so that SQL NULL (``null``) and a jsonb null (``"null"``) stay two things, and so do
``1.0`` and ``1.00``. Types whose text form depends on a session's settings have those settings pinned on the
function that writes them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from holdfast.tables import ColumnInfo

_BARE = {"int2", "int4", "int8", "bool"}
_BY_TO_JSON = {
    "numeric", "float4", "float8", "timestamp", "timestamptz", "date", "time", "timetz", "bpchar", "name", "uuid", "oid",
}  # fmt: skip
_EXACT = {
    "int2", "int4", "int8", "oid", "bool", "text", "varchar", "name", "char", "uuid", "date", "timestamp",
    "timestamptz", "time", "bytea", "bit", "varbit", "inet", "cidr", "macaddr", "macaddr8",
}  # fmt: skip
"""Types whose ``=`` holds for identical values only. Not: numeric without a scale (1.0 = 1.00), floats (-0 = 0), interval
(30 days = 1 month), jsonb, citext, text under a nondeterministic collation, and what is made of these."""

_PINS = {
    "float4": ("extra_float_digits",),
    "float8": ("extra_float_digits",),
    "interval": ("IntervalStyle",),
    "money": ("lc_monetary",),
}
_PIN_VALUES = {
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "array_nulls": "on",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "lc_monetary": "C",
    "xmloption": "content",
}
_LIMITED = ("character(", "character varying(", "bit(", "bit varying(")
_GEOMETRIC = {"point", "line", "lseg", "box", "path", "polygon", "circle"}
_PLAIN_COMPOUNDS = {
    "_int2", "_int4", "_int8", "_bool", "_text", "_varchar", "_uuid", "_numeric", "_bpchar", "_name",
    "int4range", "int8range", "numrange", "int4multirange", "int8multirange", "nummultirange",
}  # fmt: skip


def pinned_settings(columns: Iterable[ColumnInfo], key: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """The settings that a function must pin so that it writes these columns the same for every session."""
    pins: set[str] = set()
    keys = set(key)
    for column in columns:
        if column.base_type in _PINS:
            pins.update(_PINS[column.base_type])
        elif column.base_type in _GEOMETRIC:
            pins.add("extra_float_digits")
        elif column.type_kind in ("array", "composite", "range", "multirange"):
            if column.base_type not in _PLAIN_COMPOUNDS:
                pins.update(
                    (
                        "DateStyle",
                        "IntervalStyle",
                        "TimeZone",
                        "bytea_output",
                        "extra_float_digits",
                        "lc_monetary",
                    )
                )
        elif column.base_type == "timestamptz" and column.name in keys:
            pins.add("TimeZone")
    return tuple((name, _PIN_VALUES[name]) for name in sorted(pins))


def all_settings() -> tuple[tuple[str, str], ...]:
    """What a session must set to read every value back as it was written."""
    return tuple(_PIN_VALUES.items())


def json_text(column: ColumnInfo, reference: str) -> str:
    """An expression: the value as JSON text, NULL for NULL."""
    value = json_value(column, reference)
    return value if column.base_type in _BARE else f"{value}::text"


def json_value(column: ColumnInfo, reference: str) -> str:
    """The same for an argument of concat(), which writes json out by itself: a cast to text costs as much again."""
    base = column.base_type
    if base == "bool":
        # Planned as the value alone, and only for what is boolean.
        return f"({reference} and true)::text"
    if base in _BARE:
        # round() is planned away, and refuses what is no number by now: bare, its text would be no JSON.
        return f"case when true then {reference}::text else round({reference})::text end"
    if base == "bytea":
        # chr(92) is the backslash; a literal one would depend on standard_conforming_strings.
        return f"to_json(chr(92) || 'x' || encode({reference}, 'hex'))"
    if base == "money":
        return f"to_json({reference}::numeric)"
    if base in _BY_TO_JSON:
        return f"to_json({reference})"
    # Of a text the cast costs nothing, and of what it may have become, such as jsonb, it makes a string too.
    return f"to_json({reference}::text)"


def from_text(column: ColumnInfo, text: str) -> str:
    """An expression: the value that ``json_text`` wrote, from the text inside the JSON."""
    if column.base_type == "money":
        return f"({text})::numeric::money"
    if column.base_type == "regclass":
        # Its cast from text looks for a table of that name only; its own input also reads what stands for none.
        return f"pg_catalog.regclassin(pg_catalog.textout({text}))::{column.type}"
    return f"({text})::{_without_limit(column)}"


def _without_limit(column: ColumnInfo) -> str:
    """A cast to varchar(5) cuts a longer value off in silence; storing it there is refused."""
    if column.type.startswith(_LIMITED):
        return f'pg_catalog."{column.base_type.removesuffix(" (nondeterministic)")}"'
    return column.type


_INPUT = {
    "varchar": ("varcharin", 4),
    "bpchar": ("bpcharin", 4),
    "bit": ("bit_in", 0),
    "varbit": ("varbit_in", 0),
}


def exactly(column: ColumnInfo, value: str, text: str) -> str:
    """An expression: the value as the column's own type, where a cast would cut it off. Too long a value is refused."""
    if not column.type.startswith(_LIMITED) or column.base_type not in _INPUT:
        return value
    function, header = _INPUT[column.base_type]
    limit = int(column.type.partition("(")[2].rstrip(")")) + header
    return f"pg_catalog.{function}(pg_catalog.textout({text}), 0, {limit})::{column.type}"


def is_exact(column: ColumnInfo) -> bool:
    if column.type_kind == "enum" or column.base_type in _EXACT:
        return True
    # As long as each other, and of as many digits.
    return column.base_type in ("bpchar", "numeric") and "(" in column.type


def differs(columns: Iterable[tuple[ColumnInfo, str, str]]) -> str:
    """A condition: any of these pairs of values is not the same, bit for bit. FALSE for no pairs."""
    pairs = list(columns)
    exact = [(left, right) for column, left, right in pairs if is_exact(column)]
    loose = [(left, right) for column, left, right in pairs if not is_exact(column)]
    parts = []
    if len(exact) == 1:
        parts.append(f"{exact[0][0]} is distinct from {exact[0][1]}")
    elif exact:
        left, right = (", ".join(side) for side in zip(*exact, strict=True))
        parts.append(f"row({left}) is distinct from row({right})")
    if loose:
        # The image comparison: exact for every type, also for those that have no "=" at all.
        left, right = (", ".join(side) for side in zip(*loose, strict=True))
        parts.append(f"row({left})::record *<> row({right})::record")
    return " or ".join(parts) or "false"


# What is equal is one key, whatever it looks like, and must be spelled in one way.
_CANONICAL = {
    "numeric": "trim_scale({})",
    "float4": "({} + 0)",
    "float8": "({} + 0)",
    "interval": "justify_interval({})",
    "citext": "lower({}::text)",
}


def equal_keys(columns: Iterable[tuple[ColumnInfo, str, str]]) -> str:
    """A condition that a hash join can use: the keys are the same."""
    own = _EXACT | {"numeric", "float4", "float8", "timetz", "interval", "bpchar"}
    return " and ".join(
        f"{left} = {right}"
        if column.base_type in own or column.type_kind == "enum"
        else f"{_canonical(column, left)}::text = {_canonical(column, right)}::text"
        for column, left, right in columns
    )


def _canonical(column: ColumnInfo, reference: str) -> str:
    return _CANONICAL.get(column.base_type, "{}").format(reference)


def key_text(columns: list[ColumnInfo], references: list[str]) -> str:
    """An expression: the key as the journal spells it, a JSON scalar, or an array for several columns."""
    values = [
        json_text(column, _canonical(column, reference)) for column, reference in zip(columns, references, strict=True)
    ]
    if len(values) == 1:
        return values[0]
    return "concat('[', " + ", ',', ".join(values) + ", ']')"


def key_parts(columns: list[ColumnInfo], key: str) -> list[str]:
    """Expressions: the values of the key columns, from the key's JSON text."""
    if len(columns) == 1 and columns[0].base_type in _BARE and key != ":key":
        # As the journal spells it, it is the value's own text.
        return [from_text(columns[0], key)]
    if len(columns) == 1:
        return [from_text(columns[0], f"({key})::json #>> '{{}}'")]
    return [from_text(column, f"({key})::json ->> {index}") for index, column in enumerate(columns)]


class _Number(str):
    """A number as it was written, of any length."""


RUN_BITS = 10
"""A run of inserted keys is of one block of 1024: whoever looks for the runs around a key looks no further."""


def covers(key: str) -> str:
    """A condition on the change ``c``: it is a run, and this integer key is of it."""
    number = f"cast({key} as bigint)"
    # First what every other change fails: its key need not be an integer.
    return (
        f"c.key_last is not null and c.key_last >= {number} and c.key_last <= ({number} | {2**RUN_BITS - 1})"
        f" and c.key::bigint <= {number}"
    )


def key_spelled(text: str) -> str:
    """The key as the recorder spells it, whatever the blanks in ``text``."""
    value = json.loads(text, parse_float=_Number, parse_int=_Number)
    parts = [
        _trimmed(part) if isinstance(part, _Number) else json.dumps(part, ensure_ascii=False)
        for part in (value if isinstance(value, list) else [value])
    ]
    return f"[{','.join(parts)}]" if isinstance(value, list) else parts[0]


def _trimmed(number: str) -> str:
    """1.50 is the key 1.5, as equal numbers are."""
    return number.rstrip("0").rstrip(".") if "." in number and "e" not in number.lower() else str(number)
