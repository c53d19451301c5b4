"""``holdfast purge``."""

from __future__ import annotations

from datetime import timedelta

import click

from holdfast.cli.opening import Settings, settings_of, url_option
from holdfast.cli.planning import batch_option, confirm, refuse_json_that_asks, yes_option
from holdfast.cli.printing import key_text, note, plural, say, say_json, say_table
from holdfast.cli.progress import bar
from holdfast.cli.times import Length
from holdfast.cli.undo import user
from holdfast.database import Database
from holdfast.purging import Purged
from holdfast.purging import purge as do_purge

_SHOWN = 20


@click.command()
@click.argument("table")
@click.option(
    "--older-than",
    type=Length(),
    metavar="AGE",
    help="Rows that were deleted longer ago: 90d, 36h, or days. Default: the table's SoftDelete(purge_after=…).",
)
@batch_option()
@click.option("--dry-run", is_flag=True, help="Show how many rows would go and change nothing.")
@yes_option
@click.option("--json", "as_json", is_flag=True, help="The outcome as JSON; needs --yes or --dry-run.")
@url_option
@settings_of
def purge(
    settings: Settings,
    *,
    table: str,
    older_than: timedelta | None,
    batch: int,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Really delete the soft-deleted rows of TABLE that were deleted long ago, their dead children first.

    A row that something alive refers to is left and reported, and so is one under legal hold. An interrupted run is
    finished by the next one. What goes is in the journal like any delete.
    """
    refuse_json_that_asks(as_json=as_json, yes=yes, dry_run=dry_run)
    database = settings.database()
    if dry_run or not yes:
        preview = _purge(database, table, older_than, batch, dry_run=True)
        _say(preview, would=True, as_json=as_json)
        if dry_run or not preview.rows:
            return
        confirm("purge these")
    outcome = _purge(database, table, older_than, batch, dry_run=False)
    _say(outcome, would=False, as_json=as_json)


def _purge(database: Database, table: str, older_than: timedelta | None, batch: int, *, dry_run: bool) -> Purged:
    with bar(f"{'Counting' if dry_run else 'Purging'} {table}") as progress:
        return do_purge(
            database,
            table,
            older_than=older_than,
            batch=batch,
            dry_run=dry_run,
            actor=user(),
            progress=progress,
        )


def _say(outcome: Purged, *, would: bool, as_json: bool) -> None:
    if as_json:
        say_json(outcome.as_json())
        return
    for name, number in outcome.rows.items():
        say(f"  {name}: {plural(number, 'row')} {'would go' if would else 'gone'}")
    if not outcome.rows:
        say(f"No row of {outcome.table} {'would go' if would else 'went'}.")
    if outcome.left:
        say(f"{plural(outcome.left_rows, 'row')} of {outcome.table} {'would stay' if would else 'stayed'}:")
        say_table(
            ["table", "key", "why"], [[each.table, key_text(each.key), each.why] for each in outcome.left[:_SHOWN]]
        )
        if outcome.left_rows > _SHOWN:
            say(f"… and {plural(outcome.left_rows - _SHOWN, 'row')} more; with --json the first thousand.")
    if outcome.held:
        note(f"{plural(outcome.held, 'row')} under legal hold stay. See them with: holdfast hold")
    if outcome.busy:
        note(f"{plural(outcome.busy, 'row')} were locked by others; the next run takes them.")
