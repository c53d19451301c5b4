"""Words and tables: fitted to a terminal, plain and whole in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import click
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from holdfast.journal import ERASED, Change
from holdfast.timeline import dumps, readable

_LONG_VALUE = 60
_LONG_CELL = 400
_WHOLE = {"when", "transaction", "operation", "state"}
"""Columns that are kept in one line on a terminal."""


def on_terminal() -> bool:
    return sys.stdout.isatty()


def say(text: str = "") -> None:
    """To standard output: the answer."""
    click.echo(printable(text, lines=True))


def note(text: str) -> None:
    """To standard error: what is said beside the answer."""
    click.echo(printable(text, lines=True), err=True)


def say_json(value: Any) -> None:
    click.echo(dumps(value))


def say_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    cells = [[printable(cell) for cell in row] for row in rows]
    if not on_terminal():
        _plain_table(headers, cells)
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for header in headers:
        table.add_column(header, overflow="fold", no_wrap=header in _WHOLE)
    for row in cells:
        table.add_row(*[Text(_shortened(cell, _LONG_CELL)) for cell in row])
    Console().print(table)


def _plain_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(cell_len(row[i]) for row in (headers, *rows)) for i in range(len(headers))]
    for row in (headers, *rows):
        padded = [cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)]
        click.echo("  ".join(padded).rstrip())


def printable(text: str, *, lines: bool = False) -> str:
    """The text with what would steer a terminal made visible: what is in a database is not to be trusted."""
    if text.isprintable():
        return text
    text = readable(text)
    return "".join(
        each if each.isprintable() or each == " " or (lines and each in "\n\t") else repr(each)[1:-1] for each in text
    )


def value_text(value: Any) -> str:
    """A value as JSON spells it, in one line."""
    if isinstance(value, Decimal):
        return str(value)
    if value == ERASED:
        return "(erased)"
    text = " ".join(part.strip() for part in dumps(value).splitlines())
    return _shortened(text, _LONG_VALUE) if on_terminal() else text


def key_text(key: Any) -> str:
    """A key as it can be given to ``holdfast log``."""
    if isinstance(key, list) and not any("," in str(each) for each in key):
        return ",".join(str(each) for each in key)
    return str(key) if isinstance(key, str | int | Decimal) and not isinstance(key, bool) else value_text(key)


def change_text(change: Change) -> str:
    """What became of the row, column by column."""
    before, after = change.before, change.after
    if change.operation == "update" and (before is None or after is None) and (before or after):
        return ("another key now; it was: " if after is None else "came from another key: ") + values_text(
            before or after
        )
    if before is None or after is None:
        return values_text(before or after)
    names = [*before, *(name for name in after if name not in before)]
    return ", ".join(f"{name}: {value_text(before.get(name))} → {value_text(after.get(name))}" for name in names)


def change_rows(changes: Sequence[Change]) -> list[list[str]]:
    return [[each.operation, each.table, key_text(each.key), change_text(each)] for each in changes]


def plural(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def values_text(document: Mapping[str, Any] | None) -> str:
    return ", ".join(f"{name}: {value_text(value)}" for name, value in (document or {}).items())


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
