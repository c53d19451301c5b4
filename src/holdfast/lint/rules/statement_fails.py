"""The server refused the statement when it was run on a scratch database: whatever it is about is not there, or is in the way. Only `--trace` finds this."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import Rule

RULE = Rule(
    "statement-fails",
    "A statement that the server refuses",
    "error",
    fix="Mend it; or let the scratch database have what it needs: --url, --scratch, or the file that makes it, named before.",
    flagged=(),
    safe=("ALTER TABLE orders ADD COLUMN note text;",),
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    return ()
