"""A SECURITY DEFINER function without a search_path of its own calls what its caller puts in the way: a table or function of the same name in a schema that comes first."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import Rule

RULE = Rule(
    "security-definer-search-path",
    "SECURITY DEFINER without SET search_path",
    "warning",
    fix="SET search_path = pg_catalog, …, pg_temp in the function's definition.",
    flagged=("CREATE FUNCTION f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';",),
    safe=(
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'SELECT 1';",
    ),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    for action in statement.actions:
        if isinstance(action, a.CreateFunction) and action.security_definer and not action.search_path:
            yield RULE.finding(statement, action.name, "Its caller chooses which tables and functions it finds.")
