"""``holdfast seal``."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import click

from holdfast.cli.opening import Settings, settings_of, url_option
from holdfast.cli.printing import note, plural, say_json
from holdfast.cli.progress import busy
from holdfast.cli.times import Interval
from holdfast.database import Database
from holdfast.evidence import Digest, Sealer, read_digests
from holdfast.evidence import seal as seal_journal

digest_option = click.option(
    "--digest",
    "files",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    metavar="FILE",
    help="What holdfast seal printed, one digest or several; may be given more than once.",
)


def digests_of(files: tuple[Path, ...]) -> list[Digest]:
    return [each for file in files for each in read_digests(file.read_text(encoding="utf-8"), str(file))]


@click.command()
@click.option("--fork", metavar="REASON", help="State why the digests are of epochs that this journal does not have.")
@digest_option
@click.option(
    "--every",
    type=Interval(min=0.01),
    metavar="SECONDS",
    help="Go on for ever: seal as often as that over one connection, and print each new digest in a line.",
)
@click.option("--json", "as_json", is_flag=True, help="The digest alone, without a word beside it.")
@url_option
@settings_of
def seal(settings: Settings, *, fork: str | None, files: tuple[Path, ...], every: float | None, as_json: bool) -> None:
    """Seal what was recorded since the last seal, and print the digest to be kept outside of the database.

    Who keeps the digest where the database's owner cannot write can prove with holdfast verify what was recorded
    until then. Several runs at once are safe; where nothing is new the last digest is printed again.
    """
    if fork is not None and not files:
        raise click.UsageError("A fork is stated about a digest: add --digest FILE.")
    if fork is None and files:
        raise click.UsageError("Digests are compared with holdfast verify; here they belong to --fork REASON.")
    if every is not None and fork is not None:
        raise click.UsageError("A fork is stated once: leave --every out.")
    database = settings.database()
    if every is not None:
        _go_on(database, every)
        return
    with busy("sealing"):
        digest = seal_journal(database, fork=fork, digests=digests_of(files))
    say_json(digest.as_json())
    if not as_json:
        note(f"Epoch {digest.epoch}; {plural(digest.changes, 'change')} sealed so far. Keep this outside.")


def _go_on(database: Database, every: float) -> None:
    last = None
    with Sealer(database) as sealer:
        while True:
            started = time.monotonic()
            digest = sealer.seal()
            if digest != last:
                # It is to be kept before the next one is made.
                click.echo(json.dumps(digest.as_json()))
                sys.stdout.flush()
            last = digest
            time.sleep(max(0.0, every - (time.monotonic() - started)))
