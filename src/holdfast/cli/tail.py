"""``holdfast tail``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime

import click

from holdfast.cli.opening import Settings, settings_of, url_option
from holdfast.cli.printing import change_text, key_text, note, printable
from holdfast.cli.times import Interval, Moment, local
from holdfast.consumer import Consumer
from holdfast.database import Database
from holdfast.errors import MissedChangesError
from holdfast.feed import Start, changes_after, cursor_at, disable_wake_up, enable_wake_up
from holdfast.feed_page import Batch
from holdfast.following import Follower
from holdfast.inspector import check_format
from holdfast.journal import Change
from holdfast.timeline import dumps


@click.command()
@click.argument("tables", metavar="[TABLE]...", nargs=-1)
@click.option("--after", metavar="CURSOR", help="What comes after that change; --json prints a cursor with each.")
@click.option(
    "--since", type=Moment(), metavar="TIME", help="From this time on: ISO 8601, or 90s, 30m, 1h, 2d, 1w ago."
)
@click.option("--from-start", is_flag=True, help="From the beginning of the journal.")
@click.option("--follow", "-f", is_flag=True, help="Go on for ever; without a start, from now on.")
@click.option("--consumer", metavar="NAME", help="Go on where this name was last done; one process at a time has it.")
@click.option(
    "--interval",
    type=Interval(min=0.01),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="How often to look.",
)
@click.option("--accept-gap", is_flag=True, help="Go on after what the journal's retention dropped before it was read.")
@click.option("--wake/--no-wake", default=None, help="Switch on, or off, that each commit wakes who follows.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object in a line for each change.")
@url_option
@settings_of
def tail(
    settings: Settings,
    *,
    tables: tuple[str, ...],
    after: str | None,
    since: datetime | None,
    from_start: bool,
    follow: bool,
    consumer: str | None,
    interval: float,
    accept_gap: bool,
    wake: bool | None,
    as_json: bool,
) -> None:
    """Every committed change once, oldest first, in an order that never goes back.

    A change is shown when every transaction that began to write earlier is over. With --consumer what was printed is
    acknowledged; a start that is given moves the consumer there.
    """
    if sum((after is not None, since is not None, from_start)) > 1:
        raise click.UsageError("Give one of --after, --since and --from-start.")
    if consumer == "":
        raise click.UsageError("A consumer has a name.")
    database = settings.database()
    _prepare(database, wake)
    start: Start | None = "beginning" if from_start else since
    if start is None and after is None and consumer is None:
        if not follow:
            if wake is not None:
                return
            raise click.UsageError("From where? Give --from-start, --since, --after or --consumer; or --follow.")
        start = "now"
    beginning = after if after is not None or start is None else cursor_at(database, start)
    wait = interval if follow else None
    if consumer is None:
        assert beginning is not None
        if accept_gap:
            beginning = _past_gap(database, beginning, tables)
        with Follower(database, beginning, tables=tables) as reader:
            for batch in reader.batches(wait):
                _say(batch, as_json=as_json)
        return
    with Consumer(database, consumer, tables=tables) as kept:
        if beginning is not None:
            kept.move_to(beginning)
        if accept_gap:
            kept.move_to(_past_gap(database, kept.cursor, tables))
        for delivery in kept.batches(wait):
            _say(delivery, as_json=as_json)
            delivery.acknowledge()


def _prepare(database: Database, wake: bool | None) -> None:
    with database.snapshot() as connection:
        check_format(connection, database.dialect)
    if wake is not None:
        (enable_wake_up if wake else disable_wake_up)(database)
        note(f"Commits {'now wake' if wake else 'no longer wake'} who follows the changes of this database.")


def _past_gap(database: Database, cursor: str, tables: Sequence[str]) -> str:
    try:
        changes_after(database, cursor, tables=tables, limit=1)
    except MissedChangesError as error:
        note("What retention dropped before it was read is left out.")
        return error.cursor
    return cursor


def _say(batch: Batch, *, as_json: bool) -> None:
    """All of it is out before it is acknowledged, or before the next is waited for."""
    for change, cursor in zip(batch.changes, batch.cursors(), strict=True):
        if as_json:
            click.echo(dumps({**change.as_json(), "cursor": cursor}, indent=None))
        else:
            click.echo(printable(_line(change)))
    sys.stdout.flush()


def _line(change: Change) -> str:
    parts = (local(change.at), change.transaction, change.actor or "-", change.operation, change.table)
    return "  ".join((*parts, key_text(change.key), change_text(change)))
