"""How the journal keeps values and keys, and how both are spelled as JSON.

Values are kept natively, in columns without affinity: what comes back is the value itself. A key of one column is
kept natively too. A key of several is kept as a JSON array in which a blob is ``{"blob": "<hex>"}``, so that it can
be mistaken for no text; a key of one blob is spelled so as well.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from holdfast.dialects.sqlite.sql import all_of, qualified, quote
from holdfast.objects import Protection

HIDDEN, ERASED, ERASED_BEFORE, WAITING = 1, 2, 3, 4
"""What ``holdfast_value.masked`` says: only a mask or a digest is kept; it was erased, on both sides or on the one
before alone; it waits as it is for its digest to be made."""

# Seventeen digits tell every real from its neighbours; most need fifteen, and are read more easily so.
_EXACT = "printf('%!.17g', {0})"
_SHORT = "case when cast(printf('%!.15g', {0}) as real) = {0} then printf('%!.15g', {0}) else printf('%!.17g', {0}) end"


def json_text(value: str, blob: str = """'"\\\\x' || lower(hex({})) || '"'""", real: str = _SHORT) -> str:
    """An expression: the value as JSON text."""
    return (
        f"case typeof({value}) when 'null' then 'null' when 'integer' then cast({value} as text)"
        f" when 'text' then json_quote({value})"
        f" when 'real' then case when abs({value}) < 9e999 then {real.format(value)}"
        f" when {value} > 0 then '\"Infinity\"' else '\"-Infinity\"' end"
        f" else {blob.format(value)} end"
    )


def key_json(value: str) -> str:
    """An expression: one key value as JSON; infinity is the number that overflows to it."""
    text = json_text(value, blob="""'{{"blob":"' || lower(hex({})) || '"}}'""", real=_EXACT)
    return text.replace("'\"Infinity\"'", "'9.0e+999'").replace("'\"-Infinity\"'", "'-9.0e+999'")


def key_of(row: str, key: Iterable[str]) -> str:
    """An expression: the key of the row as the journal keeps it."""
    names = list(key)
    if len(names) == 1:
        return f"{row}.{quote(names[0])}"
    return "'[' || " + " || ',' || ".join(key_json(f"{row}.{quote(name)}") for name in names) + " || ']'"


def key_shown(relation: str, key: str) -> str:
    """An expression: a kept key as JSON."""
    return f"case when json_array_length({relation}.key_columns) > 1 then {key} else {key_json(key)} end"


def json_value(document: str, path: str) -> str:
    """An expression: what is at that place of the document.

    Older versions of SQLite end a text there at its first NUL: it is spelled with another control character meanwhile.
    None of these stands in JSON as it is, and a backslash that is left once the pairs are gone begins an escape.
    """
    value, kind = (f"{function}({document}, '{path}')" for function in ("json_extract", "json_type"))
    spelled = document
    for escape, other in (("\\\\", "\\u005c"), ("\\u0001", "\\u00011"), ("\\u0000", "\\u00010")):
        spelled = f"replace({spelled}, '{escape}', '{other}')"
    whole = f"json_extract({spelled}, '{path}')"
    for number in (0, 1):
        whole = f"replace({whole}, char(1) || '{number}', char({number}))"
    return f"case when instr({document}, '\\u0000') and {kind} = 'text' then {whole} else {value} end"


def key_given(text: str) -> tuple[str, Any]:
    """A key that a reader gives as JSON: as the journal keeps one of several columns, and one of a single column."""
    try:
        value = json.loads(text)
    except ValueError:
        return text, text
    if isinstance(value, list):
        return "[" + ",".join(_spelled(each) for each in value) + "]", text
    if isinstance(value, dict) and isinstance(value.get("blob"), str):
        return text, bytes.fromhex(value["blob"])
    return text, value


def _spelled(value: Any) -> str:
    if isinstance(value, float):
        if value in (float("inf"), float("-inf")):
            return "9.0e+999" if value > 0 else "-9.0e+999"
        text = format(value, ".17g")
        return text if "." in text else text.replace("e", ".0e") if "e" in text else text + ".0"
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def key_is(protection: Protection, row: str, given: str = ":key") -> str:
    """A condition: the row has the given key, which is JSON. It goes by the table's index."""
    key = protection.table.key
    conditions = []
    for position, name in enumerate(key):
        path = "$" if len(key) == 1 else f"$[{position}]"
        column, value, kind = (
            f"{row}.{quote(name)}",
            json_value(given, path),
            f"json_type({given}, '{path}')",
        )
        conditions.append(
            # A list that the table's index can be searched for; what is no plain value is found by looking at all.
            f"{column} in (\n    select {value} where {kind} not in ('object', 'null')\n    union all\n"
            f"    select b.{quote(name)} from {qualified(protection.table.name)} as b\n"
            f"    where {kind} = 'object' and typeof(b.{quote(name)}) = 'blob'\n"
            f"        and lower(hex(b.{quote(name)})) = json_extract({given}, '{path}.blob'))\n"
            f"and (typeof({column}) = 'blob') = ({kind} = 'object')"
        )
    return all_of(conditions)
