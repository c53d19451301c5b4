"""Reads migrations as statements and says which of them hurt: by rules, without a server.

``Finding`` is plain data, and whatever else finds something (a trace of the statements on a server) gives the same.
"""

from __future__ import annotations

from pathlib import Path

from holdfast.lint.checking import Migration, Report, check
from holdfast.lint.configuration import Configuration
from holdfast.lint.findings import Finding, Severity
from holdfast.lint.history import History
from holdfast.lint.servers import Server, server_for
from holdfast.lint.statements import statements_of

__all__ = ["Finding", "Migration", "Report", "Server", "Severity", "check", "lint_sql", "server_for"]


def lint_sql(
    sql: str,
    server: Server | None = None,
    *,
    file: str = "-",
    configuration: Configuration | None = None,
    in_transaction: bool = False,
) -> Report:
    """What the rules find in a text of SQL, for the newest PostgreSQL unless another server is given.

    >>> report = lint_sql("CREATE INDEX orders_shop ON orders (shop_id)")
    >>> [(each.rule, each.line) for each in report.findings if each.severity == "error"]
    [('create-index', 1)]
    """
    server = server or Server()
    statements = statements_of(sql, server, file=file, in_transaction=in_transaction)
    history = History(server)
    return check([Migration(Path(file).name, tuple(statements))], history, configuration or Configuration())
