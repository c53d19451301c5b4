"""``holdfast versions``."""

from __future__ import annotations

import click

from holdfast.cli.keys import row_key
from holdfast.cli.opening import Settings, reading, settings_of, url_option
from holdfast.cli.printing import say, say_json, say_table, value_text, values_text
from holdfast.cli.times import local
from holdfast.history import Version, diff, version_at, versions_of


@click.command()
@click.argument("table")
@click.argument("key")
@click.option(
    "--diff",
    "pair",
    nargs=2,
    type=click.IntRange(min=0),
    default=None,
    metavar="A B",
    help="Only what differs between two versions.",
)
@click.option("--json", "as_json", is_flag=True, help="An array of versions, each with the whole row, as JSON.")
@url_option
@settings_of
def versions(settings: Settings, *, table: str, key: str, pair: tuple[int, int] | None, as_json: bool) -> None:
    """The versions of the row of TABLE with that KEY, numbered from 1: who, when, why, and what it was.

    Version 0 is what was there before its first recorded change. A row that is gone has its versions still.
    """
    with reading(settings.database()) as (connection, dialect, inventory):
        stored = inventory.recorded(table)
        known = versions_of(connection, dialect, inventory, stored, row_key(inventory, stored, key))
    if pair is not None:
        _say_diff(known, pair, as_json=as_json)
    elif as_json:
        say_json([each.as_json() for each in known])
    else:
        _say_versions(known)


def _say_versions(known: list[Version]) -> None:
    rows = []
    for position, each in enumerate(known):
        before = known[position - 1] if position else None
        rows.append(
            [
                str(each.number),
                local(each.at) if each.at else "-",
                each.transaction or "-",
                each.actor or "-",
                each.reason or "-",
                each.operation or "-",
                _told(before, each),
            ]
        )
    say_table(["version", "when", "transaction", "who", "why", "operation", "row"], rows)


def _told(before: Version | None, version: Version) -> str:
    if version.values is None:
        return "gone"
    if before is None or before.values is None:
        return values_text(version.values)
    fields = diff(before, version)
    if not fields:
        # It was another once: what made the difference was erased since, or is not kept.
        return "not told"
    return ", ".join(f"{name}: {value_text(a)} → {value_text(b)}" for name, (a, b) in fields.items())


def _say_diff(known: list[Version], pair: tuple[int, int], *, as_json: bool) -> None:
    a, b = (version_at(known, number=number) for number in pair)
    fields = diff(a, b)
    if as_json:
        say_json({name: {"from": before, "to": after} for name, (before, after) in fields.items()})
    elif not fields:
        say(f"Versions {pair[0]} and {pair[1]} are the same.")
    else:
        say_table(
            ["column", f"version {pair[0]}", f"version {pair[1]}"],
            [[name, value_text(before), value_text(after)] for name, (before, after) in fields.items()],
        )
