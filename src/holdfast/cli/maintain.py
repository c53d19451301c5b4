"""``holdfast maintain``."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import click

from holdfast.cli.opening import Settings, settings_of, url_option
from holdfast.cli.planning import batch_option
from holdfast.cli.printing import note, plural, say, say_json
from holdfast.cli.progress import bars
from holdfast.cli.times import local
from holdfast.cli.undo import user
from holdfast.durations import duration
from holdfast.errors import DeclarationError
from holdfast.maintaining import Maintained
from holdfast.maintaining import maintain as do_maintain


@click.command()
@click.option(
    "--months-ahead",
    type=click.IntRange(min=1, max=120),
    default=12,
    show_default=True,
    metavar="N",
    help="Make the journal's partitions of so many months ahead.",
)
@click.option(
    "--export",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write what is removed into files there first: gzip, a change per line, as JSON.",
)
@batch_option(10_000, "About so many changes are removed in one transaction.")
@click.option(
    "--wait-for-consumers",
    "patience",
    metavar="AGE",
    default="30d",
    show_default=True,
    help="For how much longer than its rule history stays that a consumer of the change feed has not acknowledged.",
)
@click.option("--json", "as_json", is_flag=True, help="What was made and removed, as JSON.")
@url_option
@settings_of
def maintain(
    settings: Settings, *, months_ahead: int, export: Path | None, batch: int, patience: str, as_json: bool
) -> None:
    """Make the journal's partitions ahead, and remove the history that no rule keeps any more.

    The rule of a table is its Audit(keep=…); without one its history is kept for ever. Rows under legal hold keep
    theirs. On SQLite it makes the digests that values of large columns wait for. To be run from cron,
    on as many machines as you like: one works, the others end with exit code 4.
    """
    try:
        wait = timedelta(0) if patience == "0" else duration(patience)
    except DeclarationError as error:
        raise click.BadParameter(error.message, param_hint="--wait-for-consumers") from error
    database = settings.database()
    with bars() as progress:
        outcome = do_maintain(
            database,
            months_ahead=months_ahead,
            export=export,
            batch=batch,
            actor=user(),
            patience=wait,
            progress=progress,
        )
    if as_json:
        say_json(outcome.as_json())
    else:
        _say(outcome)
    for each in outcome.lagging:
        since = f"since {local(each.acknowledged)}" if each.acknowledged else "ever"
        if each.missed:
            note(f"The consumer {each.name!r} has acknowledged nothing {since}, and lacks what was removed now.")
        else:
            note(f"The consumer {each.name!r} has acknowledged nothing {since}; what it has not read yet stays.")
    for part in outcome.unsealed:
        note(f"Changes in {part} are old enough and not sealed yet, so they stay. Seal them with: holdfast seal")


def _say(outcome: Maintained) -> None:
    for month in outcome.partitions:
        say(f"  partition {month} made")
    if outcome.digested:
        say(f"  {plural(outcome.digested, 'digest')} of large columns made")
    for each in outcome.removed:
        tables = ", ".join(f"{name}: {plural(number, 'change')}" for name, number in each.changes.items())
        file = f", kept in {each.file}" if each.file else ""
        say(f"  {each.part} {'dropped' if each.whole else 'thinned out'}: {tables}{file}")
    if not outcome.partitions and not outcome.removed and not outcome.digested:
        say("Nothing to do: the partitions are there, and no history is older than its rule says.")
    elif outcome.removed:
        say(f"{plural(outcome.changes, 'change')} removed.")
