"""What the commands about one tenant have in common: their options, and where the tenant's rows are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from holdfast.cli.opening import Settings
from holdfast.database import Database
from holdfast.tenant_life import Place

GIVEN = "holdfast.cli.tenants"
"""Where the group keeps what was given to it."""

FILE = click.Path(dir_okay=False, path_type=Path)

reason_option = click.option("--reason", required=True, metavar="R", help="Why; it is recorded.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
schema_option = click.option("--schema", metavar="S", help="The tenant is all tables of this schema.")
certificate_option = click.option(
    "--certificate", type=FILE, metavar="FILE", help="Where the proof of the deletion is written to."
)


class Reasoned(click.ParamType[tuple[str, str]]):
    """TABLE=REASON."""

    name = "table=reason"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        table, _, reason = str(value).partition("=")
        if not table or not reason.strip():
            self.fail(f"{value!r} is no TABLE=REASON.", param, ctx)
        return table, reason


shared_option = click.option(
    "--shared",
    type=Reasoned(),
    multiple=True,
    metavar="TABLE=REASON",
    help="No row of this table is a tenant's, and why; may be repeated. SCHEMA.* are all tables of a schema.",
)


def place(
    ctx: click.Context, schema: str | None, shared: tuple[tuple[str, str], ...], database: Database | None = None
) -> Place:
    """The tables of schemas that are a tenant's each are not among those with the rows of many."""
    settings = ctx.find_object(Settings)
    assert settings is not None
    if database is None and settings.url is not None and "{tenant}" in settings.url:
        raise click.UsageError("Give the URL of the tenant's own database, and --schema public.")
    schemas = {} if schema else {f"{ctx.meta[GIVEN]['prefix']}*.*": "a tenant of its own"}
    return Place(database or settings.database(), schema, {**schemas, **dict(shared)})
