"""``holdfast sign``."""

from __future__ import annotations

from typing import IO

import click

from holdfast.cli.opening import Settings, reading, settings_of, url_option
from holdfast.cli.planning import carry_out, dry_run_option, sql_option, yes_option
from holdfast.cli.printing import note, say, say_json, say_table
from holdfast.cli.times import local
from holdfast.cli.undo import user
from holdfast.signing_keys import asks_for_signatures, check_ready, create_key, keys, plan_signing, retire_key


@click.group()
def sign() -> None:
    """Believe a tenant and an actor only with a signature: its keys, and whether it is asked for.

    The order: create a key, give it to the programs, turn it on. To change the key: create another one, give that to
    the programs, retire the first. No command shows a key but the one that makes it.
    """


@sign.command()
@click.argument("key_id", metavar="ID")
@click.option(
    "--secret-file",
    type=click.File("rb"),
    metavar="FILE",
    help="Use the secret in there (- for standard input), a key of another database say, instead of a new one.",
)
@url_option
@settings_of
def create(settings: Settings, *, key_id: str, secret_file: IO[bytes] | None) -> None:
    """Add a key of the name ID and print its secret, alone and once, to standard output."""
    given = None if secret_file is None else secret_file.read().rstrip(b"\r\n")
    secret = create_key(settings.database(), key_id, given, actor=user())
    if given is None:
        click.echo(secret)
        note(
            f"This is the secret of the key {key_id}; it is not shown again. "
            f"Programs take it so: SigningKey({key_id!r}, …)."
        )
    else:
        say(f"The key {key_id} is there, with the secret of {secret_file.name if secret_file else ''}.")


@sign.command()
@click.argument("key_id", metavar="ID")
@url_option
@settings_of
def retire(settings: Settings, *, key_id: str) -> None:
    """Refuse from now on what was signed with the key ID."""
    retire_key(settings.database(), key_id, actor=user())
    say(f"The key {key_id} is retired: what it signed is refused.")


@sign.command("list")
@click.option("--json", "as_json", is_flag=True, help="The keys, as JSON.")
@url_option
@settings_of
def list_keys(settings: Settings, *, as_json: bool) -> None:
    """Show the names of the keys, and whether signatures are asked for."""
    with reading(settings.database()) as (connection, dialect, inventory):
        found = keys(connection, dialect, inventory)
        on = asks_for_signatures(inventory)
    if as_json:
        say_json({"on": on, "keys": [each.as_json() for each in found]})
        return
    if found:
        say_table(
            ["key", "created", "retired"],
            [[each.id, local(each.created), local(each.retired) if each.retired else "-"] for each in found],
        )
    note("Signing is on: a tenant and an actor count only with a signature." if on else "Signing is off.")


def _turn(settings: Settings, *, on: bool, yes: bool, sql: bool, dry_run: bool) -> None:
    database = settings.database()
    with reading(database, journal=False) as (connection, dialect, inventory):
        plan = plan_signing(dialect, inventory, on=on)
        if on:
            check_ready(connection, dialect, inventory)
    word = "on" if on else "off"
    if plan.empty:
        note(f"Nothing to do: signing is {word}.")
    elif carry_out(database, plan, f"turn signing {word}", yes=yes, sql=sql, dry_run=dry_run, declared={}):
        say(f"Signing is {word}.")


@sign.command("on")
@yes_option
@sql_option
@dry_run_option
@url_option
@settings_of
def turn_on(settings: Settings, *, yes: bool, sql: bool, dry_run: bool) -> None:
    """Ask for signatures: who does not sign sees no tenant's rows, and is no actor in the journal."""
    _turn(settings, on=True, yes=yes, sql=sql, dry_run=dry_run)


@sign.command("off")
@yes_option
@sql_option
@dry_run_option
@url_option
@settings_of
def turn_off(settings: Settings, *, yes: bool, sql: bool, dry_run: bool) -> None:
    """Ask for no signatures any more. The keys stay."""
    _turn(settings, on=False, yes=yes, sql=sql, dry_run=dry_run)
