"""A trigger, function or policy of holdfast that a migration drops by hand takes a guarantee away; `holdfast status` reports it as missing."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import EVERY, Rule

RULE = Rule(
    "drop-protection",
    "An object of holdfast dropped by hand",
    "error",
    fix="holdfast unprotect TABLE, or take the declaration away and let autogenerate write it.",
    flagged=("DROP TRIGGER holdfast_audit ON orders;", "DROP SCHEMA holdfast CASCADE;"),
    safe=("DROP TRIGGER stamp ON orders;",),
    databases=EVERY,
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in statement.actions:
        match action:
            case a.DropTrigger(name=name) | a.DropPolicy(name=name) if name.startswith("holdfast"):
                yield RULE.finding(statement, name, f"{name} is holdfast's: what it guarantees ends here.")
            case a.Drop(name=name) if "holdfast" in (name.schema, name.name):
                yield RULE.finding(statement, name, f"{name} is holdfast's: what it guarantees ends here.")
