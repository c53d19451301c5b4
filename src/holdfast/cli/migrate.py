"""``holdfast migrate``."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import click

from holdfast.cli.opening import config_option
from holdfast.cli.printing import note, plural, say
from holdfast.cli.times import Wait
from holdfast.errors import UnsupportedError
from holdfast.migrating import MigrationSettings


@click.command()
@click.argument("revision", default="head")
@config_option
@click.option(
    "--lock-timeout",
    type=Wait(),
    default="100ms",
    show_default=True,
    metavar="TIME",
    help="How long to wait for a lock that others queue up behind.",
)
@click.option(
    "--deadline",
    type=Wait(),
    default="10m",
    show_default=True,
    metavar="TIME",
    help="How long to try one revision again, and to wait for another run.",
)
@click.option("--dry-run", is_flag=True, help="Only say which revisions would be run.")
@click.option("--sql", is_flag=True, help="Only print the SQL; REVISION may be a range FROM:TO.")
@click.option("-x", "x", multiple=True, metavar="ARG", help="An argument for env.py, as for alembic.")
def migrate(
    *,
    revision: str,
    config: Path,
    lock_timeout: timedelta,
    deadline: timedelta,
    dry_run: bool,
    sql: bool,
    x: tuple[str, ...],
) -> None:
    """Upgrade to REVISION with Alembic, so that nobody waits for the migration's locks longer than the lock timeout.

    A revision that does not get its lock is rolled back, who was in the way is told, and it is tried again. Each
    revision is a transaction of its own, and one run works at a time: another waits until the deadline and ends with
    exit code 4. The database is the one that Alembic's configuration names.
    """
    try:
        from holdfast.alembic import command
    except ImportError as error:
        raise UnsupportedError("HF464", "Alembic is not installed.", "pip install 'holdfast[alembic]'") from error
    if not config.is_file():
        raise click.UsageError(f"There is no file {config}. Give Alembic's configuration with --config.")
    if sql and dry_run:
        raise click.UsageError("Give one of --sql and --dry-run.")
    settings = MigrationSettings(lock_timeout=lock_timeout, deadline=deadline)
    alembic = command.configuration(config, settings, note, x)
    if sql:
        command.print_sql(alembic, revision)
        return
    steps = command.pending(alembic, revision) if dry_run else command.upgrade(alembic, revision)
    for step in steps:
        say(f"  {step}")
    if dry_run:
        say(f"{plural(len(steps), 'revision')} to run." if steps else "Nothing to do: the database is up to date.")
    else:
        say(f"{plural(len(steps), 'revision')} done." if steps else "Nothing to do: the database is up to date.")
