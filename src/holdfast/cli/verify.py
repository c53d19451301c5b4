"""``holdfast verify``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from holdfast.cli.failing import FAILED, NO
from holdfast.cli.opening import Settings, settings_of, url_option
from holdfast.cli.printing import busy, note, plural, say, say_json, say_table
from holdfast.cli.seal import digest_option, digests_of
from holdfast.evidence import Verification
from holdfast.evidence import verify as verify_journal


@click.command()
@digest_option
@click.option("--json", "as_json", is_flag=True, help="Findings, and what is recorded, as JSON.")
@url_option
@settings_of
@click.pass_context
def verify(ctx: click.Context, settings: Settings, *, files: tuple[Path, ...], as_json: bool) -> None:
    """Is the sealed journal as it was sealed? Exit code 0 if it is, 1 if not, 3 if nothing could be checked.

    Without a digest that was kept outside, whoever wrote all of it anew is not found.
    """
    database = settings.database()
    digests = digests_of(files)
    with busy("verifying"):
        verification = verify_journal(database, digests)
    if as_json:
        say_json(verification.as_json())
    else:
        _say(verification, len(digests))
    if not verification.intact:
        ctx.exit(NO)
    if not verification.epochs:
        ctx.exit(FAILED)


def _say(verification: Verification, digests: int) -> None:
    if verification.findings:
        say_table(["finding", "what"], [[each.kind, each.message] for each in verification.findings])
        if verification.more:
            say(f"And {verification.more:,} more.")
        say(f"{plural(len(verification.findings) + verification.more, 'finding')}: not as it was sealed.")
    elif verification.epochs:
        outside = f", and {plural(digests, 'digest')} from outside" if digests else ""
        say(f"Intact: {plural(verification.epochs, 'epoch')}, {plural(verification.changes, 'change')}{outside}.")
    else:
        say("Nothing was ever sealed in this database, so nothing can be checked. Start with: holdfast seal")
    kinds = Counter(each.kind for each in verification.recorded)
    if kinds:
        listed = ", ".join(plural(number, kind) for kind, number in sorted(kinds.items()))
        note(f"Recorded beside the changes: {listed}. See each with --json.")
    for each in verification.recorded:
        if each.kind == "fork":
            note(f"A fork was stated at {each.at}: {each.reason}")
    if verification.unsealed:
        note(f"{plural(verification.unsealed, 'change')} not sealed yet: nothing is proved of them.")
    if verification.epochs and not digests:
        note("No digest was given, so epochs that were all written anew would not be found: --digest FILE.")
