"""A constraint that stays NOT VALID binds new rows alone: nothing can be concluded from it, by the planner or by you, and Alembic does not see that
it is not valid.
"""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import Rule

RULE = Rule(
    "constraint-not-validated",
    "NOT VALID and never validated",
    "info",
    fix="Validate it in a later migration.",
    flagged=("ALTER TABLE orders ADD CONSTRAINT positive CHECK (total > 0) NOT VALID;",),
    safe=(
        "ALTER TABLE orders ADD CONSTRAINT positive CHECK (total > 0) NOT VALID;\nALTER TABLE orders VALIDATE CONSTRAINT positive;",
    ),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    return ()


def finish_all(history: History) -> Iterable[Finding]:
    """After the last migration."""
    for table in history.tables.values():
        for name, known in table.constraints.items():
            if not known.valid and known.statement is not None:
                yield RULE.finding(
                    known.statement, name, f"No migration that was looked at validates {name} of {table.name}."
                )
