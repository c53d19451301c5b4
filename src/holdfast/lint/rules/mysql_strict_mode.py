"""Where the session is not in strict mode, MODIFY … NOT NULL does not refuse the NULLs that are there: it makes them 0, an empty text, or the date 0000-00-00. What they
were is lost.
"""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import MYSQL, Rule, on_existing

RULE = Rule(
    "mysql-strict-mode",
    "NOT NULL that turns NULLs into zeros",
    "error",
    fix="SET SESSION sql_mode = 'STRICT_ALL_TABLES' first: the change then fails if there are NULLs. Fill them before.",
    flagged=(
        "SET SESSION sql_mode = '';\nALTER TABLE orders MODIFY note varchar(20) NOT NULL, ALGORITHM=INPLACE, LOCK=NONE;",
    ),
    safe=(
        "SET SESSION sql_mode = 'STRICT_ALL_TABLES';\n"
        "ALTER TABLE orders MODIFY note varchar(20) NOT NULL, ALGORITHM=INPLACE, LOCK=NONE;",
    ),
    databases=MYSQL,
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    mode = history.settings.get("sql_mode")
    if mode is not None and ("strict" in mode or "traditional" in mode or mode == "default"):
        return
    for action in on_existing(statement, history, a.SetNotNull):
        yield RULE.finding(
            statement,
            f"{action.table}.{action.column}",
            f"NULLs of {action.column} become zeros, unless the server is in strict mode"
            + (
                ", which this session has left." if mode is not None else "; it is by default, and here it is not said."
            ),
            severity=None if mode is not None else "info",
        )
