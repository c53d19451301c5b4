"""A shop: customers, their orders, the lines and the payments of each. The same rows every time."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Column, Date, Engine, ForeignKey, Integer, MetaData, Numeric, Table, Text, insert

CUSTOMERS, ORDERS, PENDING = 600, 2_400, 23

_METADATA = MetaData()
customers = Table(
    "customers",
    _METADATA,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("email", Text, nullable=False, unique=True),
    Column("city", Text, nullable=False),
)
orders = Table(
    "orders",
    _METADATA,
    Column("id", Integer, primary_key=True),
    Column("customer_id", ForeignKey("customers.id"), nullable=False, index=True),
    Column("placed_on", Date, nullable=False),
    Column("status", Text, nullable=False),
    Column("total", Numeric(10, 2), nullable=False),
)
order_lines = Table(
    "order_lines",
    _METADATA,
    Column("order_id", ForeignKey("orders.id", ondelete="CASCADE"), primary_key=True),
    Column("line", Integer, primary_key=True),
    Column("article", Text, nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("price", Numeric(10, 2), nullable=False),
)
payments = Table(
    "payments",
    _METADATA,
    Column("id", Integer, primary_key=True),
    Column("order_id", ForeignKey("orders.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("paid_on", Date, nullable=False),
    Column("method", Text, nullable=False),
    Column("amount", Numeric(10, 2), nullable=False),
)
TABLES = tuple(_METADATA.sorted_tables)

_FIRST = ("Ada", "Amir", "Bea", "Chen", "Dana", "Emil", "Fatma", "Goran", "Hana", "Ines", "Jonas", "Kofi", "Lea")
_LAST = ("Ahmed", "Bauer", "Costa", "Diaz", "Evans", "Fischer", "Garcia", "Haddad", "Ito", "Jensen", "Kaya", "Li")
_CITIES = ("Bern", "Bilbao", "Ghent", "Graz", "Leeds", "Lyon", "Malmö", "Porto", "Riga", "Turin")
_ARTICLES = (("kettle", "39.90"), ("lamp", "54.00"), ("notebook", "4.75"), ("rope", "18.20"), ("tent", "249.00"))
_FIRST_DAY = date(2026, 1, 2)


def fill(engine: Engine) -> None:
    """Makes the tables and their rows."""
    chance = random.Random("holdfast")
    people = list(_people(chance))
    pending = set(chance.sample(range(1, ORDERS + 1), PENDING))
    sold: list[dict[str, Any]] = []
    lines: list[dict[str, Any]] = []
    paid: list[dict[str, Any]] = []
    for number in range(1, ORDERS + 1):
        of_order = list(_lines(chance, number))
        lines += of_order
        status = "pending" if number in pending else chance.choice(("paid", "shipped", "shipped", "delivered"))
        total = sum((line["quantity"] * line["price"] for line in of_order), Decimal())
        day = _FIRST_DAY + timedelta(days=number // 8)
        sold.append(
            {
                "id": number,
                "customer_id": chance.randint(1, CUSTOMERS),
                "placed_on": day,
                "status": status,
                "total": total,
            }
        )
        # A pending order has its deposit paid, or nothing yet.
        if status != "pending" or chance.random() < 0.5:
            amount = total if status != "pending" else (total / 4).quantize(Decimal("0.01"))
            method = chance.choice(("card", "transfer", "invoice"))
            paid.append({"id": len(paid) + 1, "order_id": number, "paid_on": day, "method": method, "amount": amount})
    with engine.begin() as connection:
        _METADATA.create_all(connection)
        for table, rows in ((customers, people), (orders, sold), (order_lines, lines), (payments, paid)):
            connection.execute(insert(table), rows)


def checksums(engine: Engine) -> dict[str, tuple[int, str]]:
    """The number of rows and the checksum of all values of every table."""
    found = {}
    with engine.connect() as connection:
        for table in TABLES:
            rows = sorted(repr(tuple(row)) for row in connection.exec_driver_sql(f"select * from {table.name}"))
            found[table.name] = len(rows), hashlib.sha256("\n".join(rows).encode()).hexdigest()[:16]
    return found


def _people(chance: random.Random) -> Iterator[dict[str, Any]]:
    for number in range(1, CUSTOMERS + 1):
        first, last = chance.choice(_FIRST), chance.choice(_LAST)
        yield {
            "id": number,
            "name": f"{first} {last}",
            "email": f"{first}.{last}.{number}@example.com".lower(),
            "city": chance.choice(_CITIES),
        }


def _lines(chance: random.Random, order: int) -> Iterator[dict[str, Any]]:
    for line, (article, price) in enumerate(chance.sample(_ARTICLES, chance.randint(1, 4)), 1):
        quantity = chance.randint(1, 3)
        yield {"order_id": order, "line": line, "article": article, "quantity": quantity, "price": Decimal(price)}
