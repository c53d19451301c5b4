"""MySQL commits before and after each DDL statement. If the second of a migration fails, the first is there, the revision is not noted, and the next run fails on the first."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import MYSQL, Rule
from holdfast.lint.words import has

RULE = Rule(
    "mysql-several-ddl",
    "Several DDL statements in one migration",
    "warning",
    fix="One DDL statement in one migration.",
    flagged=(
        "ALTER TABLE orders ADD COLUMN a int, ALGORITHM=INSTANT;\nALTER TABLE orders ADD COLUMN b int, ALGORITHM=INSTANT;",
    ),
    safe=("ALTER TABLE orders ADD COLUMN a int, ADD COLUMN b int, ALGORITHM=INSTANT;",),
    databases=MYSQL,
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    def is_ddl(each: a.Statement) -> bool:
        return (
            bool(each.words)
            and each.words[0].is_("CREATE", "ALTER", "DROP", "RENAME")
            and not has(each.words, "ALEMBIC_VERSION")
        )

    if is_ddl(statement) and sum(is_ddl(each) for each in history.statements) == 1:
        yield RULE.finding(
            statement,
            "",
            "The first is committed already; if this one fails, the migration can be neither finished nor repeated.",
        )
