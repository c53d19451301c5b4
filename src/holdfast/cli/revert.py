"""``holdfast revert``."""

from __future__ import annotations

import json
from datetime import datetime

import click

from holdfast.cli.keys import row_key
from holdfast.cli.opening import Settings, reading, settings_of, url_option
from holdfast.cli.planning import confirm, refuse_json_that_asks, yes_option
from holdfast.cli.printing import key_text, note, say, say_json, say_table, value_text
from holdfast.cli.times import Moment
from holdfast.cli.undo import user
from holdfast.history import Reverted
from holdfast.history import revert as write_back


@click.command()
@click.argument("table")
@click.argument("key")
@click.option("--to", "number", type=click.IntRange(min=0), metavar="N", help="The version to go back to.")
@click.option("--at", type=Moment(), metavar="TIME", help="The version that counted at this time.")
@click.option("--reason", metavar="R", help="Why, for the journal.")
@click.option("--dry-run", is_flag=True, help="Show what would change and change nothing.")
@yes_option
@click.option("--json", "as_json", is_flag=True, help="The outcome as JSON; needs --yes or --dry-run.")
@url_option
@settings_of
def revert(
    settings: Settings,
    *,
    table: str,
    key: str,
    number: int | None,
    at: datetime | None,
    reason: str | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Give the row of TABLE with that KEY the values of an old version, in a new one; a row that is gone comes back.

    The revert is a transaction of its own, in the journal, and can be undone.
    """
    if (number is None) == (at is None):
        raise click.UsageError("To which version? Give --to N or --at TIME; see them with: holdfast versions.")
    refuse_json_that_asks(as_json=as_json, yes=yes, dry_run=dry_run)
    database = settings.database()
    with reading(database) as (_, _, inventory):
        value = json.loads(row_key(inventory, inventory.recorded(table), key))
    if dry_run or not yes:
        outcome = write_back(database, table, value, version=number, at=at, actor=user(), reason=reason, dry_run=True)
        _say(table, outcome, as_json=as_json, done=False)
        if dry_run or not outcome.fields:
            return
        confirm("revert it")
    outcome = write_back(database, table, value, version=number, at=at, actor=user(), reason=reason)
    _say(table, outcome, as_json=as_json, done=True)


def _say(table: str, outcome: Reverted, *, as_json: bool, done: bool) -> None:
    version = outcome.version
    if as_json:
        fields = {name: {"now": now, "then": then} for name, (now, then) in outcome.fields.items()}
        say_json({"transaction": outcome.transaction, "version": version.number, "fields": fields})
        return
    row = f"{table} {key_text(version.key)}"
    if done:
        say(
            f"{row} is as in version {version.number} again. That is transaction {outcome.transaction}; "
            f"take it back with: holdfast undo {outcome.transaction}"
            if outcome.transaction
            else f"{row} was as in version {version.number} already."
        )
        return
    if not outcome.fields:
        say(f"{row} is as in version {version.number} already.")
        return
    say_table(
        ["column", "now", f"version {version.number}"],
        [[name, value_text(now), value_text(then)] for name, (now, then) in outcome.fields.items()],
    )
    if outcome.not_kept:
        note(f"The journal keeps no values of {', '.join(outcome.not_kept)}: there the row stays as it is.")
