"""What an expression calls, and whether PostgreSQL may work it out once for all rows."""

from __future__ import annotations

from collections.abc import Iterator

from holdfast.lint.history import History
from holdfast.lint.words import Words

# Immutable or stable, as pg_proc has them; what is not here counts as volatile, as a function of one's own does
# unless it says otherwise.
_STEADY = {
    *("now", "transaction_timestamp", "statement_timestamp", "current_setting", "current_user", "current_schema"),
    *("lower", "upper", "coalesce", "nullif", "greatest", "least", "concat", "concat_ws", "format", "length", "left"),
    *("right", "substring", "substr", "trim", "btrim", "ltrim", "rtrim", "replace", "repeat", "lpad", "rpad", "md5"),
    *("sha256", "encode", "decode", "convert_to", "convert_from", "to_char", "to_date", "to_timestamp", "to_number"),
    *("to_json", "to_jsonb", "json_build_object", "jsonb_build_object", "json_build_array", "jsonb_build_array"),
    *("json_object", "jsonb_object", "array_append", "array_cat", "array_fill", "string_to_array", "date_trunc"),
    *("date_part", "extract", "make_date", "make_time", "make_timestamp", "make_timestamptz", "make_interval", "age"),
    *("timezone", "abs", "round", "floor", "ceil", "ceiling", "trunc", "mod", "power", "sqrt", "int4range", "row"),
    *("int8range", "numrange", "tsrange", "tstzrange", "daterange", "to_tsvector", "to_tsquery", "uuid_nil", "cast"),
    *("current_database", "inet", "hstore", "point", "array", "current_timestamp", "localtimestamp", "current_time"),
    *(
        "localtime",
        "convert",
        "getdate",
        "sysdatetime",
        "getutcdate",
        "current_date",
        "date",
        "char",
        "text",
        "sysutcdatetime",
    ),
}
_TYPES = {
    *("numeric", "decimal", "varchar", "char", "character", "varying", "bit", "timestamp", "timestamptz", "time"),
    *(
        "interval",
        "timetz",
        "varbit",
        "bpchar",
        "float",
        "nvarchar",
        "nchar",
        "datetime2",
        "enum",
        "values",
        "in",
        "and",
    ),
    *("or", "not", "is", "select", "where", "from", "using", "with", "check", "exists", "any", "all", "as", "on"),
}


def calls_in(words: Words) -> Iterator[str]:
    """The functions that an expression calls."""
    for at, word in enumerate(words[:-1]):
        if word.kind in ("word", "name") and words[at + 1].is_("("):
            if at and words[at - 1].is_("::"):
                continue
            name = word.text.lower() if word.kind == "word" else word.text
            if name not in _TYPES:
                yield name


def first_volatile(words: Words, history: History) -> str:
    """The function that has to be called for every row; empty where there is none."""
    for name in calls_in(words):
        if history.functions.get(name, name not in _STEADY):
            return name
    return ""


def words_mention(words: Words, name: str) -> bool:
    """Whether the name is among the words, as a name and not in a string."""
    return any(word.kind in ("word", "name") and word.text.lower() == name.lower() for word in words)
