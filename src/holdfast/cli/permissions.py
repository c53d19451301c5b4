"""``holdfast permissions``."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from sqlalchemy import Connection

import holdfast.permissions as rights
from holdfast.cli.failing import NO
from holdfast.cli.opening import Settings, reading, settings_of, url_option
from holdfast.cli.printing import note, say, say_json, say_table
from holdfast.cli.times import Length, local
from holdfast.cli.undo import user
from holdfast.context import context
from holdfast.permissions import Explanation
from holdfast.permissions import Grant as Given

_tenant = click.option(
    "--tenant", metavar="T", help="In which tenant; without it where there are none, and for roles of every tenant."
)
_reason = click.option("--reason", metavar="R", help="Why: it is recorded with the change.")
_json = click.option("--json", "as_json", is_flag=True, help="The answer as JSON.")


@click.group()
@url_option
def permissions() -> None:
    """Who may do what: roles, who has them, and why somebody may or may not."""


@permissions.command("who-can")
@click.argument("permission")
@_tenant
@_json
@url_option
@settings_of
def who_can(settings: Settings, *, permission: str, tenant: str | None, as_json: bool) -> None:
    """Everybody who has the PERMISSION now, and by which role; exit code 1 where nobody has."""
    with reading(settings.database()) as (connection, _, _inventory):
        found = rights.who_can(connection, permission, tenant=tenant)
    if as_json:
        say_json([each.as_json() for each in found])
    elif found:
        say_table(
            ["who", "role", "until"],
            [[each.actor, each.role, local(each.expires_at) if each.expires_at else "-"] for each in found],
        )
    else:
        note(f"Nobody has {permission}{_in(tenant)}.")
    if not found:
        raise click.exceptions.Exit(NO)


@permissions.command()
@click.argument("actor")
@click.argument("permission")
@_tenant
@click.option("--scope", "scopes", multiple=True, metavar="S", help="As a token with this scope; may be repeated.")
@_json
@url_option
@settings_of
def explain(
    settings: Settings, *, actor: str, permission: str, tenant: str | None, scopes: tuple[str, ...], as_json: bool
) -> None:
    """Whether ACTOR has the PERMISSION, through which role and pattern; exit code 1 where it has not."""
    with reading(settings.database()) as (connection, _, _inventory):
        told = rights.explain(connection, actor, permission, tenant=tenant, scopes=scopes or None)
    if as_json:
        say_json(told.as_json())
    else:
        _say(told)
    if not told.allowed:
        raise click.exceptions.Exit(NO)


@permissions.command("roles")
@_tenant
@_json
@url_option
@settings_of
def roles(settings: Settings, *, tenant: str | None, as_json: bool) -> None:
    """The roles that can be given, and what each grants."""
    with reading(settings.database()) as (connection, _, _inventory):
        found = rights.roles(connection, tenant=tenant)
    if as_json:
        say_json(
            [
                {"role": each.name, "tenant": each.tenant, "patterns": sorted(each.patterns), "parent": each.parent}
                for each in found
            ]
        )
    elif found:
        say_table(
            ["role", "tenant", "grants", "and all of"],
            [
                [each.name, each.tenant or "every", " ".join(sorted(each.patterns)), each.parent or "-"]
                for each in found
            ],
        )
    else:
        note("There are no roles yet: holdfast permissions define ROLE PERMISSION…")


@permissions.command()
@click.argument("role")
@click.argument("patterns", nargs=-1, metavar="[PERMISSION]...")
@click.option("--parent", metavar="ROLE", help="It has the permissions of that role as well.")
@_tenant
@_reason
@url_option
@settings_of
def define(
    settings: Settings,
    *,
    role: str,
    patterns: tuple[str, ...],
    parent: str | None,
    tenant: str | None,
    reason: str | None,
) -> None:
    """Make ROLE grant these permissions, and no others: resource:action, resource:* or *."""
    _change(settings, lambda c: rights.define_role(c, role, patterns, tenant=tenant, parent=parent, reason=reason))
    say(f"The role {role} grants {' '.join(patterns) or 'nothing'}{f', and all of {parent}' if parent else ''}.")


@permissions.command()
@click.argument("actor")
@click.argument("role")
@_tenant
@click.option("--for", "length", type=Length(), metavar="TIME", help="It ends by itself after that: 90d, 36h.")
@_reason
@url_option
@settings_of
def grant(
    settings: Settings, *, actor: str, role: str, tenant: str | None, length: timedelta | None, reason: str | None
) -> None:
    """Give ACTOR the ROLE."""
    until = None if length is None else datetime.now(UTC) + length
    _change(settings, lambda c: rights.grant(c, actor, role, tenant=tenant, expires_at=until, reason=reason))
    say(f"{actor} has the role {role}{_in(tenant)}{f' until {local(until)}' if until else ''}.")


@permissions.command()
@click.argument("actor")
@click.argument("role")
@_tenant
@_reason
@url_option
@settings_of
def revoke(settings: Settings, *, actor: str, role: str, tenant: str | None, reason: str | None) -> None:
    """Take the ROLE away from ACTOR; exit code 1 where it did not have it."""
    if not _change(settings, lambda c: rights.revoke(c, actor, role, tenant=tenant, reason=reason)):
        note(f"{actor} did not have the role {role}{_in(tenant)}.")
        raise click.exceptions.Exit(NO)
    say(f"{actor} has the role {role} no more{_in(tenant)}.")


def _change(settings: Settings, change: Callable[[Connection], Any]) -> Any:
    database = settings.database()
    with reading(database):
        pass
    with context(actor=user()), database.begin() as connection:
        return change(connection)


def _say(told: Explanation) -> None:
    who = f"{told.actor}{_in(told.tenant)}"
    say(f"{who} {'may' if told.allowed else 'may not'}: {told.permission}.")
    for each in told.grants:
        say(f"  {_way(each)}")
    if told.narrowed:
        say("  The scopes leave it out.")
    if not told.grants:
        listed = ", ".join(told.roles)
        say(f"  No role of {told.actor} grants it; there is {listed}." if listed else f"  {told.actor} has no role.")


def _way(each: Given) -> str:
    through = " through ".join(each.through)
    ends = f", {'expired' if each.expired else 'until'} {local(each.expires_at)}" if each.expires_at else ""
    by = f", given by {each.granted_by}" if each.granted_by else ""
    return f"role {through} grants {each.pattern}{ends}{by}"


def _in(tenant: str | None) -> str:
    return f" in {tenant}" if tenant is not None else ""
