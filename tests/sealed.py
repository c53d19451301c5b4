"""A journal of three epochs, what is found in it, and its owner at work."""

from __future__ import annotations

from holdfast.evidence import Digest, Verification, seal, verify
from holdfast.policies import Audit
from tests.harness import Protected

TABLES = """
create table customers (id integer primary key, name text);
create table orders (id integer primary key, status text, total integer)
"""


def sealed(url: str) -> None:
    """Three epochs; a number that a rolled back transaction took lies in the second (on PostgreSQL)."""
    database = Protected(url)
    database.run(*TABLES.strip().split(";\n"))
    database.protect({"customers": [Audit()], "orders": [Audit()]})
    database.write("insert into customers values (1, 'Ada')", actor="ada")
    database.write("insert into orders values (1, 'new', 10), (2, 'new', 20)", actor="bo")
    seal(database.database)
    database.write("update orders set status = 'paid' where id = 1", actor="ada")
    with database.connect() as connection:
        connection.exec_driver_sql("update orders set status = 'lost'")
        connection.rollback()
    database.write("update orders set total = 25 where id = 2", actor="eve")
    seal(database.database)
    database.write("delete from orders where id = 2", actor="eve")
    database.write("update customers set name = 'Bea'", actor="ada")
    seal(database.database)


def kinds(verification: Verification) -> list[str]:
    return sorted({each.kind for each in verification.findings})


def check(url: str, *digests: Digest) -> Verification:
    return verify(Protected(url).database, digests)


MAINTENANCE = "insert into holdfast_context (id, token, maintenance) values (1, 'm', 1)"


def owner(database: Protected, *statements: str) -> None:
    if database.name == "sqlite":
        statements = (MAINTENANCE, *(each.replace("holdfast.", "holdfast_") for each in statements))
        statements = (*statements, "delete from holdfast_context")
    database.run(*statements)
