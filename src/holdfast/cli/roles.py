"""``holdfast roles``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import click

from holdfast.cli.opening import Settings, reading, settings_of, url_option
from holdfast.cli.planning import carry_out, dry_run_option, sql_option, yes_option
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
@yes_option
@sql_option
@dry_run_option
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
    yes: bool,
    sql: bool,
    dry_run: bool,
    **chosen: Any,
) -> None:
    """Which role has which duty: show it, make the roles, or drop them.

    For each duty name a role that is there, or let one be made. No password is set: use \\password in psql. Tables that
    are protected later get their rights then. Without --create or --drop nothing is changed.
    """
    if create and drop:
        raise click.UsageError("--create or --drop, not both.")
    found = _Found.read(settings.database(), prefix, Roles(**chosen))
    if drop:
        found.drop(yes=yes, sql=sql, dry_run=dry_run)
    elif create or sql or dry_run:
        found.create(schemas, own=own, yes=yes, sql=sql, dry_run=dry_run)
    else:
        found.show(schemas)


@dataclass(frozen=True)
class _Found:
    """Which role has which duty, which is to have it, and which roles there are (with the duty they were made for)."""

    database: Database
    dialect: Dialect
    inventory: Inventory
    before: Roles
    wanted: Roles
    present: dict[str, str]

    @classmethod
    def read(cls, database: Database, prefix: str | None, asked: Roles) -> _Found:
        with reading(database, journal=False) as (connection, dialect, inventory):
            granting_of(dialect)
            before = given_roles(connection, dialect) if inventory.has_journal else Roles()
            present = present_roles(connection, dialect)
        kept = Roles() if prefix is not None else before
        given = Roles(**{**kept.by_duty(), **asked.by_duty()})
        wanted = named(prefix or str(database.url.database), given)
        return cls(database, dialect, inventory, before, wanted, present)

    def show(self, schemas: tuple[str, ...]) -> None:
        self.inventory.check_journal("holdfast protect")
        rows = [[duty, name, self._state(name, duty)] for duty, name in self.wanted.by_duty().items()]
        say_table(["duty", "role", "state"], rows)
        self._say_owners(schemas)
        if any(row[2] != "as it is to be" for row in rows):
            say("Make and assign them with: holdfast roles --create")

    def create(self, schemas: tuple[str, ...], *, own: bool, **how: bool) -> None:
        plan = plan_roles(self.dialect, self.inventory, self.wanted, self.present, schemas=schemas, own=own)
        if not carry_out(self.database, plan, "apply this", declared={}, **how):
            return
        say("The roles have their rights. Look whether anything gets past them: holdfast doctor")
        made = [name for duty, name in self.wanted.by_duty().items() if name not in self.present and duty != "owner"]
        if made:
            commands = ", ".join(rf"\password {name}" for name in made)
            say(f"Give a password to those who log in, in psql: {commands}")
        _say_large_objects(self.database)
        if not own:
            self._say_owners(schemas)

    def drop(self, **how: bool) -> None:
        ours = [name for duty, name in self.wanted.by_duty().items() if self.present.get(name) == duty]
        for name in self.wanted.by_duty().values():
            if name in self.present and name not in ours:
                note(f"{name} was not made by holdfast: it stays, with its rights.")
        plan = plan_drop_roles(self.dialect, self.inventory, ours)
        if not ours and not self.inventory.has_journal:
            note("There are no such roles.")
        elif carry_out(self.database, plan, "drop the roles", declared={}, **how):
            say("The roles are gone. What they owned belongs to the role in use.")

    def _state(self, name: str, duty: str) -> str:
        if name not in self.present:
            return "to be made"
        return "as it is to be" if self.before.by_duty().get(duty) == name else "to be given the duty"

    def _say_owners(self, schemas: tuple[str, ...]) -> None:
        others = not_owned(self.inventory, self.wanted, schemas)
        if others and self.wanted.owner is not None:
            say(f"These tables do not belong to {self.wanted.owner}. With --own they are handed over:")
            for name in others:
                owner, now = self.dialect.quote(self.wanted.owner), self.inventory.tables[name].owner
                say(f"  alter table {self.dialect.qualified(name)} owner to {owner}; -- now {now}")


def _say_large_objects(database: Database) -> None:
    """What the role in use could not close itself."""
    with reading(database, journal=False) as (connection, dialect, _):
        left = open_large_objects(connection, dialect)
    if left:
        owners = ", ".join(sorted({owner for _, owner in left}))
        say(f"Every role may make and read large objects, which have no tenants. {owners}, or a superuser, has to run:")
        for statement, _ in left:
            say(f"  {statement}")
