"""autocommit_block() commits what came before it in the migration, and Alembic notes the revision as done only at its end. If what is in the block fails, the
first part is there, the revision is not, and the next run fails with "already exists".
"""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.locks import locks_of
from holdfast.lint.rule import Rule

RULE = Rule(
    "autocommit-after-transaction",
    "An autocommit block after other statements",
    "warning",
    fix="Put what needs autocommit into a migration of its own.",
    flagged=(
        "BEGIN;\nALTER TABLE orders ADD COLUMN note text;\nCOMMIT;\nCREATE INDEX CONCURRENTLY orders_note ON orders (note);",
    ),
    safe=("CREATE INDEX CONCURRENTLY orders_note ON orders (note);",),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    if statement.transaction is not None or not _concurrent(statement):
        return
    for earlier in history.statements:
        if earlier.transaction is not None and any(
            locks_of(action) or isinstance(action, a.CreateTable) for action in earlier.actions
        ):
            yield RULE.finding(
                statement,
                earlier.text.splitlines()[0][:60],
                f"If it fails, what line {earlier.line} did is committed, and the migration is not noted as done.",
            )
            return


def _concurrent(statement: a.Statement) -> bool:
    return any(getattr(action, "concurrently", False) for action in statement.actions)
