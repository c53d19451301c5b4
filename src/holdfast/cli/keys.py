"""A row's key as a person types it, in the JSON spelling that the journal uses."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from uuid import UUID

import click

from holdfast.inventory import Inventory
from holdfast.stored import StoredRelation

# The types whose values stand bare in JSON, as PostgreSQL and SQLite name them.
_BARE = re.compile(
    r"(unsigned |tiny|small|medium|big)*"
    r"(int(eger|2|4|8)?|bool(ean)?|numeric|decimal|float(4|8)?|real|double.*|money)\b",
    re.IGNORECASE,
)


def key_as_json(text: str, columns: Sequence[str], types: Sequence[str]) -> str:
    """``42``, ``1,2`` or JSON; a text needs no quotes. The types say what is a number.

    >>> key_as_json("42", ["id"], ["int4"]), key_as_json("42", ["code"], ["text"])
    ('42', '"42"')
    >>> key_as_json("1,north", ["id", "region"], ["int8", "text"])
    '[1,"north"]'
    """
    values = _values(text, len(columns))
    if len(values) != len(columns):
        raise click.BadParameter(
            f"{text!r} has {len(values)} {'value' if len(values) == 1 else 'values'}; the key is "
            f"{', '.join(columns)}. Write {','.join(columns)}, or a JSON array.",
            param_hint="KEY",
        )
    spelled = [_spelled(*each) for each in zip(values, columns, types, strict=True)]
    return spelled[0] if len(spelled) == 1 else f"[{','.join(spelled)}]"


def row_key(inventory: Inventory, stored: StoredRelation, key: str) -> str:
    """The key of a row of that table, as JSON."""
    present = inventory.find(stored)
    types = {each.name: each.type for each in stored.columns}
    if present is not None:
        types |= {each.name: each.base_type for each in present.columns}
    return key_as_json(key, stored.key, [types.get(name, "") for name in stored.key])


def _values(text: str, wanted: int) -> list[str]:
    if text.startswith(("[", '"')):
        try:
            # Numbers stay the text that they are: 1.50 is another key than 1.5.
            document = json.loads(text, parse_float=str, parse_int=str)
        except ValueError:
            document = None
        if isinstance(document, list):
            return [each if isinstance(each, str) else json.dumps(each) for each in document]
        if isinstance(document, str):
            return [document]
    return [text] if wanted == 1 else [each.strip() for each in text.split(",")]


def _spelled(value: str, column: str, kind: str) -> str:
    if _BARE.match(kind):
        try:
            number = json.loads(value)
        except (ValueError, RecursionError):
            number = None
        if not isinstance(number, int | float) or (isinstance(number, int) and "int" in kind and abs(number) >= 2**63):
            raise click.BadParameter(
                f"{value!r} cannot be a value of the key column {column}, which is {kind}.", param_hint="KEY"
            )
        return value
    if kind.lower() == "uuid":
        try:
            value = str(UUID(value))
        except ValueError:
            raise click.BadParameter(f"{value!r} is no UUID, and {column} is one.", param_hint="KEY") from None
    if not kind and re.fullmatch(r"-?\d+", value):
        return value
    return json.dumps(value, ensure_ascii=False)
