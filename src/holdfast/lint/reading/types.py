"""A type as it is written, and the type that it is."""

from __future__ import annotations

from holdfast.lint.actions import Type
from holdfast.lint.words import Cursor, Words, split_at_commas, text_of

# What a column definition goes on with after its type.
AFTER_TYPE = (
    *("CONSTRAINT", "NOT", "NULL", "DEFAULT", "CHECK", "UNIQUE", "PRIMARY", "REFERENCES", "GENERATED", "COLLATE"),
    *("AUTO_INCREMENT", "AUTOINCREMENT", "COMMENT", "USING", "STORAGE", "COMPRESSION", "DEFERRABLE", "INITIALLY"),
    *("ON", "AS", "FIRST", "AFTER", "IDENTITY", "ROWGUIDCOL", "SPARSE", "KEY", "OPTIONS", "EXCLUDE", "INVISIBLE"),
)

# The types of several words that have no shorter name.
_LONG = ("double precision", "interval ", "national ")

_CANONICAL = {
    "int": "integer",
    "int4": "integer",
    "int8": "bigint",
    "int2": "smallint",
    "serial4": "serial",
    "serial8": "bigserial",
    "serial2": "smallserial",
    "bool": "boolean",
    "character varying": "varchar",
    "char varying": "varchar",
    "bit varying": "varbit",
    "character": "char",
    "bpchar": "char",
    "decimal": "numeric",
    "dec": "numeric",
    "float8": "double precision",
    "float4": "real",
    "float": "double precision",
    "timestamp without time zone": "timestamp",
    "timestamp with time zone": "timestamptz",
    "time without time zone": "time",
    "time with time zone": "timetz",
}


def read_type(cursor: Cursor) -> Type:
    """Everything up to what follows a type in a column definition."""
    # A column without a type is one of SQLite, or one that SQL Server computes.
    type_ = type_of(cursor.until(*AFTER_TYPE))
    if cursor.server.kind == "postgresql" and " " in type_.name and not type_.name.startswith(_LONG):
        cursor.at -= 1
        cursor.refuse(f"{type_.name!r} is no type")
    return type_


def type_of(words: Words) -> Type:
    names: list[str] = []
    arguments: tuple[str, ...] = ()
    array = False
    at = 0
    while at < len(words):
        word = words[at]
        if word.is_("("):
            end = next((i for i in range(at, len(words)) if words[i].is_(")")), len(words))
            arguments = tuple(text_of(part) for part in split_at_commas(words[at + 1 : end]))
            at = end
        elif word.is_("[", "ARRAY"):
            array = True
        elif word.is_("]") or (array and word.kind == "number"):
            pass
        elif word.is_("."):
            names = []
        else:
            names.append(word.text.lower() if word.kind == "word" else word.text)
        at += 1
    name = " ".join(names)
    return Type(_CANONICAL.get(name, name), arguments, array)


_LENGTHS = {"varchar", "varbit"}
_PRECISIONS = {"timestamp", "timestamptz", "time", "timetz", "interval"}
_ZONED = {frozenset({"timestamp", "timestamptz"})}
_AS_TEXT = {("varchar", "text"), ("text", "varchar"), ("citext", "text"), ("text", "citext"), ("citext", "varchar")}


def keeps_rows(old: Type, new: Type, *, utc: bool = False) -> bool:
    """Whether PostgreSQL changes the type in its catalog alone, and reads and writes no row."""
    if old == new:
        return True
    if old.array or new.array:
        return False
    if old.name == new.name:
        return _wider(old, new)
    if (old.name, new.name) in _AS_TEXT:
        return not new.arguments
    if frozenset({old.name, new.name}) in _ZONED:
        return utc and _not_shorter(old.arguments, new.arguments)
    return (old.name, new.name) == ("cidr", "inet")


def _wider(old: Type, new: Type) -> bool:
    if old.name in _LENGTHS | _PRECISIONS:
        return _not_shorter(old.arguments, new.arguments)
    if old.name == "numeric":
        if not new.arguments:
            return True
        if not old.arguments:
            return False
        (old_precision, old_scale), (precision, scale) = _digits(old), _digits(new)
        return precision >= old_precision and scale == old_scale
    return False


def _not_shorter(old: tuple[str, ...], new: tuple[str, ...]) -> bool:
    """Without a length there is no limit."""
    if not new:
        return True
    return bool(old) and old[0].isdigit() and new[0].isdigit() and int(new[0]) >= int(old[0])


def _digits(type_: Type) -> tuple[int, int]:
    numbers = [int(each) if each.lstrip("-").isdigit() else 0 for each in (*type_.arguments, "0")]
    return numbers[0], numbers[1]
