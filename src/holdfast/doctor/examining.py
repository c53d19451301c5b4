"""Examines a database: all of it, by who may read the journal; or, when an application starts, what it got itself."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, Engine

from holdfast.database import Database, execute, explained
from holdfast.dialects import dialect_for
from holdfast.dialects.base import Dialect
from holdfast.dialects.doctor import Doctor
from holdfast.doctor.finding import Finding
from holdfast.errors import RolesError, UnsupportedError
from holdfast.granting import given_roles, present_roles
from holdfast.inspector import inspect
from holdfast.status import status


def doctor(database: Database, *, roles: Sequence[str] = ()) -> list[Finding]:
    """All that is wrong with how tenants are kept apart, errors first; nothing is written.

    ``roles`` are those by which the application connects: without them the roles with the duties of application and
    read_only. HF303 where nothing is protected, HF322 for a role that is not there, HF324 where there are no roles.
    """
    examiner = _doctor(database.dialect)
    with database.snapshot() as connection:
        dialect, inventory = inspect(connection, database.dialect)
        inventory.check_journal("holdfast protect")
        judged = tuple(roles) or given_roles(connection, dialect).scoped
        _refuse_missing(connection, dialect, judged)
        found = [Finding(*row) for row in execute(connection, examiner.findings(judged))]
        states = status(dialect, inventory)
    found += [
        Finding(
            "not-as-declared",
            "error",
            each.table,
            f"The {each.object} of {each.table} is {each.state}.",
            "-- holdfast protect",
        )
        for each in states
        if each.policy == "Tenant" and each.state != "current"
    ]
    if not judged:
        found.append(
            Finding(
                "no-application",
                "warning",
                "roles",
                "No role has the duty of the application, so no role was examined.",
                "-- holdfast roles --create, or name it: holdfast doctor --role …",
            )
        )
    return sorted(found, key=lambda each: each.severity)


def check_roles(bind: Engine | Connection) -> list[Finding]:
    """What an application calls once when it starts, by the very engine that it works with; gives the warnings.

    Refuses with HF320 where the role in use gets past row security: a superuser, BYPASSRLS, the owner, and whatever
    else opens a table to it. It takes one round trip and reads what every role may read. With an asynchronous engine:
    ``await connection.run_sync(check_roles)``.
    """
    if isinstance(bind, Engine):
        with bind.connect() as connection:
            return check_roles(connection)
    dialect = dialect_for(bind.dialect.name)
    with explained(dialect):
        found = [Finding(*row) for row in execute(bind, _doctor(dialect).findings_at_start())]
    errors = [each for each in found if each.severity == "error"]
    if errors:
        more = f" And {len(errors) - 1} more." if len(errors) > 1 else ""
        raise RolesError("HF320", f"{errors[0].sentence}{more}", f"{errors[0].mend} See all: holdfast doctor.", found)
    return found


def _doctor(dialect: Dialect) -> Doctor:
    if dialect.doctor is None:
        raise UnsupportedError(
            "HF324",
            f"{dialect.title} has no roles: whoever opens the file reads all of it.",
            "There writes are checked by triggers, and reads by the ORM alone.",
        )
    return dialect.doctor


def _refuse_missing(connection: Connection, dialect: Dialect, roles: Sequence[str]) -> None:
    there = present_roles(connection, dialect)
    for each in roles:
        if each not in there:
            raise UnsupportedError("HF322", f"There is no role {each!r}.", "See the roles with: holdfast roles.")
