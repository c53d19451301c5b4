"""PostgreSQL cuts a name off after 63 bytes, MySQL refuses it after 64: two long names become one, and a later migration does not find the name that it was given."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.lint import actions as a
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import EVERY, Rule

RULE = Rule(
    "identifier-too-long",
    "A name that is too long",
    "warning",
    fix="Choose a shorter name, or a naming convention that ends in a hash.",
    flagged=(
        "CREATE INDEX CONCURRENTLY ix_orders_customer_identifier_shop_identifier_created_at_updated_at ON orders (a);",
    ),
    safe=("CREATE INDEX CONCURRENTLY ix_orders_a ON orders (a);",),
    databases=EVERY,
)


def check(statement: a.Statement, history: History) -> Iterable[Finding]:
    limit = history.server.name_limit
    if not limit or not statement.actions or not statement.words[0].is_("CREATE", "ALTER", "COMMENT"):
        return
    for name in {
        word.text for word in statement.words if word.kind in ("word", "name") and len(word.text.encode()) > limit
    }:
        yield RULE.finding(statement, name, f"It has {len(name.encode())} bytes; the server keeps {limit}.")
