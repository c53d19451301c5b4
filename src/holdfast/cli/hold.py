"""``holdfast hold``."""

from __future__ import annotations

import json
from typing import Any

import click

from holdfast.cli.failing import NO
from holdfast.cli.keys import row_key
from holdfast.cli.opening import Settings, reading, settings_of, url_option
from holdfast.cli.printing import key_text, note, say, say_json, say_table
from holdfast.cli.times import local
from holdfast.cli.undo import user
from holdfast.database import Database
from holdfast.holds import hold as place
from holdfast.holds import holds, release
from holdfast.timeline import shown


@click.command()
@click.argument("table", required=False)
@click.argument("key", required=False)
@click.option(
    "--reason", metavar="R", help="Why the row must stay; with --release: end the hold for this reason alone."
)
@click.option("--release", "ending", is_flag=True, help="End the holds of the row.")
@click.option("--json", "as_json", is_flag=True, help="The holds there are, as JSON.")
@url_option
@settings_of
def hold(
    settings: Settings, *, table: str | None, key: str | None, reason: str | None, ending: bool, as_json: bool
) -> None:
    """Put the row of TABLE with that KEY under legal hold, or release it; without TABLE show all holds.

    A row under hold is not purged nor erased, and its history stays whatever the table's rule says. It can still be
    changed, and deleted; what it was is in the journal.
    """
    database = settings.database()
    if table is None:
        if ending or reason:
            raise click.UsageError("Which row? Write TABLE and KEY.")
        _list(database, as_json=as_json)
        return
    if as_json:
        raise click.UsageError("--json is for the list of all holds: write it without TABLE.")
    if key is None:
        raise click.UsageError("Which row? Write its KEY too.")
    if not ending and not reason:
        raise click.UsageError("Why must it stay? Write --reason R, or --release to end its holds.")
    with reading(database) as (_, _dialect, inventory):
        stored = inventory.recorded(table)
        name, value = shown(stored.table), json.loads(row_key(inventory, stored, key))
    if ending:
        _release(database, table, name, value, reason)
    elif place(database, table, value, reason=str(reason), actor=user()):
        say(f"{name} {key_text(value)} is under legal hold.")
    else:
        say(f"{name} {key_text(value)} was under legal hold for that reason already.")


def _list(database: Database, *, as_json: bool) -> None:
    with reading(database) as (connection, dialect, inventory):
        found = holds(connection, dialect, inventory)
    if as_json:
        say_json([each.as_json() for each in found])
    elif found:
        say_table(
            ["since", "who", "table", "key", "reason"],
            [[local(each.at), each.actor or "-", each.table, key_text(each.key), each.reason] for each in found],
        )
    else:
        note("No row is under legal hold.")


def _release(database: Database, table: str, name: str, key: Any, reason: str | None) -> None:
    released = release(database, table, key, reason=reason, actor=user())
    if not released:
        say(f"{name} {key_text(key)} is not under legal hold{' for that reason' if reason else ''}.")
        raise click.exceptions.Exit(NO)
    say(f"{name} {key_text(key)} is released: {', '.join(released)}.")
