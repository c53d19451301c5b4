"""``holdfast tenants``: a schema or a database for each; and one of them as a whole, however tenants are kept."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click
from sqlalchemy import create_engine, make_url

from holdfast.cli import tenant_life, tenant_record
from holdfast.cli.failing import FAILED, refuse_unconfirmed
from holdfast.cli.opening import Settings, config_option, settings_of
from holdfast.cli.planning import yes_option
from holdfast.cli.printing import note, on_terminal, plural, say, say_json, say_table
from holdfast.cli.tenant_options import GIVEN, json_option
from holdfast.database import Database
from holdfast.errors import UnsupportedError

if TYPE_CHECKING:
    from holdfast.alembic.fan_out import TenantMigrations
    from holdfast.alembic.tenant_upgrade import Tenants


_PLACE = "{tenant}"


class Waves(click.ParamType[tuple[int, ...]]):
    """Numbers of tenants: 1,10,100."""

    name = "numbers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        parts = str(value).split(",")
        if not all(part.strip().isdecimal() and int(part) for part in parts):
            self.fail(f"{value!r} is no list of numbers; write 1,10,100.", param, ctx)
        return tuple(map(int, parts))


@click.group()
@click.option(
    "--prefix", default="tenant_", show_default=True, help="What the names of schemas or databases begin with."
)
@config_option
@click.option(
    "--control", metavar="URL", help="The database with the ledger; the URL itself where tenants are schemas."
)
@click.option("--url", metavar="URL", help="The database; with {tenant} in place of its name each tenant has its own.")
@settings_of
@click.pass_context
def tenants(ctx: click.Context, settings: Settings, /, **given: Any) -> None:
    """Tenants that have a schema each, or a database each (the URL says {tenant}); and one tenant as a whole.

    list, create, drop, status and migrate are about schemas and databases; the others about a tenant's rows, wherever
    they are.
    """
    if given["url"] is not None:
        settings.url = given["url"]
    ctx.obj = settings
    ctx.meta[GIVEN] = given


@tenants.command("list")
@json_option
@click.pass_context
def list_tenants(ctx: click.Context, /, *, as_json: bool) -> None:
    """Who they are."""
    found = _tenants(ctx).list()
    if as_json:
        say_json(found)
        return
    for tenant in found:
        say(tenant)


@tenants.command()
@click.argument("tenant")
@click.pass_context
def create(ctx: click.Context, /, *, tenant: str) -> None:
    """Make the tenant's schema or database by all of Alembic's migrations."""
    _migrations(ctx).create(tenant)
    say(f"Made: {tenant}.")


@tenants.command()
@click.argument("tenant")
@yes_option
@click.pass_context
def drop(ctx: click.Context, /, *, tenant: str, yes: bool) -> None:
    """Drop the tenant's schema or database with all its rows."""
    migrations = _migrations(ctx)
    if not yes:
        if not on_terminal():
            refuse_unconfirmed(f"drop {tenant}")
        click.confirm(f"Drop {tenant} with all its rows?", abort=True, err=True)
    migrations.drop(tenant)
    say(f"Dropped: {tenant}.")


@tenants.command("status")
@click.argument("revision", default="head")
@json_option
@click.pass_context
def show(ctx: click.Context, /, *, revision: str, as_json: bool) -> None:
    """How each tenant stands, as the ledger has it."""
    found = _migrations(ctx).status(revision)
    if as_json:
        say_json([{"tenant": e.tenant, "revision": e.revision, "state": e.state, "error": e.error} for e in found])
        return
    say_table(("tenant", "revision", "state", "error"), [(e.tenant, e.revision, e.state, e.error or "") for e in found])


@tenants.command()
@click.argument("revision", default="head")
@click.option(
    "--waves", type=Waves(), default="1,10", show_default=True, help="Tenants in each wave; the last repeats."
)
@click.option("--parallel", type=click.IntRange(min=1), default=1, show_default=True, help="Processes at a time.")
@click.option(
    "--allowed-failures", type=click.IntRange(min=0), default=0, show_default=True, help="How many stop nothing."
)
@click.option("--recheck", is_flag=True, help="Ask the tenants that the ledger calls done as well.")
@click.option("--dry-run", is_flag=True, help="Only say which tenants would be migrated, and in which waves.")
@click.pass_context
def migrate(ctx: click.Context, /, *, revision: str, dry_run: bool, **how: Any) -> None:
    """Bring every tenant to REVISION with Alembic: in waves, the first of one tenant, and none after one that failed.

    What is done is skipped, so run it again after a failure.
    """
    from holdfast.alembic.fan_out import FanOutError

    try:
        result = _migrations(ctx).migrate(revision, dry_run=dry_run, progress=_tell, **how)
    except FanOutError as error:
        note(str(error))
        ctx.exit(FAILED)
    if dry_run:
        for number, wave in enumerate(result.waves, 1):
            say(f"  wave {number}: {', '.join(wave)}")
    chosen, what = (result.pending, "to migrate") if dry_run else (result.done, "migrated")
    say(f"{plural(len(chosen), 'tenant')} {what}{f', {len(result.skipped)} done before' if result.skipped else ''}.")


def _tell(each: Any) -> None:
    say(f"  {each.tenant}: {each.state}{'' if each.error is None else f'. {each.error.splitlines()[0]}'}")


def _url(ctx: click.Context) -> str:
    settings: Settings = ctx.obj
    url = settings.url or os.environ.get("HOLDFAST_URL") or settings.configuration.url
    if not url:
        raise click.UsageError("Which database? Give --url or set HOLDFAST_URL.")
    password = make_url(url).password
    settings.password = password if isinstance(password, str) else None
    return url


def _tenants(ctx: click.Context) -> Tenants:
    # The other commands need no ORM, and start sooner without.
    from holdfast.sqlalchemy.tenancy import DatabasePerTenant, SchemaPerTenant, TenantNames

    url = _url(ctx)
    names = TenantNames(prefix=ctx.meta[GIVEN]["prefix"])
    if _PLACE in url:
        return DatabasePerTenant(url, names=names)
    return SchemaPerTenant(create_engine(Database(url).url), names=names)


def _migrations(ctx: click.Context) -> TenantMigrations:
    try:
        from holdfast.alembic.fan_out import TenantMigrations
    except ImportError as error:
        raise UnsupportedError("HF464", "Alembic is not installed.", "pip install 'holdfast[alembic]'") from error
    given = ctx.meta[GIVEN]
    tenants = _tenants(ctx)
    if not given["config"].is_file():
        raise click.UsageError(f"There is no file {given['config']}. Give Alembic's configuration with --config.")
    if given["control"] is None and _PLACE in _url(ctx):
        raise click.UsageError("Where is the ledger kept? Give the URL of a database with --control.")
    return TenantMigrations(tenants, given["config"], given["control"] or _url(ctx))


for _command in (*tenant_life.COMMANDS, *tenant_record.COMMANDS):
    tenants.add_command(_command)
