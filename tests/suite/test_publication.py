"""The journal may be published like any table: its history can still be taken away, and a subscriber follows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from holdfast.dialects.postgresql import partitions
from holdfast.embedded import EmbeddedPostgreSQL
from holdfast.erasure import erase
from holdfast.evidence import seal, verify
from holdfast.holds import hold, release
from holdfast.maintaining import maintain
from holdfast.policies import Audit
from tests.alembic.scripts import until
from tests.harness import Protected
from tests.servers import EXTERNAL, Server, available, dump_and_restore, libpq_url
from tests.suite.test_retention import age

DECLARED = {"people": [Audit(keep="30d")], "orders": [Audit()]}
EVERYTHING = "create publication everything for all tables"


def make(url: str) -> None:
    shop = Protected(url)
    shop.run(
        "create table people (id integer primary key, name text)",
        "create table orders (id integer primary key, total integer)",
        "insert into people values (1, 'Ada'), (2, 'Bo')",
        "insert into orders values (1, 10)",
    )
    shop.protect(DECLARED)
    shop.write("update people set name = 'Eve' where id = 1")
    shop.write("update orders set total = 20")


pytestmark = [pytest.mark.copy_of(build=make), pytest.mark.all_versions]


@pytest.fixture(params=[EVERYTHING, "create publication journal for tables in schema holdfast"], ids=["all", "journal"])
def shop(request: pytest.FixtureRequest, postgresql_database: str) -> Protected:
    shop = Protected(postgresql_database)
    shop.run(request.param)
    return shop


def tables(shop: Protected) -> list[str]:
    """Whatever the journal consists of, each month as well."""
    named = shop.rows(
        "select c.oid::regclass::text from pg_class as c"
        " where c.relnamespace = 'holdfast'::regnamespace and c.relkind in ('r', 'p') order by 1"
    )
    return [name for (name,) in named]


def test_no_table_of_the_journal_refuses_a_delete(shop: Protected) -> None:
    assert {"holdfast.change", "holdfast.change_default", "holdfast.hold"} < set(tables(shop))
    for name in tables(shop):
        shop.run(f"delete from {name} where false")


def test_history_is_purged_table_by_table_and_altogether(shop: Protected) -> None:
    shop.unprotect("orders", purge_history=True)
    assert {each.table for each in shop.log()} == {"people"}
    shop.undo()
    assert shop.rows("select name from people order by id") == [("Ada",), ("Bo",)]
    shop.unprotect(purge_history=True)
    assert shop.rows("select to_regnamespace('holdfast')") == [(None,)]


def test_what_is_too_old_is_thinned_out(shop: Protected) -> None:
    old = shop.write("update people set name = 'Old' where id = 2")
    age(shop, {old: 40})
    held = shop.write("update people set name = 'Held' where id = 1")
    age(shop, {held: 40})
    hold(shop.database, "people", 1, reason="a case")

    [removed] = maintain(shop.database).removed

    assert (removed.whole, removed.changes) == (False, {"people": 1})
    assert held in {each.transaction for each in shop.log()}
    release(shop.database, "people", 1)
    assert maintain(shop.database).changes == 1


def test_a_month_that_is_made_later_takes_its_rows_and_gives_them_away(shop: Protected) -> None:
    shop.run(
        "insert into holdfast.change (xid, at, relation, operation, key)"
        " select xid, at + interval '1000 days', relation, operation, key from holdfast.change"
    )
    assert len(shop.log()) == 4

    [month] = maintain(shop.database).partitions

    assert shop.rows(f"select count(*) from only holdfast.change_{month}") == [(2,)]
    shop.unprotect("orders", purge_history=True)
    assert shop.rows(f"select count(*) from only holdfast.change_{month}") == [(1,)]


def test_a_person_is_erased_and_the_seals_still_hold(shop: Protected) -> None:
    first = seal(shop.database)

    erase(shop.database, "people", 1, reason="asked to")

    assert "Eve" not in str(shop.log())
    second = seal(shop.database)
    assert verify(shop.database, (first, second)).findings == ()


def test_a_journal_that_was_made_without_it_is_outdated_until_protect_has_run(
    elsewhere: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as former:
        former.setattr(partitions, "IDENTITY", "select 1")
        make(elsewhere)
    shop = Protected(elsewhere)
    shop.run(EVERYTHING)
    assert [(each.table, each.object, each.state) for each in shop.drift()] == [
        ("journal", "schema holdfast", "outdated")
    ]

    shop.protect({})

    assert shop.drift() == []
    assert shop.plan({}).empty
    shop.unprotect("orders", purge_history=True)
    assert {each.table for each in shop.log()} == {"people"}


def test_a_copy_from_a_dump_can_forget_as_well(shop: Protected, elsewhere: str) -> None:
    dump_and_restore(shop.url, elsewhere)
    copy = Protected(elsewhere)
    copy.run("alter table people add column note text")
    copy.unprotect("orders", purge_history=True)
    assert {each.table for each in copy.log()} == {"people"}


# ---------------------------------------------------------------------- a subscriber


@pytest.fixture
def pair(postgresql: Server) -> Iterator[tuple[Protected, Protected]]:
    """A publisher and a subscriber that has the same tables, journal and triggers: on a server that may be either."""
    if EXTERNAL:
        pytest.skip("a server that publishes (HOLDFAST_TEST_POSTGRESQL may be one that does not)")
    binaries = available()[postgresql.version]
    settings = {"autovacuum": "off", "wal_level": "logical"}
    with EmbeddedPostgreSQL(postgresql.version, binaries=binaries, settings=settings) as embedded:
        server = Server(postgresql.version, embedded.url())
        for name in ("publisher", "subscriber"):
            server.execute(f"create database {name} template template0")
        source, target = server.url("publisher"), server.url("subscriber")
        make(source)
        dump_and_restore(source, target, "--schema-only")
        publisher, subscriber = Protected(source, kept=False), Protected(target, kept=False)
        publisher.run(f"{EVERYTHING} with (publish_via_partition_root = true)")
        # On one server CREATE SUBSCRIPTION would wait for itself if it made the slot.
        publisher.rows("select pg_create_logical_replication_slot('follower', 'pgoutput')")
        server.execute(
            f"create subscription follower connection '{libpq_url(source)}' publication everything"
            " with (create_slot = false, slot_name = 'follower')",
            "subscriber",
        )
        yield publisher, subscriber


def test_a_subscriber_has_the_same_history_and_records_nothing_itself(pair: tuple[Protected, Protected]) -> None:
    publisher, subscriber = pair

    def follows() -> bool:
        return all(
            publisher.checksum(name) == subscriber.checksum(name)
            for name in ("people", "orders", "holdfast.change", "holdfast.transaction", "holdfast.stand_in")
        )

    until(follows)
    publisher.run("insert into people values (3, 'Cy')")
    until(follows)
    erase(publisher.database, "people", 1, reason="asked to")
    until(follows)
    assert "Eve" not in str(subscriber.rows("select c.after from holdfast.change as c"))
    # A month that the subscriber does not have: what is recorded in it goes to the default partition there.
    [*_, month] = maintain(publisher.database, months_ahead=14).partitions
    publisher.run(
        "insert into holdfast.change (xid, at, relation, operation, key)"
        f" select xid, '{month[:4]}-{month[4:]}-02', relation, operation, key from holdfast.change limit 1"
    )
    until(follows)
    publisher.unprotect("orders", purge_history=True)
    until(follows)
    assert subscriber.rows("select count(*) from holdfast.change as c where c.relation = 2") == [(0,)]
