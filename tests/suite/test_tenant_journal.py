"""What a tenant's application sees of the journal: the changes of its own rows, and nothing of others."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

import holdfast
import holdfast.sqlalchemy as hs
from holdfast.database import execute
from holdfast.errors import HistoryError
from holdfast.policies import Audit
from tests.harness import Protected
from tests.suite.test_soft_delete import made
from tests.suite.test_tenant import ROWS, SHOP, TABLES, TENANT, Login, login

ORDERS = sa.table("orders", sa.column("id"), sa.column("status"))


def build(url: str) -> None:
    made(url, *SHOP, *ROWS, protect={table: [TENANT, Audit()] for table in TABLES})


pytestmark = pytest.mark.copy_of(build=build)


@pytest.fixture
def app(postgresql_database: str) -> Iterator[tuple[Protected, Login]]:
    """Both shops have changed their orders; then somebody changed all of them, for nobody in particular."""
    shop = Protected(postgresql_database)
    with login(shop) as app:
        shop.run(f"insert into holdfast.role values ('application', '{app.database.url.username}')")
        shop.protect({table: [TENANT] for table in TABLES})
        assert shop.drift() == []
        for tenant, actor in ((1, "ada"), (2, "bo")):
            with app.database.begin() as connection:
                execute(connection, f"select holdfast.set_context('{actor}', '{tenant}', 'as usual')")
                execute(connection, "update orders set status = 'sent'")
                execute(connection, f"insert into orders (id, status) values ({tenant}00, 'new')")
        shop.write("update orders set status = 'late'", actor="operator")
        yield shop, app
        shop.run("delete from holdfast.role")
        shop.protect({table: [TENANT] for table in TABLES})


def test_the_journal_shows_a_tenant_its_own(app: tuple[Protected, Login]) -> None:
    _, login = app
    query = "select key, tenant, operation from holdfast.change order by id"
    assert login.run(query, tenant=2) == [[("20", "2", "U"), ("200", "2", "I"), ("20", "2", "U"), ("200", "2", "U")]]
    assert login.run(query) == [[]]
    assert {row[1] for row in login.run(query, tenant=1)[0]} == {"1"}
    [actors] = login.run("select distinct actor from holdfast.transaction", tenant=2)
    assert actors == [("bo",)]


def test_the_tenants_timeline_tells_who_acted_for_it(app: tuple[Protected, Login]) -> None:
    _, login = app
    [rows] = login.run("select key::text, operation, actor, reason from holdfast.tenant_timeline order by id", tenant=2)
    assert rows == [
        ("20", "update", "bo", "as usual"),
        ("200", "insert", "bo", "as usual"),
        ("20", "update", None, None),
        ("200", "update", None, None),
    ]
    assert login.run("select * from holdfast.tenant_timeline") == [[]]


ATTACKS = (
    "select * from holdfast.timeline",
    "select * from holdfast.intervention",
    "select * from holdfast.original",
    "select * from holdfast.change_default",
    "insert into holdfast.change (xid, at, relation, operation) values (pg_current_xact_id(), now(), 1, 'U')",
    "update holdfast.change set tenant = '1'",
    "delete from holdfast.change",
    "truncate holdfast.change",
    "create policy p on holdfast.change using (true)",
)


def test_there_is_no_way_around(app: tuple[Protected, Login]) -> None:
    _, login = app
    for attack in ATTACKS:
        with pytest.raises(holdfast.UnsupportedError):
            login.run(attack, tenant=1)


def test_versions_of_a_row_through_the_application(app: tuple[Protected, Login]) -> None:
    shop, login = app
    engine = sa.create_engine(login.database.url)
    hs.bind(engine)
    table = sa.Table("orders", sa.MetaData(), autoload_with=engine)
    mapped = sa.orm.registry().map_imperatively(type("Order", (), {}), table)
    with holdfast.context(tenant=2), hs.Session(engine) as session:
        found = hs.versions(session, mapped.class_, 20)
        assert [each.values["status"] for each in found] == ["new", "sent", "late"]
        assert [each.actor for each in found][1:] == ["bo", None]
        assert hs.versions(session, mapped.class_, 200)
    engine.dispose()
    assert shop.drift() == []


def test_a_past_from_a_part_of_the_journal_is_refused(app: tuple[Protected, Login]) -> None:
    _, login = app
    engine = sa.create_engine(login.database.url)
    hs.bind(engine)
    metadata = sa.MetaData()
    sa.Table("orders", metadata, autoload_with=engine)
    with pytest.raises(HistoryError), hs.as_of(engine, metadata, at=datetime.now(UTC)):
        pass
    with pytest.raises(HistoryError):
        login.run("select * from holdfast.as_of(null::orders, clock_timestamp())", tenant=1)
    engine.dispose()


def test_a_change_by_others_is_seen_as_drift(app: tuple[Protected, Login]) -> None:
    shop, _ = app
    for change in (
        "alter table holdfast.change disable row level security",
        "drop policy holdfast_tenant on holdfast.transaction",
        "alter policy holdfast_tenant on holdfast.change using (true)",
    ):
        shop.run(change)
        assert shop.drift() != []
        shop.protect({"orders": [TENANT]})
        assert shop.drift() == []
