"""BEGIN inside of a transaction is a warning that nobody reads; COMMIT ends the transaction of whoever runs the file, and what follows is not in it; a BEGIN without
COMMIT rolls all of it back in the end.
"""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import MSSQL, MYSQL, POSTGRESQL, SQLITE, Rule

RULE = Rule(
    "transaction-nesting",
    "BEGIN and COMMIT that do not match",
    "warning",
    fix="One BEGIN, one COMMIT; none in what is run in a transaction already.",
    flagged=(
        "BEGIN;\nBEGIN;\nALTER TABLE orders ADD COLUMN note text;\nCOMMIT;",
        "BEGIN;\nALTER TABLE orders ADD COLUMN note text;",
    ),
    safe=("BEGIN;\nALTER TABLE orders ADD COLUMN note text;\nCOMMIT;",),
    databases=(*POSTGRESQL, *SQLITE, *MYSQL, *MSSQL),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    if "boundary" in statement.notes:
        return
    for action in statement.actions:
        if isinstance(action, a.Boundary):
            if action.verb == "begin" and history.inside:
                yield RULE.finding(statement, "BEGIN", "A transaction is open already.")
            elif action.verb != "begin" and not history.inside:
                what = "commits what others began" if statement.transaction is not None else "ends nothing"
                yield RULE.finding(statement, action.verb.upper(), f"There is no BEGIN before it: it {what}.")


def finish(history: History) -> Iterable[Finding]:
    begins = [each for each in history.statements if a.Boundary("begin") in each.actions]
    if history.inside and begins and "boundary" not in begins[-1].notes:
        yield RULE.finding(begins[-1], "BEGIN", "It is never committed, so all of it is rolled back.")
