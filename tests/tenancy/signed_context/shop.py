"""A shop whose contexts are signed, and what its tests ask of a connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import sqlalchemy as sa

import holdfast
import holdfast.signing
import holdfast.sqlalchemy
from holdfast.database import Database
from holdfast.policies import Audit, Tenant
from holdfast.signing import SigningKey
from holdfast.signing_keys import create_key, turn_on
from tests.suite.test_soft_delete import made

SECRET = "a secret of more than thirty-two bytes"
KEY = SigningKey("web-1", SECRET)
SHOP = (
    "create table orders (id bigint generated always as identity primary key, shop_id int not null, status text)",
    "create table rooms (id int primary key, name text)",
    "insert into orders (shop_id, status) values (1, 'of one'), (2, 'of two')",
)


def build(url: str) -> None:
    """A shop with a key, that asks for no signature yet."""
    made(url, *SHOP, protect={"orders": [Tenant("shop_id"), Audit()], "rooms": [Audit()]})
    create_key(Database(url), "web-1", SECRET)


def build_signed(url: str) -> None:
    """The same, which asks for signatures."""
    build(url)
    turn_on(Database(url))


def statuses(engine: sa.Engine, **context: Any) -> list[str]:
    with holdfast.context(**context), engine.begin() as connection:
        return list(connection.execute(sa.text("select status from orders order by id")).scalars())


def home(connection: psycopg.Connection) -> tuple[list[str], float]:
    """What the database is called in a signed context, and its clock."""
    row = connection.execute(
        "select array[system_identifier || '/' || current_database(),"
        " extract(epoch from pg_postmaster_start_time()) || '/' || current_database()],"
        " extract(epoch from now())::float8 from pg_control_system()"
    ).fetchone()
    assert row is not None
    return row[0], row[1]


def code(work: Callable[[], Any]) -> str | None:
    try:
        work()
    except psycopg.Error as error:
        return error.sqlstate
    return None


def both(connection: psycopg.Connection, first: str, second: str) -> None:
    """In one transaction."""
    with connection.transaction():
        connection.execute(first.encode())
        connection.execute(second.encode())
