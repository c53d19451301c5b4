"""``holdfast undo``."""

from __future__ import annotations

import getpass
from collections.abc import Sequence

import click

from holdfast.cli.failing import DONE, NO
from holdfast.cli.opening import Settings, settings_of, url_option
from holdfast.cli.planning import confirm, refuse_json_that_asks, yes_option
from holdfast.cli.printing import key_text, note, plural, say, say_json, say_table, value_text, values_text
from holdfast.cli.progress import busy
from holdfast.database import Database
from holdfast.errors import UndoConflictError
from holdfast.journal import Conflict
from holdfast.undo import Undone, way_out
from holdfast.undo import undo as take_back

_SHOWN, _CONFLICTS = 10, 50
_EFFECT = {"insert": "back again", "delete": "gone again", "update": "as before"}


@click.command()
@click.argument("transaction")
@click.option("--table", "tables", multiple=True, metavar="T", help="Only what it did to this table; may be repeated.")
@click.option("--dry-run", is_flag=True, help="Show exactly what would happen and change nothing.")
@click.option("--force", is_flag=True, help="Overwrite what others changed since; it never breaks a key.")
@yes_option
@click.option("--json", "as_json", is_flag=True, help="The outcome as JSON; needs --yes or --dry-run.")
@url_option
@settings_of
def undo(
    settings: Settings,
    *,
    transaction: str,
    tables: tuple[str, ...],
    dry_run: bool,
    force: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Take a TRANSACTION back, all of it or nothing.

    The undo is a transaction of its own, in the journal, and can be undone. A row that somebody changed since is a
    conflict: it is reported field by field and nothing is written (exit code 1).
    """
    refuse_json_that_asks(as_json=as_json, yes=yes, dry_run=dry_run)
    database = settings.database()
    if dry_run or not yes:
        with busy("Looking at what would happen"):
            preview = take_back(database, transaction, tables=tables, dry_run=True, force=force, preview=_SHOWN)
        if as_json:
            _say_outcome(preview)
        else:
            _say_preview(transaction, preview)
        if dry_run:
            raise click.exceptions.Exit(NO if preview.conflicts else DONE)
        confirm("undo it")
    _undo(database, transaction, tables, force=force, as_json=as_json)


def _undo(database: Database, transaction: str, tables: Sequence[str], *, force: bool, as_json: bool) -> None:
    try:
        with busy("Undoing"):
            undone = take_back(database, transaction, tables=tables, force=force, actor=user())
    except UndoConflictError as error:
        if as_json:
            _say_outcome(Undone(None, (), error.conflicts))
        else:
            _say_conflicts(error.conflicts)
        raise
    if as_json:
        _say_outcome(undone)
    elif undone.transaction is None:
        say(f"Nothing was left to undo of transaction {transaction}.")
    else:
        _say_counts(undone)
        say(
            f"Transaction {transaction} is undone. The undo is transaction {undone.transaction}; "
            f"take that back with: holdfast undo {undone.transaction}"
        )


def _say_outcome(undone: Undone) -> None:
    say_json(
        {
            "transaction": undone.transaction,
            "undone": 0 if undone.conflicts else undone.rows,
            "conflicts": [each.as_json() for each in undone.conflicts],
        }
    )


def _say_preview(transaction: str, preview: Undone) -> None:
    if preview.conflicts:
        _say_conflicts(preview.conflicts)
        note(f"Nothing was undone; {way_out(preview.conflicts)}")
        raise click.exceptions.Exit(NO)
    if not preview.rows:
        say(f"Nothing is left to undo of transaction {transaction}.")
        raise click.exceptions.Exit(DONE)
    say(f"Undo of transaction {transaction} would change:")
    _say_counts(preview)
    say()
    say_table(
        ["table", "key", "row is", "with"],
        [
            [each.table, key_text(each.key), _EFFECT.get(each.action, each.action), values_text(each.restored) or "-"]
            for each in preview.preview
        ],
    )
    if preview.rows > len(preview.preview):
        say(f"… and {plural(preview.rows - len(preview.preview), 'row')} more.")


def _say_counts(undone: Undone) -> None:
    for table, action, number in undone.counts:
        say(f"  {table}: {plural(number, 'row')} {_EFFECT.get(action, action)}")


def _say_conflicts(conflicts: Sequence[Conflict]) -> None:
    say(f"{plural(len(conflicts), 'row')} cannot be undone:\n")
    rows = []
    for each in conflicts[:_CONFLICTS]:
        row = [each.table or "-", key_text(each.key) if each.key is not None else "-", each.why]
        fields = [[name, *map(value_text, values)] for name, values in each.fields.items()] or [["-"] * 4]
        rows += [row + field for field in fields]
    headers = ["table", "key", "why", "column", "base (was written)", "theirs (is now)", "ours (undo would write)"]
    say_table(headers, rows)
    if len(conflicts) > _CONFLICTS:
        say(f"… and {plural(len(conflicts) - _CONFLICTS, 'row')} more; all of them with --json.")


def user() -> str | None:
    """Who asks for the undo: the account on this machine."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return None
