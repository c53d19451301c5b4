"""``holdfast tenants`` manifest, ledger: what is a tenant's, and what was done to it as a whole."""

from __future__ import annotations

from typing import Any

import click

from holdfast.cli.failing import NO
from holdfast.cli.printing import note, say, say_json, say_table
from holdfast.cli.tenant_options import (
    json_option,
    place,
    schema_option,
    shared_option,
)
from holdfast.cli.times import local
from holdfast.tenant_life import (
    ledger,
    read_manifest,
)


@click.command("manifest")
@schema_option
@shared_option
@json_option
@click.pass_context
def show_manifest(ctx: click.Context, /, *, schema: str | None, shared: Any, as_json: bool) -> None:
    """Which tables have rows of a tenant, and which might and say nothing about it.

    Exit code 1 where a table says nothing.
    """
    where = place(ctx, schema, shared)
    with where.database.snapshot() as connection:
        found = read_manifest(connection, where.database.dialect, shared=where.shared, schema=schema)
    if as_json:
        say_json(found.as_json())
    else:
        document = found.as_json()
        say_table(("table", "whose"), [(each["table"], each["column"] or "all") for each in document["tables"]])
        for name, why in dict(shared).items():
            say(f"Shared: {name} ({why})")
        for each in found.unrelated:
            say(f"Nothing connects it with a tenant: {each}")
        for gap in found.gaps:
            note(f"Not said whose: {gap.table} ({gap.why})")
    if found.gaps:
        ctx.exit(NO)


@click.command("ledger")
@click.argument("tenant")
@schema_option
@shared_option
@json_option
@click.pass_context
def show_ledger(ctx: click.Context, /, *, tenant: str, schema: str | None, shared: Any, as_json: bool) -> None:
    """What was done to a tenant as a whole, and how far it came; exit code 1 where there was nothing."""
    entries = ledger(place(ctx, schema, shared), tenant)
    if as_json:
        say_json([each.as_json() for each in entries])
    elif entries:
        say_table(
            ("when", "who", "what", "step", "why"),
            [(local(e.at), e.actor or "-", e.kind.removeprefix("tenant_"), e.step, e.reason or "-") for e in entries],
        )
    else:
        note("Nothing was done to that tenant as a whole.")
        ctx.exit(NO)


COMMANDS = (show_manifest, show_ledger)
