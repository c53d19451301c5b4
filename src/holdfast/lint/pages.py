"""The page of a rule, for the documentation and for ``holdfast explain``."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import indent

from holdfast.lint.rules import Checked, rules

_DATABASES = {
    "postgresql": "PostgreSQL",
    "sqlite": "SQLite",
    "mysql": "MySQL",
    "mariadb": "MariaDB",
    "mssql": "SQL Server",
}


def page_of(checked: Checked) -> str:
    """Problem, solution, and an example of each, as Markdown."""
    rule = checked.rule
    parts = [
        f"# {rule.name}: {rule.title}",
        f"{rule.severity}; {_where(checked)}.",
        f"## Problem\n\n{checked.problem}",
        *([_examples(rule.flagged)] if rule.flagged else []),
        f"## Solution\n\n{rule.fix}",
        f"This is not reported:\n\n{_examples(rule.safe)}",
        f"To allow it at one place, say why:\n\n    -- holdfast: allow {rule.name} the reason",
    ]
    return "\n\n".join(parts) + "\n"


def _where(checked: Checked) -> str:
    rule = checked.rule
    named = ", ".join(_DATABASES[each] for each in rule.databases)
    since = f" from version {'.'.join(map(str, rule.since))} on" if rule.since else ""
    before = f" before version {'.'.join(map(str, rule.before))}" if rule.before else ""
    return f"{named}{since}{before}"


def _examples(examples: Sequence[str]) -> str:
    """Indented; a comment parts one from the next."""
    return "\n\n<!-- or -->\n\n".join(indent(each, "    ") for each in examples)


def index() -> str:
    """Every rule with its severity, as a table."""
    lines = ["| rule | | |", "|---|---|---|"]
    for name, checked in rules().items():
        lines.append(f"| [{name}](rules/{name}.md) | {checked.rule.severity} | {checked.rule.title} |")
    return "\n".join(lines) + "\n"
