"""``holdfast tenants`` export, import, move, delete, reopen: what is done to one tenant as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from holdfast.cli.planning import batch_option, confirm, refuse_json_that_asks, yes_option
from holdfast.cli.printing import note, plural, printable, say, say_json
from holdfast.cli.progress import bar
from holdfast.cli.tenant_options import (
    FILE,
    certificate_option,
    json_option,
    place,
    reason_option,
    schema_option,
    shared_option,
)
from holdfast.cli.undo import user
from holdfast.database import Database
from holdfast.tenant_life import (
    Deleted,
    delete_tenant,
    export_tenant,
    import_tenant,
    move_tenant,
    plan_deletion,
    plan_move,
    reopen,
)


@click.command("export")
@click.argument("tenant")
@click.option("--to", "file", type=FILE, required=True, metavar="FILE", help="The file; not there yet.")
@click.option("--with-history", is_flag=True, help="With the journal's changes of the rows, to be read.")
@reason_option
@schema_option
@shared_option
@json_option
@click.pass_context
def export(ctx: click.Context, /, *, tenant: str, file: Path, with_history: bool, **given: Any) -> None:
    """Write the tenant's rows of every table, of one moment, into a file."""
    where = place(ctx, given["schema"], given["shared"])
    with _bar(f"Exporting {tenant}") as progress:
        found = export_tenant(
            where,
            tenant,
            file,
            reason=given["reason"],
            with_history=with_history,
            actor=user(),
            progress=progress,
        )
    if given["as_json"]:
        say_json(found.as_json())
        return
    say(f"Exported {tenant}: {_in_all(found.rows)} to {found.file}.")


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--as", "tenant", metavar="TENANT", help="As another tenant than the one that was exported.")
@reason_option
@schema_option
@shared_option
@json_option
@click.pass_context
def bring(ctx: click.Context, /, *, file: Path, tenant: str | None, **given: Any) -> None:
    """Bring a tenant's rows out of a file: all of them as they were, or nothing."""
    where = place(ctx, given["schema"], given["shared"])
    with _bar(f"Importing {file}") as progress:
        found = import_tenant(where, file, reason=given["reason"], tenant=tenant, actor=user(), progress=progress)
    if given["as_json"]:
        say_json(found.as_json())
        return
    say(f"Imported {found.tenant}: {_in_all(found.rows)}.")


@click.command("move")
@click.argument("tenant")
@click.option("--to", metavar="URL", help="The database to move to; default: the same.")
@click.option("--to-schema", metavar="S", help="The tenant is to be all tables of this schema.")
@click.option("--archive", type=FILE, metavar="FILE", help="Keep the copy in this file.")
@click.option("--forget-history", is_flag=True, help="Remove the journal's changes of the rows, too.")
@certificate_option
@batch_option()
@reason_option
@schema_option
@shared_option
@click.option("--dry-run", is_flag=True, help="Show the plan and change nothing.")
@yes_option
@json_option
@click.pass_context
def move(ctx: click.Context, /, *, tenant: str, to: str | None, to_schema: str | None, **given: Any) -> None:
    """Bring a tenant to another schema or database, whose tables are there, and delete it here.

    Nobody writes its rows meanwhile. An interrupted move goes on when it is called again.
    """
    refuse_json_that_asks(as_json=given["as_json"], yes=given["yes"], dry_run=given["dry_run"])
    if to is None and to_schema is None and given["schema"] is None:
        raise click.UsageError("Where to? Give --to URL, --to-schema S, or --schema S to move out of that.")
    source = place(ctx, given["schema"], given["shared"])
    target = place(ctx, to_schema, given["shared"], Database(to) if to is not None else None)
    if given["dry_run"] or not given["yes"]:
        plan = plan_move(source, target, tenant)
        if given["as_json"]:
            say_json(plan.as_json())
            return
        say(f"Move {tenant} from {plan.source} to {plan.target}:")
        for number, step in enumerate(plan.steps, 1):
            say(f"  {number}. {step}")
        _say_rows(plan.rows)
        if given["dry_run"]:
            say("Dry run: nothing was changed.")
            return
        confirm(printable(f"move {tenant}"))
    with _bar(f"Moving {tenant}") as progress:
        moved = move_tenant(
            source,
            target,
            tenant,
            reason=given["reason"],
            file=given["archive"],
            certificate=given["certificate"],
            keep_history=not given["forget_history"],
            actor=user(),
            batch=given["batch"],
            progress=progress,
        )
    if given["as_json"]:
        say_json(moved.as_json())
        return
    say(f"Moved {tenant}: {plural(sum(moved.rows.values()), 'row')} are in {moved.target} and no longer here.")


@click.command("delete")
@click.argument("tenant")
@click.option("--keep-history", is_flag=True, help="Keep the journal's changes of the rows.")
@certificate_option
@batch_option()
@click.option("--reason", metavar="R", help="Why; it is recorded. A dry run needs none.")
@schema_option
@shared_option
@click.option("--dry-run", is_flag=True, help="Show what would go; so it is without --yes as well.")
@click.option("--yes", is_flag=True, help="Delete.")
@json_option
@click.pass_context
def delete(ctx: click.Context, /, *, tenant: str, keep_history: bool, reason: str | None, **given: Any) -> None:
    """Delete every row of a tenant, and prove that none is left.

    Without --yes it only shows how many rows of which table would go. An interrupted deletion goes on when it is
    called again; nobody writes the tenant's rows meanwhile.
    """
    where = place(ctx, given["schema"], given["shared"])
    plan = plan_deletion(where, tenant, keep_history=keep_history)
    if given["dry_run"] or not given["yes"]:
        _say_deletion(plan, would=True, as_json=given["as_json"])
        return
    if reason is None:
        raise click.UsageError("Why? Give --reason R.")
    if not given["as_json"]:
        _say_deletion(plan, would=True, as_json=False, hint=False)
    with _bar(f"Deleting {tenant}") as progress:
        done = delete_tenant(
            where,
            tenant,
            reason=reason,
            certificate=given["certificate"],
            keep_history=keep_history,
            actor=user(),
            batch=given["batch"],
            progress=progress,
        )
    _say_deletion(done, would=False, as_json=given["as_json"])


@click.command("reopen")
@click.argument("tenant")
@reason_option
@schema_option
@shared_option
@click.pass_context
def open_again(ctx: click.Context, /, *, tenant: str, reason: str, schema: str | None, shared: Any) -> None:
    """Give up a move or a deletion of which nothing is deleted yet: the tenant's rows can be written again."""
    reopen(place(ctx, schema, shared), tenant, reason=reason, actor=user())
    say(f"Open again: {tenant}.")


COMMANDS = (export, bring, move, delete, open_again)


def _in_all(rows: Mapping[str, int]) -> str:
    filled = [number for number in rows.values() if number]
    return f"{plural(sum(filled), 'row')} of {plural(len(filled), 'table')}"


def _say_rows(rows: Mapping[str, int]) -> None:
    for name, number in rows.items():
        if number:
            say(f"  {name}: {plural(number, 'row')}")


def _say_deletion(found: Deleted, *, would: bool, as_json: bool, hint: bool = True) -> None:
    if as_json:
        say_json(found.as_json())
        return
    say(f"{'Would delete' if would else 'Deleted'} {found.tenant}:")
    _say_rows(found.rows)
    if found.changes is not None:
        say(f"  the journal: {plural(found.changes, 'change')}")
    if would and hint:
        for name in found.unrelated:
            note(f"Nothing connects {name} with a tenant, so it is not looked at.")
        say("Nothing was changed. To delete it, add --yes and --reason.")
    if not would:
        say("Every table was counted again and has none of it.")


@contextmanager
def _bar(what: str) -> Iterator[Any]:
    with bar(what) as advance:
        yield None if advance is None else lambda _, done, total: advance(done, total)
