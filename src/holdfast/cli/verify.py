"""``holdfast verify``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from holdfast.cli.failing import FAILED, NO
from holdfast.cli.opening import Settings, settings_of, url_option
from holdfast.cli.printing import note, plural, say, say_json, say_table
from holdfast.cli.progress import busy
from holdfast.cli.seal import digest_option, digests_of
from holdfast.cli.undo import user
from holdfast.evidence import Verification
from holdfast.evidence import acknowledge as acknowledge_findings
from holdfast.evidence import verify as verify_journal


@click.command()
@digest_option
@click.option(
    "--acknowledge",
    "known",
    multiple=True,
    metavar="ID",
    help="State of the finding with that id that it is known, and why: --reason; may be given more than once.",
)
@click.option("--reason", metavar="R", help="With --acknowledge: how it came about.")
@click.option("--json", "as_json", is_flag=True, help="Findings, and what is recorded, as JSON.")
@url_option
@settings_of
@click.pass_context
def verify(
    ctx: click.Context,
    settings: Settings,
    *,
    files: tuple[Path, ...],
    known: tuple[str, ...],
    reason: str | None,
    as_json: bool,
) -> None:
    """Is the sealed journal as it was sealed? Exit code 0 if it is, 1 if not, 3 if nothing could be checked.

    Without a digest that was kept outside, whoever wrote all of it anew is not found. With --acknowledge a finding
    between two seals is recorded as known; from then on it is listed as such, and does not count.
    """
    if bool(known) != bool(reason):
        raise click.UsageError("Which finding, and why is it known? Write --acknowledge ID --reason R.")
    database = settings.database()
    digests = digests_of(files)
    if reason:
        acknowledge_findings(database, known, reason=reason, actor=user())
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
        _say_findings(verification)
        if verification.more:
            say(f"And {verification.more:,} more.")
        say(f"{plural(len(verification.findings) + verification.more, 'finding')}: not as it was sealed.")
    elif verification.epochs:
        outside = f", and {plural(digests, 'digest')} from outside" if digests else ""
        say(f"Intact: {plural(verification.epochs, 'epoch')}, {plural(verification.changes, 'change')}{outside}.")
    else:
        say("Nothing was ever sealed in this database, so nothing can be checked. Start with: holdfast seal")
    for known in verification.acknowledged:
        stated = known.statement
        note(f"Known, as {stated.actor or 'somebody'} stated at {stated.at} ({stated.reason}): {known.finding.message}")
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


def _say_findings(verification: Verification) -> None:
    findings = verification.findings
    if any(each.id for each in findings):
        say_table(["finding", "id", "what"], [[each.kind, each.id or "-", each.message] for each in findings])
        note("Was it known maintenance? State so: holdfast verify --acknowledge ID --reason R.")
    else:
        say_table(["finding", "what"], [[each.kind, each.message] for each in findings])
