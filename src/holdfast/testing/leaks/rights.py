"""Rights: what the application's role may do, and what ``holdfast doctor`` finds of the database."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Table

from holdfast.testing.leaks.probe import DoesNotApplyError, Leaked, Probe
from holdfast.testing.leaks.stage import Stage


def _privilege(privilege: str) -> Callable[[Stage, Table], None]:
    def run(stage: Stage, table: Table) -> None:
        name = stage.name(table)
        [(has,)] = stage.rows(f"select has_table_privilege('{stage.subject.role}', '{name}'::regclass, '{privilege}')")
        if has:
            said = f"The application has {privilege} on {name}, which no policy is asked about."
            raise Leaked(said, f'revoke {privilege.lower()} on {name} from "{stage.subject.role}";')

    return run


def _doctor(*rules: str) -> Callable[[Stage, Any], None]:
    """What the doctor finds by these rules."""

    def run(stage: Stage, _: Any) -> None:
        found = [each for each in stage.findings() if each.rule in rules]
        if found:
            more = f" And {len(found) - 1} more: holdfast doctor." if len(found) > 1 else ""
            raise Leaked(found[0].sentence + more, found[0].mend)

    return run


def _old_server(stage: Stage, _: Any) -> None:
    found = [each for each in stage.findings() if each.rule == "server-version"]
    if found:
        raise DoesNotApplyError(f"This test server is an old one, and yours should not be: {found[0].sentence}")


def role_is_not_left(stage: Stage, _: Any) -> None:
    with stage.application(stage.a):
        stage.connection.exec_driver_sql("reset role")
        [(role,)] = stage.rows("select current_user")
        if role != stage.subject.role:
            raise Leaked(f"RESET ROLE made {role} of the application.", "-- log in as the application itself")
    _doctor("works-across-tenants", "journal-owner")(stage, _)


_BYPASS = "superuser bypasses-row-security server-files"
_OPEN = "default-privileges tenant-undeclared refers-to-tenants"
_POLICIES = "permissive-policy policy-missing policy-altered not-as-declared"
_FOUND: tuple[tuple[int, str, str, str], ...] = (
    (1, "application-owns", "The application owns a table.", "owner row-security-off row-security-not-forced"),
    (2, "bypass", "The application can become a role that row security does not hold for.", _BYPASS),
    (3, "definer-view", "A view reads with its owner's rights.", "definer-view"),
    (6, "definer-function", "A function reads with its owner's rights.", "definer-function"),
    (7, "materialized-view", "A materialized view has no row security.", "materialized-view"),
    (10, "open-by-default", "A new table is open before anything protects it.", _OPEN),
    (11, "permissive-policy", "A policy that is added opens the table.", _POLICIES),
    (25, "nullable-tenant", "A row without a tenant is seen by who has none.", "tenant-nullable"),
    (31, "role-setting", "A setting of the role gives every session a tenant.", "setting"),
    (32, "immutable-getter", "A function that reads a setting is kept in plans.", "immutable-getter"),
    (45, "publication", "Logical replication sends all tenants' rows.", "published"),
)

PROBES = (
    Probe(18, "references", "A table of one's own refers, and its errors tell.", _privilege("REFERENCES")),
    Probe(19, "truncate", "TRUNCATE asks no policy.", _privilege("TRUNCATE")),
    Probe(20, "trigger", "A trigger of one's own sees every row.", _privilege("TRIGGER")),
    *(Probe(number, name, why, _doctor(*rules.split()), each_table=False) for number, name, why, rules in _FOUND),
    Probe(33, "server-version", "Old servers mix up the plans of two roles.", _old_server, each_table=False),
    Probe(35, "reset-role", "RESET ROLE leads to a role that sees more.", role_is_not_left, each_table=False),
)
