"""``holdfast log``."""

from __future__ import annotations

from datetime import datetime

import click

from holdfast.cli.keys import row_key
from holdfast.cli.opening import Settings, reading, settings_of, url_option
from holdfast.cli.printing import change_text, key_text, note, say_json, say_table
from holdfast.cli.times import Moment, local
from holdfast.dialects.log import LogFilter
from holdfast.journal import OPERATIONS
from holdfast.timeline import log as changes_of

_MOST = 2**63 - 2
"""More than a journal has, and a number that every database takes."""
_OPERATIONS = sorted(set(OPERATIONS.values()))


@click.command()
@click.argument("table", required=False)
@click.argument("key", required=False)
@click.option(
    "--since", type=Moment(), metavar="TIME", help="From this time on: ISO 8601, or 90s, 30m, 1h, 2d, 1w ago."
)
@click.option("--until", type=Moment(), metavar="TIME", help="Up to this time.")
@click.option("--actor", metavar="A", help="By this actor alone.")
@click.option("--operation", type=click.Choice(_OPERATIONS), help="This kind of change alone.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=50, show_default=True, metavar="N", help="At most so many."
)
@click.option("--json", "as_json", is_flag=True, help="An array of changes, as JSON.")
@url_option
@settings_of
def log(
    settings: Settings,
    *,
    table: str | None,
    key: str | None,
    since: datetime | None,
    until: datetime | None,
    actor: str | None,
    operation: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """What happened, newest first: everywhere, to a TABLE, or to its row with that KEY.

    A key of several columns is written 1,2 or as a JSON array, in the order of the table's key.
    """
    with reading(settings.database()) as (connection, dialect, inventory):
        stored = inventory.recorded(table) if table else None
        wanted = LogFilter(
            table=stored.table if stored else None,
            key=row_key(inventory, stored, key) if stored and key is not None else None,
            since=since,
            until=until,
            actor=actor,
            operation=operation,
            limit=min(limit, _MOST),
        )
        changes = changes_of(connection, dialect, inventory, wanted)
    if as_json:
        say_json([each.as_json() for each in changes])
        return
    if not changes:
        note("No changes of that kind are in the journal.")
        return
    say_table(
        ["when", "transaction", "who", "operation", "table", "key", "change"],
        [
            [local(c.at), c.transaction, c.actor or "-", c.operation, c.table, key_text(c.key), change_text(c)]
            for c in changes
        ],
    )
    if len(changes) == limit:
        note(f"The newest {limit} are shown; --limit shows more.")
