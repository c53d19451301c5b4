"""The keys that a database takes signatures of, and whether it asks for them."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from holdfast.context import current
from holdfast.database import Database, execute
from holdfast.dialects.base import Dialect
from holdfast.errors import UnsupportedError
from holdfast.inspector import inspect
from holdfast.install import apply
from holdfast.inventory import Inventory
from holdfast.plan import Plan, plan_protect
from holdfast.signing import SHORTEST, blocks, check_id, signing_of, too_short
from holdfast.steps import Step


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """A key by its name; what it is, nothing tells."""

    id: str
    created: datetime
    retired: datetime | None

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "created": self.created.isoformat(),
            "retired": self.retired.isoformat() if self.retired else None,
        }


def asks_for_signatures(inventory: Inventory) -> bool:
    """Whether a context counts only with a signature."""
    return bool(inventory.state.get("signed"))


def plan_signing(dialect: Dialect, inventory: Inventory, *, on: bool) -> Plan:
    """The plan after which a tenant counts only with a signature, or without one again; all that is protected follows.

    Raises HF476 where signatures cannot be asked for or would prove nothing, HF303 where nothing is protected.
    """
    signing = signing_of(dialect)
    inventory.check_journal("holdfast protect")
    if on and inventory.state.get("distributed"):
        raise UnsupportedError(
            "HF476",
            "The tables are spread over several servers, whose policies can read no keys.",
            "Signed contexts are for one PostgreSQL server and its replicas.",
        )
    if not on and not asks_for_signatures(inventory):
        return Plan((), (), inventory)
    plan = plan_protect(signing.turned(on), inventory, {})
    if on:
        return plan
    last = Step("journal", signing.forget(), ("drop function signed_tenant", "drop function signed_context"))
    return replace(plan, steps=(*plan.steps, last))


def check_ready(connection: Connection, dialect: Dialect, inventory: Inventory) -> None:
    """HF477 where there is no key to sign with yet, HF476 where the application itself can read them."""
    if not any(each.retired is None for each in keys(connection, dialect, inventory)):
        raise UnsupportedError(
            "HF477",
            "There is no key, so nobody could sign and no tenant would see a row.",
            "Make one, and give it to the programs first: holdfast sign create ID.",
        )
    readers = [str(row[0]) for row in execute(connection, signing_of(dialect).readers())]
    if readers:
        raise UnsupportedError(
            "HF476",
            f"The role {readers[0]} of the application can read the keys, so a signature would prove nothing.",
            "It must be no superuser, have no BYPASSRLS and not own the journal, nor be a member of such a role.",
        )


def turn_on(database: Database) -> None:
    """From now on a tenant and an actor count only with a signature."""
    with database.snapshot() as connection:
        dialect, inventory = inspect(connection, database.dialect)
        plan = plan_signing(dialect, inventory, on=True)
        check_ready(connection, dialect, inventory)
    apply(database, plan)


def turn_off(database: Database) -> None:
    """From now on a tenant and an actor are believed as they are."""
    with database.snapshot() as connection:
        plan = plan_signing(*inspect(connection, database.dialect), on=False)
    apply(database, plan)


def keys(connection: Connection, dialect: Dialect, inventory: Inventory) -> Sequence[KeyInfo]:
    """Every key of the database, the oldest first; HF303 where nothing is protected."""
    signing = signing_of(dialect)
    inventory.check_journal("holdfast protect")
    if not inventory.state.get("keys"):
        return ()
    return [KeyInfo(*row) for row in execute(connection, signing.keys())]


class _Secret:
    """Text that a traceback does not show."""

    def __init__(self, text: str | bytes) -> None:
        self.text = text.encode() if isinstance(text, str) else bytes(text)


def create_key(database: Database, key_id: str, secret: str | bytes | None = None, *, actor: str | None = None) -> str:
    """Adds a key and gives its secret: a new random one, or the one given, which other databases may have too.

    Raises HF475 for a name or a secret that will not do, HF477 where there is a key of that name.
    """
    made = _Secret(secrets.token_urlsafe(48) if secret is None else secret)
    del secret
    check_id(key_id)
    if len(made.text) < SHORTEST:
        raise too_short()
    _make_table(database)
    with database.begin() as connection:
        signing = signing_of(database.dialect)
        execute(connection, signing.lock_keys())
        # Asked first, for an error of COPY would tell what was copied.
        if any(row[0] == key_id for row in execute(connection, signing.keys())):
            raise UnsupportedError(
                "HF477", f"There is a key {key_id!r} already.", "Give the new one another name; a name is used once."
            )
        driver: Any = connection.connection.driver_connection
        with driver.cursor() as cursor, cursor.copy(signing.copy_key()) as copy:
            copy.write_row((key_id, *blocks(made.text)))
        _record(connection, database.dialect, "created", key_id, actor)
    return made.text.decode()


def _make_table(database: Database) -> None:
    with database.snapshot() as connection:
        dialect, inventory = inspect(connection, database.dialect)
        if inventory.has_journal and inventory.state.get("keys"):
            return
        signing = signing_of(dialect)
        inventory.check_journal("holdfast protect")
        plan = plan_protect(signing.turned(False), inventory, {})
    apply(database, plan)


def retire_key(database: Database, key_id: str, *, actor: str | None = None) -> None:
    """What it signed counts no more, from the next statement on.

    Raises HF477 where there is no such key in use, and for the last one where the database asks for signatures.
    """
    with database.snapshot() as connection:
        dialect, inventory = inspect(connection, database.dialect, objects=False)
        found = keys(connection, dialect, inventory)
    with database.begin() as connection:
        signing = signing_of(dialect)
        in_use: set[str] = set()
        if found:
            execute(connection, signing.lock_keys())
            in_use = {row[0] for row in execute(connection, signing.keys()) if row[2] is None}
        if not found or key_id not in in_use:
            raise UnsupportedError("HF477", f"There is no key {key_id!r} in use.", "See them with: holdfast sign list.")
        if in_use == {key_id} and asks_for_signatures(inventory):
            raise UnsupportedError(
                "HF477",
                f"{key_id!r} is the last key: without it nobody could sign, and no tenant would see a row.",
                "Create another one and give it to the programs first; or turn signing off: holdfast sign off.",
            )
        execute(connection, signing.retire(key_id))
        _record(connection, dialect, "retired", key_id, actor)


def _record(connection: Connection, dialect: Dialect, what: str, key_id: str, actor: str | None) -> None:
    actor = actor or current().get("actor")
    execute(connection, dialect.record_intervention("signing_key", actor, None, {what: key_id}))
