"""VALIDATE stops nobody by itself. But a transaction keeps its locks to the end: one that has just added the constraint, or altered the table
otherwise, holds a lock that writers wait for, and VALIDATE reads the whole table meanwhile. NOT VALID has then gained nothing.
Alembic runs all migrations in one transaction unless `transaction_per_migration=True`.
"""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.locks import Lock
from holdfast.lint.rule import Rule, on_existing

RULE = Rule(
    "validate-in-same-transaction",
    "VALIDATE in a transaction that already holds a strong lock",
    "error",
    fix="Validate in a migration of its own, with transaction_per_migration=True in env.py, or in an autocommit_block().",
    flagged=(
        "BEGIN;\nALTER TABLE orders ADD CONSTRAINT positive CHECK (total > 0) NOT VALID;\n"
        "ALTER TABLE orders VALIDATE CONSTRAINT positive;\nCOMMIT;",
    ),
    safe=(
        "BEGIN;\nALTER TABLE orders ADD CONSTRAINT positive CHECK (total > 0) NOT VALID;\nCOMMIT;\n"
        "BEGIN;\nALTER TABLE orders VALIDATE CONSTRAINT positive;\nCOMMIT;",
    ),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in on_existing(statement, history, a.ValidateConstraint):
        table = history.table(action.table)
        known = table.constraints.get(action.name) if table is not None else None
        tables = {action.table, known.constraint.target if known is not None else action.table}
        held = [each for each in history.locked(statement, Lock.SHARE) if each.table in tables]
        same = [each for each in statement.actions if isinstance(each, a.AddConstraint) and each.table == action.table]
        if held or same:
            lock = max((each.lock for each in held), default=Lock.ACCESS_EXCLUSIVE)
            yield RULE.finding(
                statement,
                action.name,
                f"The transaction holds {lock} already, so {lock.stops} while {action.table} is read from end to end.",
            )
