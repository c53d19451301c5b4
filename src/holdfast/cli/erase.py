"""``holdfast erase``."""

from __future__ import annotations

import json
from functools import partial

import click

from holdfast.cli.keys import row_key
from holdfast.cli.opening import Settings, reading, settings_of, url_option
from holdfast.cli.planning import confirm, refuse_json_that_asks, yes_option
from holdfast.cli.printing import key_text, note, plural, say, say_json, say_table
from holdfast.cli.times import local
from holdfast.cli.undo import user
from holdfast.database import Database
from holdfast.erasure import Erased, erasures
from holdfast.erasure import erase as take_away


@click.command()
@click.argument("table", required=False)
@click.argument("key", required=False)
@click.option("--reason", metavar="R", help="Why; it is recorded, and not searched for values.")
@click.option("--column", "columns", multiple=True, metavar="C", help="This column alone; may be repeated.")
@click.option("--replace", multiple=True, metavar="C=V", help="What is to stand in the row instead of NULL.")
@click.option("--history-only", is_flag=True, help="The values stay in the row, and go from its history.")
@click.option("--list", "listed", is_flag=True, help="What was erased, by whom and why.")
@click.option("--dry-run", is_flag=True, help="Show what would go and change nothing.")
@yes_option
@click.option("--json", "as_json", is_flag=True, help="The outcome as JSON; needs --yes or --dry-run.")
@url_option
@settings_of
def erase(
    settings: Settings,
    *,
    table: str | None,
    key: str | None,
    reason: str | None,
    columns: tuple[str, ...],
    replace: tuple[str, ...],
    history_only: bool,
    listed: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Erase the values of the row of TABLE with that KEY, from the row and from all of its history.

    That it was changed, when and by whom stays. Without --column all columns are meant but keys, foreign keys and what
    a policy keeps. There is no way back.
    """
    database = settings.database()
    if listed:
        _list(database, as_json=as_json)
        return
    if table is None or key is None or not (reason or "").strip():
        raise click.UsageError("Write: holdfast erase TABLE KEY --reason WHY; or holdfast erase --list.")
    refuse_json_that_asks(as_json=as_json, yes=yes, dry_run=dry_run)
    with reading(database) as (_, _, inventory):
        value = json.loads(row_key(inventory, inventory.recorded(table), key), parse_float=str)
    take = partial(
        take_away,
        database,
        table,
        value,
        reason=str(reason),
        columns=columns or None,
        replace=dict(_pair(each) for each in replace),
        history_only=history_only,
        actor=user(),
    )
    if dry_run or not yes:
        _say(take(dry_run=True), history_only=history_only, done=False, as_json=as_json)
        if dry_run:
            return
        confirm("erase them")
    _say(take(), history_only=history_only, done=True, as_json=as_json)


def _pair(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator:
        raise click.BadParameter(f"{text!r} is no COLUMN=VALUE.", param_hint="--replace")
    return name, value


def _say(outcome: Erased, *, history_only: bool, done: bool, as_json: bool) -> None:
    if as_json:
        say_json(outcome.as_json())
        return
    row = f"{outcome.table} {key_text(outcome.key)}"
    places = ["the row"] if outcome.row and not history_only else []
    places.append(plural(outcome.changes, "change") + " of it")
    say(f"{'Erased' if done else 'Would erase'} {', '.join(outcome.columns)} of {row}: in {' and in '.join(places)}.")
    if len(outcome.keys) > 1:
        say(f"It had other keys before: {', '.join(map(key_text, outcome.keys[1:]))}; these are meant too.")
    if outcome.possible_keys:
        note(
            f"It may also have had the keys {', '.join(map(key_text, outcome.possible_keys))}, which were changed "
            "together with those of other rows. Look at them with holdfast log, and erase those that are the same row."
        )


def _list(database: Database, *, as_json: bool) -> None:
    with reading(database) as (connection, dialect, _):
        found = erasures(connection, dialect)
    if as_json:
        say_json([each.as_json() for each in found])
        return
    if not found:
        note("Nothing was erased in this database.")
        return
    say_table(
        ["when", "who", "table", "key", "columns", "changes", "why"],
        [
            [
                local(each.at),
                each.actor or "-",
                each.erased.table,
                key_text(each.erased.key),
                ", ".join(each.erased.columns),
                str(each.erased.changes),
                each.reason or "-",
            ]
            for each in found
        ],
    )
