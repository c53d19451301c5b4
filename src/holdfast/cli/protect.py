"""``holdfast protect``."""

from __future__ import annotations

from typing import Any, get_args

import click

from holdfast.cli.declaring import DEFAULT_COLUMN, Declared, Wanted, chosen_tables, declare, described
from holdfast.cli.opening import Settings, reading, settings_of, url_option
from holdfast.cli.planning import carry_out, dry_run_option, sql_option, yes_option
from holdfast.cli.printing import note, plural, say
from holdfast.cli.times import Length
from holdfast.declaration import protections_of
from holdfast.plan import plan_protect
from holdfast.policies import Inserts, RawDelete, Reads
from holdfast.tables import TableInfo
from holdfast.timeline import shown


@click.command()
@click.argument("tables", metavar="[TABLE]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every ordinary table; what is left out is named.")
@click.option("--audit", is_flag=True, help="Every change is in the journal, whoever made it.")
@click.option(
    "--guard",
    type=click.IntRange(min=1),
    metavar="N",
    help="Refuse TRUNCATE, and an UPDATE or DELETE of more than N rows, unless it was announced.",
)
@click.option(
    "--soft-delete",
    is_flag=False,
    flag_value=DEFAULT_COLUMN,
    metavar="[COLUMN]",
    help="A deleted row stays and is marked in COLUMN (deleted_at).",
)
@click.option("--timestamps", is_flag=True, help="The database keeps created_at and updated_at.")
@click.option(
    "--version",
    is_flag=False,
    flag_value=DEFAULT_COLUMN,
    metavar="[COLUMN]",
    help="The database counts changes in COLUMN (version); a stale write is refused.",
)
@click.option("--tenant", metavar="COLUMN", help="A session sees and writes the rows of one tenant, told by COLUMN.")
@click.option(
    "--global-key", multiple=True, metavar="KEY", help="Tenant: this unique key holds over all tenants, not in each."
)
@click.option(
    "--reads",
    type=click.Choice(get_args(Reads)),
    help="Tenant: application accepts a database that cannot hide rows (database).",
)
@click.option("--exclude", multiple=True, metavar="[TABLE.]COLUMN", help="Audit: keep this column out of every copy.")
@click.option("--mask", multiple=True, metavar="[TABLE.]COLUMN", help="Audit: record that it changed, not the values.")
@click.option("--inserts", type=click.Choice(get_args(Inserts)), help="Audit: what an insert records (key).")
@click.option(
    "--keep", type=Length(), metavar="AGE", help="Audit: how long maintain keeps the history: 400d, 36h (for ever)."
)
@click.option("--raw-delete", type=click.Choice(get_args(RawDelete)), help="Soft delete: what a raw DELETE becomes.")
@click.option("--live-view", is_flag=True, help="Soft delete: make a view TABLE_live of the rows that live.")
@click.option(
    "--purge-after", type=Length(), metavar="AGE", help="Soft delete: how old a mark is that purge takes: 90d."
)
@click.option("--add-columns", is_flag=True, help="Add the columns that a policy needs and the table lacks.")
@yes_option
@sql_option
@dry_run_option
@url_option
@settings_of
def protect(
    settings: Settings,
    /,
    *,
    tables: tuple[str, ...],
    everything: bool,
    add_columns: bool,
    yes: bool,
    sql: bool,
    dry_run: bool,
    **options: Any,
) -> None:
    """Protect tables: show the plan, ask, apply it.

    Without policy options a table gets Audit and a Guard that refuses TRUNCATE, and --all always includes both.
    What was declared before stays; an option changes what it names. Tables that holdfast.toml declares get its
    policies, and without TABLE or --all those tables are meant. Where there is no such file, holdfast protect by
    itself makes the database again as it was declared. Write the tables before the options.
    """
    configuration = settings.configuration
    database = settings.database()
    with reading(database, journal=False) as (_, dialect, inventory):
        wanted = Wanted(**options)
        if mending := inventory.has_journal and not (tables or everything or configuration.tables or wanted.anything):
            declared: Declared = {name: each.policies for name, each in protections_of(inventory).items()}
            chosen: list[TableInfo] = []
            left: list[tuple[TableInfo, str]] = []
        else:
            chosen, left = chosen_tables(inventory, configuration, tables, wanted, everything)
            declared = declare(inventory, configuration, chosen, wanted, everything)
    for table, reason in left:
        note(f"Left out: {shown(table.name)} {reason}.")
    for table in chosen:
        if wanted.tenant is not None and everything and table.column(wanted.tenant) is None:
            note(f"{shown(table.name)} has no column {wanted.tenant}: its rows belong to no tenant.")
    if not chosen and not mending:
        note("There are no tables to protect.")
        return
    plan = plan_protect(dialect, inventory, declared, add_columns=add_columns)
    if plan.empty:
        note("Nothing to do: everything is as declared.")
        return
    titles = {str(name): described(policies) for name, policies in declared.items()}
    applied = carry_out(database, plan, "apply this", yes=yes, sql=sql, dry_run=dry_run, declared=titles)
    if applied:
        say(f"{plural(len(declared), 'table')} protected. See what happens to them with: holdfast log")
