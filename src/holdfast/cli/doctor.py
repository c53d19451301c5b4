"""``holdfast doctor``."""

from __future__ import annotations

import click

from holdfast.cli.failing import NO
from holdfast.cli.opening import Settings, settings_of, url_option
from holdfast.cli.printing import plural, say, say_json
from holdfast.doctor import doctor as examine


@click.command()
@click.option("--role", "roles", multiple=True, metavar="ROLE", help="The application connects as this role.")
@click.option("--json", "as_json", is_flag=True, help="The findings as JSON.")
@url_option
@settings_of
@click.pass_context
def doctor(ctx: click.Context, settings: Settings, *, roles: tuple[str, ...], as_json: bool) -> None:
    """What gets past the protection of tenants? Exit code 1 where rows of others can be had now.

    Without --role the roles are examined that have the duties of the application: see holdfast roles.
    """
    found = examine(settings.database(), roles=roles)
    errors = [each for each in found if each.severity == "error"]
    if as_json:
        say_json([each.as_json() for each in found])
    else:
        for each in found:
            say(f"{each.severity}: {each.sentence} [{each.rule}]")
            say(f"    {each.mend}")
        warnings = len(found) - len(errors)
        say(f"{plural(len(errors), 'error')}, {plural(warnings, 'warning')}." if found else "Nothing found.")
    if errors:
        ctx.exit(NO)
