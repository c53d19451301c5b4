"""``holdfast unprotect``."""

from __future__ import annotations

import click

from holdfast.cli.opening import Settings, reading, settings_of, url_option
from holdfast.cli.planning import carry_out, dry_run_option, sql_option, yes_option
from holdfast.cli.printing import note, say
from holdfast.declaration import protections_of
from holdfast.granting import given_roles
from holdfast.plan import plan_unprotect
from holdfast.timeline import shown


@click.command()
@click.argument("tables", metavar="[TABLE]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every table that is protected.")
@click.option("--purge-history", is_flag=True, help="Remove their history too; with the last table, the journal.")
@yes_option
@sql_option
@dry_run_option
@url_option
@settings_of
def unprotect(
    settings: Settings,
    *,
    tables: tuple[str, ...],
    everything: bool,
    purge_history: bool,
    yes: bool,
    sql: bool,
    dry_run: bool,
) -> None:
    """Take protection away again, and the columns that holdfast had added.

    The schema is then as it was before. The history stays readable unless --purge-history removes it.
    """
    if bool(tables) == everything:
        raise click.UsageError(
            "Name tables or say --all, not both." if tables else "Which tables? Name them, or --all."
        )
    database = settings.database()
    with reading(database, journal=False) as (connection, dialect, inventory):
        if not inventory.has_journal:
            note("Nothing to do: nothing is protected in this database.")
            return
        duties = given_roles(connection, dialect).by_duty()
        chosen = None if everything else [inventory.resolve(name).name for name in tables]
    protected = [name for name in protections_of(inventory) if chosen is None or name in chosen]
    plan = plan_unprotect(dialect, inventory, chosen, purge_history=purge_history)
    if plan.empty:
        note("Nothing to do: not protected.")
        return
    question = "apply this and remove the history for good" if purge_history else "apply this"
    if carry_out(database, plan, question, yes=yes, sql=sql, dry_run=dry_run, declared={}):
        say(f"No longer protected: {', '.join(map(shown, protected)) or 'nothing else'}.")
        if duties and everything:
            roles = ", ".join(duties.values())
            say(
                f"These roles keep their rights on the tables: {roles}. Those that holdfast made go with: "
                "holdfast roles --drop --prefix …"
            )
        say("The history is gone." if purge_history else "The history stays; see it with: holdfast log")
