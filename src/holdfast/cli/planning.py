"""Shows a plan, asks, and applies it."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import click
from rich.console import Console

from holdfast.cli import failing
from holdfast.cli.opening import F
from holdfast.cli.printing import note, plural, printable, say
from holdfast.database import Database
from holdfast.install import apply
from holdfast.plan import Plan
from holdfast.steps import Step
from holdfast.tables import TableName
from holdfast.timeline import shown

# What is made or dropped by the dozen is counted; everything else is told.
_COUNTED = re.compile(r"(create|replace|drop) (function|trigger) ")
_BOOKKEEPING = "write down what is declared"


yes_option = click.option("--yes", is_flag=True, help="Do not ask.")
sql_option = click.option("--sql", is_flag=True, help="Print the SQL, and nothing else, instead of running it.")
dry_run_option = click.option("--dry-run", is_flag=True, help="Show the plan and apply nothing.")


def batch_option(default: int = 1_000, what: str = "Rows in one transaction.") -> Callable[[F], F]:
    """How much is written before others have a turn."""
    size = click.IntRange(min=1)
    return click.option("--batch", type=size, default=default, show_default=True, metavar="N", help=what)


def say_plan(plan: Plan, declared: Mapping[str, str]) -> None:
    for step in plan.steps:
        title = declared.get(step.title, "")
        say(f"  {_title(step)}{': ' if title else ''}{title}")
        for line in _actions(step.actions):
            say(f"      {line}")
    for each in plan.notes:
        say(f"  Note: {each}")


def carry_out(
    database: Database, plan: Plan, question: str, *, yes: bool, sql: bool, dry_run: bool, declared: Mapping[str, str]
) -> bool:
    """Prints the plan or applies it; whether it was applied."""
    if sql:
        for each in plan.notes:
            note(f"Note: {each}")
        click.echo(plan.sql(), nl=False)
        return False
    if plan.empty:
        return False
    say(f"Plan for {database.name}:")
    say_plan(plan, declared)
    if dry_run:
        say("Dry run: nothing was changed. See the SQL with --sql.")
        return False
    if not yes:
        confirm(question)
    _apply(database, plan)
    return True


def confirm(question: str) -> None:
    """Goes on after a yes; exit code 1 after a no, 2 where nobody can be asked."""
    if not sys.stdin.isatty():
        failing.refuse_unconfirmed(question)
    if not click.confirm(printable(f"{question[0].upper()}{question[1:]}?"), err=True):
        note("Nothing was changed.")
        raise click.exceptions.Exit(failing.NO)


def refuse_json_that_asks(*, as_json: bool, yes: bool, dry_run: bool) -> None:
    """Exit code 2: what reads JSON answers no question."""
    if as_json and not (yes or dry_run):
        raise click.UsageError("--json asks nothing: add --yes, or look first with --dry-run.")


def _apply(database: Database, plan: Plan) -> None:
    console = Console(stderr=True)
    if not console.is_terminal:
        apply(database, plan)
        return
    from rich.progress import Progress

    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("Applying", total=len(plan.steps))
        apply(database, plan, progress=lambda step: progress.advance(task))


def _title(step: Step) -> str:
    schema, _, name = step.title.rpartition(".")
    return shown(TableName(schema, name)) if schema else name


def _actions(actions: Sequence[str]) -> list[str]:
    counted: dict[str, Counter[str]] = {}
    told = []
    for action in actions:
        if match := _COUNTED.match(action):
            counted.setdefault(match[1], Counter())[match[2]] += 1
        else:
            told.append(action)
    if counted and _BOOKKEEPING in told:
        told.remove(_BOOKKEEPING)
    sums = [f"{verb} {', '.join(plural(n, kind) for kind, n in kinds.items())}" for verb, kinds in counted.items()]
    return told + (["; ".join(sums)] if sums else [])
