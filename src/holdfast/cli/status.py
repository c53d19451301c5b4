"""``holdfast status``."""

from __future__ import annotations

import click

from holdfast.cli.failing import NO
from holdfast.cli.opening import Settings, reading, settings_of, url_option
from holdfast.cli.printing import note, plural, say, say_json, say_table
from holdfast.journal_step import weaknesses
from holdfast.status import JOURNAL, PARTITION
from holdfast.status import status as states_of
from holdfast.toml import declared
from holdfast.waiting import waiting


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Every object and its state, as JSON.")
@url_option
@settings_of
@click.pass_context
def status(ctx: click.Context, settings: Settings, *, as_json: bool) -> None:
    """Is the database as declared? Exit code 0 if it is, 1 if not or if nothing is protected."""
    database = settings.database()
    with reading(database, journal=False) as (connection, dialect, inventory):
        written = {table.name: policies for table, policies in declared(settings.configuration, inventory)}
        states = states_of(dialect, inventory, written) if inventory.has_journal or written else []
        whole = inventory.has_journal and not inventory.state.get("lacking")
        digests = waiting(connection, dialect) if whole else 0
    drifted = [each for each in states if each.state != "current"]
    tables = {each.table for each in states} - {"", JOURNAL}
    if as_json:
        say_json([each.as_json() for each in states])
    elif drifted:
        say_table(
            ["table", "policy", "object", "state"],
            [[each.table or "-", each.policy or "-", each.object, each.state] for each in drifted],
        )
        partitions = [each for each in drifted if each.table == JOURNAL and each.object.startswith(PARTITION)]
        mend = "holdfast protect" if len(partitions) < len(drifted) else "holdfast maintain"
        say(f"{len(drifted)} of {plural(len(states), 'object')} not as declared. Mend it with: {mend}")
        if partitions and len(partitions) < len(drifted):
            say("The partitions are made by: holdfast maintain")
    elif tables:
        say(f"As declared: {plural(len(tables), 'table')}, {plural(len(states), 'object')}.")
    else:
        say("Nothing is protected in this database. Start with: holdfast protect --all")
    if digests and not as_json:
        values = "1 value of a large column waits" if digests == 1 else f"{digests} values of large columns wait"
        note(f"{values} for a digest: holdfast maintain")
    if states and not as_json:
        for each in weaknesses(dialect, inventory.state, apart=inventory.state.get("journal_owner") == "holdfast"):
            note(f"Note: {each}")
    if drifted or not tables:
        ctx.exit(NO)
