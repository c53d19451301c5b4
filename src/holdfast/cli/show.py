"""``holdfast show``."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import click

from holdfast.cli.opening import Settings, reading, settings_of, url_option
from holdfast.cli.printing import change_rows, plural, say, say_json, say_table, value_text
from holdfast.cli.times import local
from holdfast.database import execute
from holdfast.dialects.log import LogFilter
from holdfast.journal import Transaction
from holdfast.tables import TableName
from holdfast.timeline import find, log, shown
from holdfast.timeline import show as whole

_SHOWN = 10


@click.command()
@click.argument("transaction")
@click.option("--json", "as_json", is_flag=True, help="The transaction with all of its changes, as JSON.")
@url_option
@settings_of
def show(settings: Settings, *, transaction: str, as_json: bool) -> None:
    """One TRANSACTION: who, when, why, and what it changed."""
    with reading(settings.database()) as (connection, dialect, inventory):
        if as_json:
            found, changes = whole(connection, dialect, inventory, transaction)
            say_json({**_document(found), "changes": [each.as_json() for each in changes]})
            return
        found = find(connection, dialect, transaction)
        tables = execute(connection, dialect.log.tables(transaction))
        wanted = LogFilter(transaction=transaction, at=found.at, limit=_SHOWN)
        changes = log(connection, dialect, inventory, wanted)
    _say_header(found)
    total = sum(int(each.changes) for each in tables)
    counts = [f"{shown(TableName(each.schema_name, each.table_name))} {each.changes}" for each in tables]
    say(f"{plural(total, 'change')}: {', '.join(counts)}.\n")
    say_table(["operation", "table", "key", "change"], change_rows(changes))
    if total > len(changes):
        say(f"… and {total - len(changes):,} more; all of them with: holdfast show {found.id} --json")
    say(f"\nTake it back with: holdfast undo {found.id}")


def _document(found: Transaction) -> dict[str, Any]:
    return {
        "transaction": found.id,
        "at": found.at.astimezone(UTC).isoformat(),
        "actor": found.actor,
        "tenant": found.tenant,
        "reason": found.reason,
        "context": found.context,
        "session_user": found.session_user,
        "application": found.application,
        "client": found.client,
    }


def _say_header(found: Transaction) -> None:
    say(f"Transaction {found.id}")
    facts = {
        "when": local(found.at),
        "who": found.actor or "not said",
        "tenant": found.tenant,
        "why": found.reason or "not said",
        **{name: value_text(value) for name, value in found.context.items()},
        "database user": found.session_user,
        "application": found.application,
        "from": found.client,
    }
    for name, fact in facts.items():
        if fact:
            say(f"  {name:<14} {fact}")
