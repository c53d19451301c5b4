"""``holdfast as-of``."""

from __future__ import annotations

from datetime import datetime

import click

from holdfast.cli.keys import row_key
from holdfast.cli.opening import Settings, reading, settings_of, url_option
from holdfast.cli.printing import note, plural, say, say_json, say_table, value_text
from holdfast.cli.times import Moment, local
from holdfast.history import as_of as table_as_of
from holdfast.history import copy_as_of, row_as_of, rows_as_of


@click.command(name="as-of")
@click.argument("table")
@click.argument("key", required=False)
@click.option("--at", type=Moment(), metavar="TIME", help="The moment: ISO 8601, or 90s, 30m, 1h, 2d, 1w ago.")
@click.option("--transaction", metavar="N", help="The moment right after this transaction.")
@click.option("--into", metavar="NEW_TABLE", help="Make a table of it instead of printing it.")
@click.option("--json", "as_json", is_flag=True, help="An array of rows, as JSON.")
@url_option
@settings_of
def as_of(
    settings: Settings,
    *,
    table: str,
    key: str | None,
    at: datetime | None,
    transaction: str | None,
    into: str | None,
    as_json: bool,
) -> None:
    """TABLE as it was at a time, or its row with that KEY: what others could see then.

    A transaction counts from the moment at which it began to commit, whenever it started. Columns go by their present
    names.
    """
    if (at is None) == (transaction is None):
        raise click.UsageError("As of when? Give --at TIME or --transaction N.")
    if key is not None and into is not None:
        raise click.UsageError("--into makes a table of all rows; give no KEY.")
    database = settings.database()
    if into is not None:
        count = copy_as_of(database, table, into, at=at, transaction=transaction)
        say(f"{into} has {plural(count, 'row')}.")
        return
    with reading(database) as (connection, dialect, inventory):
        past = table_as_of(connection, dialect, inventory, table, at=at, transaction=transaction)
        if key is None:
            rows = list(rows_as_of(connection, dialect, past))
        else:
            stored = inventory.recorded(table)
            row = row_as_of(connection, dialect, inventory, past, row_key(inventory, stored, key))
            rows = [row] if row is not None else []
    if as_json:
        say_json(rows)
    elif not rows:
        note(f"There were no such rows in {table} at {local(past.at)}.")
    else:
        names = list(rows[0])
        say_table(names, [[value_text(row.get(name)) for name in names] for row in rows])
    if past.not_kept:
        note(f"The journal keeps no values of {', '.join(past.not_kept)}.")
