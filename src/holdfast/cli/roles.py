"""``holdfast roles``."""

from __future__ import annotations

from typing import Any

import click

from holdfast.cli.opening import Settings, reading, settings_of, url_option
from holdfast.cli.planning import carry_out, sql_option, yes_option
from holdfast.cli.printing import note, say, say_table
from holdfast.database import Database
from holdfast.dialects.base import Dialect
from holdfast.granting import (
    given_roles,
    granting_of,
    named,
    not_owned,
    open_large_objects,
    plan_drop_roles,
    plan_roles,
    present_roles,
)
from holdfast.inventory import Inventory
from holdfast.roles import Roles


@click.command()
@click.option("--prefix", metavar="NAME", help="Roles are called NAME_owner, NAME_app … (the database's name).")
@click.option("--schema", "schemas", multiple=True, metavar="SCHEMA", help="Give rights in these schemas alone.")
@click.option("--owner", metavar="ROLE", help="Owns the tables, and does not log in.")
@click.option("--migrator", metavar="ROLE", help="Changes the tables in the owner's name.")
@click.option("--application", metavar="ROLE", help="Reads and writes rows, of one tenant at a time.")
@click.option("--read-only", metavar="ROLE", help="Reads rows, of one tenant at a time.")
@click.option("--auditor", metavar="ROLE", help="Reads the journal.")
@click.option("--all-tenants", metavar="ROLE", help="Works across tenants, which is recorded each time.")
@click.option("--own", is_flag=True, help="With --create: hand the tables over to the owner.")
@click.option("--create", is_flag=True, help="Make what is missing, give the rights, render the policies anew.")
@click.option("--drop", is_flag=True, help="Take the duties away, and drop the roles that holdfast made.")
@sql_option
@yes_option
@url_option
@settings_of
def roles(
    settings: Settings,
    /,
    *,
    prefix: str | None,
    schemas: tuple[str, ...],
    own: bool,
    create: bool,
    drop: bool,
    sql: bool,
    yes: bool,
    **chosen: Any,
) -> None:
    """Which role has which duty: show it, make the roles, or drop them.

    For each duty name a role that is there, or let one be made. No password is set: use \\password in psql. Tables that
    are protected later get their rights then. Without --create or --drop nothing is changed.
    """
    if create and drop:
        raise click.UsageError("--create or --drop, not both.")
    database = settings.database()
    with reading(database, journal=False) as (connection, dialect, inventory):
        granting_of(dialect)
        before = given_roles(connection, dialect) if inventory.has_journal else Roles()
        present = present_roles(connection, dialect)
    asked = Roles(**chosen)
    kept = Roles() if prefix is not None else before
    given = Roles(**{**kept.by_duty(), **asked.by_duty()})
    wanted = named(prefix or str(database.url.database), given)
    if drop:
        _drop(database, dialect, inventory, wanted, present, sql=sql, yes=yes)
    elif create or sql:
        plan = plan_roles(dialect, inventory, wanted, present, schemas=schemas, own=own)
        if carry_out(database, plan, "apply this", yes=yes, sql=sql, dry_run=False, declared={}):
            made = [rf"\password {name}" for duty, name in wanted.by_duty().items() if _logs_in(name, duty, present)]
            say("The roles have their rights. Look whether anything gets past them: holdfast doctor")
            if made:
                say(f"Give a password to those who log in, in psql: {', '.join(made)}")
            if not sql:
                _say_large_objects(database)
            _say_owners(dialect, inventory, wanted, schemas, done=own)
    else:
        inventory.check_journal("holdfast protect")
        rows = [[duty, name, _state(name, duty, before, present)] for duty, name in wanted.by_duty().items()]
        say_table(["duty", "role", "state"], rows)
        _say_owners(dialect, inventory, wanted, schemas, done=False)
        if any(row[2] != "as it is to be" for row in rows):
            say("Make and assign them with: holdfast roles --create")


def _logs_in(name: str, duty: str, present: dict[str, str]) -> bool:
    return name not in present and duty != "owner"


def _state(name: str, duty: str, before: Roles, present: dict[str, str]) -> str:
    if name not in present:
        return "to be made"
    return "as it is to be" if before.by_duty().get(duty) == name else "to be given the duty"


def _say_owners(dialect: Dialect, inventory: Inventory, wanted: Roles, schemas: tuple[str, ...], *, done: bool) -> None:
    others = [] if done else not_owned(inventory, wanted, schemas)
    if others and wanted.owner is not None:
        say(f"These tables do not belong to {wanted.owner}. With --own they are handed over:")
        for name in others:
            now = inventory.tables[name].owner
            say(f"  alter table {dialect.qualified(name)} owner to {dialect.quote(wanted.owner)}; -- now {now}")


def _say_large_objects(database: Database) -> None:
    """What the role in use could not close itself."""
    with reading(database, journal=False) as (connection, dialect, _):
        left = open_large_objects(connection, dialect)
    if left:
        owners = ", ".join(sorted({owner for _, owner in left}))
        say(f"Every role may make and read large objects, which have no tenants. {owners}, or a superuser, has to run:")
        for statement, _ in left:
            say(f"  {statement}")


def _drop(
    database: Database,
    dialect: Dialect,
    inventory: Inventory,
    wanted: Roles,
    present: dict[str, str],
    *,
    sql: bool,
    yes: bool,
) -> None:
    ours = [name for duty, name in wanted.by_duty().items() if present.get(name) == duty]
    for name in wanted.by_duty().values():
        if name in present and name not in ours:
            note(f"{name} was not made by holdfast: it stays, with its rights.")
    plan = plan_drop_roles(dialect, inventory, ours)
    if not ours and not inventory.has_journal:
        note("There are no such roles.")
    elif carry_out(database, plan, "drop the roles", yes=yes, sql=sql, dry_run=False, declared={}):
        say("The roles are gone. What they owned belongs to the role in use.")
