"""The code that is running knows the old name, and fails at once. The same holds for a schema, a type or a view, and for SET SCHEMA."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import EVERY, Rule, on_existing

RULE = Rule(
    "rename-table",
    "RENAME of a table, schema, type or view",
    "error",
    fix="Keep the name and change what the application calls it; or make the new table, keep both in step, and move over.",
    flagged=("ALTER TABLE orders RENAME TO purchases;",),
    safe=("CREATE TABLE notes (a text);\nALTER TABLE notes RENAME TO remarks;", "ALTER INDEX a RENAME TO b;"),
    databases=EVERY,
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    made_anew = {
        each.name for _, each in history.earlier(statement) if isinstance(each, a.Drop) and each.kind == "table"
    }
    for action in on_existing(statement, history, a.RenameTable):
        if action.new not in made_anew:
            yield RULE.finding(
                statement, action.table, f"Running code still asks for {action.table}, and fails at once."
            )
    for other in statement.actions:
        if (
            isinstance(other, a.Rename)
            and other.kind in ("table", "schema", "type", "view")
            and not history.is_new(other.name)
        ):
            yield RULE.finding(
                statement,
                other.name,
                f"Running code still asks for the {other.kind} {other.name}, and fails at once.",
            )
