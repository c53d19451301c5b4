"""The journal: one transaction row for each transaction, what stands in it, what never does, and who can forge it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from holdfast.errors import GuardError, ProtectedError, UnsupportedError
from holdfast.policies import Audit, Guard
from tests.harness import Prepared, Protected, journal
from tests.paths import ITEMS
from tests.servers import Server, libpq_url


def items_in(form: Any) -> pytest.MarkDecorator:
    """The database has the table already, recorded in that form."""
    return pytest.mark.copy_of(build=Prepared(tuple(ITEMS), (("item", (Audit(form=form),)),)))


pytestmark = items_in("statement")
FORMS = pytest.mark.parametrize("form", ["statement", pytest.param("row", marks=items_in("row"))])


@pytest.fixture
def role(postgresql: Server) -> Iterator[str]:
    """A role that may log in; gone when the databases are that it was in."""
    name = f"writer_{uuid.uuid4().hex[:8]}"
    postgresql.execute(f"create role {name} login password 'secret'")
    yield name
    postgresql.execute(f"drop role {name}")


@pytest.fixture
def items(postgresql_database: str) -> Protected:
    return Protected(postgresql_database)


def as_role(protected: Protected, role: str) -> Protected:
    return Protected(
        sa.make_url(protected.url).set(username=role, password="secret").render_as_string(hide_password=False)
    )


def transactions(protected: Protected) -> list[Any]:
    return protected.rows("select actor, tenant, reason, context from holdfast.transaction order by id")


# ---------------------------------------------------------------------- transactions and their context


@FORMS
def test_two_tables_in_one_transaction_share_it(items: Protected, form: Any) -> None:
    items.run("create table other (id text primary key)")
    items.protect({"item": [Audit(form=form)], "other": [Audit(form=form)]})
    items.run("update item set price = 1", "insert into other values ('a'), ('b')", "delete from item where id = 1")
    items.run("delete from other")
    [(first, last)] = items.rows("select min(id), max(id) from holdfast.transaction")
    assert [each.transaction for each in items.log()] == [str(first)] * 6 + [str(last)] * 2
    assert len(transactions(items)) == 2


@FORMS
def test_what_changes_nothing_is_no_transaction(items: Protected, form: Any) -> None:
    items.run(
        "select * from item",
        "update item set name = name",
        "update item set name = 'x' where false",
        "delete from item where false",
        "insert into item values (1, 'x', 1) on conflict do nothing",
    )
    items.run("savepoint s", "delete from item", "rollback to s")
    assert transactions(items) == []
    assert items.rows("select count(*) from holdfast.change") == [(0,)]


@FORMS
def test_a_transaction_that_is_first_recorded_in_a_savepoint(items: Protected, form: Any) -> None:
    """Its record goes back with the savepoint, and is written again with the next change."""
    items.run(
        "select holdfast.set_context('ada')",
        "savepoint s",
        "delete from item where id = 1",
        "rollback to s",
        "delete from item where id = 2",
        "savepoint t",
        "delete from item where id = 3",
        "release t",
    )
    assert transactions(items) == [("ada", None, None, None)]
    assert [(each.key, each.actor) for each in items.log()] == [(2, "ada"), (3, "ada")]


def test_the_context_lands_in_the_transaction_and_ends_with_it(items: Protected) -> None:
    with psycopg.connect(libpq_url(items.url), application_name="the shop") as connection:
        connection.execute(
            "select holdfast.set_context('ada', 'acme', 'it''s \"over\" \\ 100%', '{\"request\": {\"id\": 1}}')"
        )
        connection.execute("update item set price = 1 where id = 1")
        connection.commit()
        connection.execute("update item set price = 2 where id = 1")
        connection.commit()
        connection.execute("select holdfast.set_context(reason => 'only that')")
        connection.execute("update item set price = 3 where id = 1")
    assert transactions(items) == [
        ("ada", "acme", 'it\'s "over" \\ 100%', {"request": {"id": 1}}),
        (None, None, None, None),
        (None, None, "only that", None),
    ]
    [(user, application)] = items.rows("select distinct session_user_name, application_name from holdfast.transaction")
    assert (user, application) == (sa.make_url(items.url).username, "the shop")
    assert [each.reason for each in items.log(actor="ada")] == ['it\'s "over" \\ 100%']


def test_a_context_set_in_a_savepoint_goes_back_with_it(items: Protected) -> None:
    items.run(
        "select holdfast.set_context('ada')",
        "savepoint s",
        "select holdfast.set_context('eve')",
        "rollback to s",
        "delete from item",
    )
    assert transactions(items) == [("ada", None, None, None)]


def test_what_the_server_knows_itself_stands_beside_the_claim(role: str, items: Protected) -> None:
    items.run(f"grant select, update on item to {role}")
    as_role(items, role).run("select holdfast.set_context('the owner')", "update item set price = 0 where id = 1")
    assert items.rows("select actor, session_user_name from holdfast.transaction") == [("the owner", role)]


# ---------------------------------------------------------------------- what is in no copy


SECRETS = "create table card (id integer primary key, iban text, pin integer, photo text, note text)"
HIDING = {"exclude": {"iban"}, "mask": {"pin"}, "large": {"photo"}}


@pytest.mark.parametrize("inserts", ["key", "full"])
@FORMS
def test_what_is_hidden_is_in_no_copy(postgresql_database: str, form: Any, inserts: Any) -> None:
    protected = Protected(postgresql_database)
    protected.run(SECRETS)
    protected.protect({"card": [Audit(form=form, inserts=inserts, **HIDING)]})
    protected.run(
        "insert into card values (1, 'S3CRET', 47114711, 'B1GPHOTO', 'a'), (2, 'S3CRET', 47114711, 'B1GPHOTO', 'b'),"
        " (3, 'S3CRET', 47114711, 'B1GPHOTO', 'c')",
        "insert into card values (9, 'S3CRET', 47114711, 'B1GPHOTO', 'd')",
    )
    protected.run("update card set iban = 'S3CRET2', pin = 47124712, photo = 'B1GPHOTO2' where id = 1")
    protected.run("update card set iban = 'S3CRET2', pin = pin + 1, photo = photo || '2', note = 'x'")
    protected.run("update card set id = 4, pin = 47994799 where id = 3")
    protected.run("delete from card where id = 1")
    protected.run("delete from card where id = 9 or id = 2")
    protected.run("truncate card")
    kept = repr(protected.rows("select c::text from holdfast.change as c"))
    assert "note" not in kept
    for secret in ("S3CRET", "47114711", "47124712", "47134713", "47994799", "B1GPHOTO"):
        assert secret not in kept
    shown = repr(protected.log()) + repr(protected.rows("select t::text from holdfast.timeline as t"))
    for secret in ("S3CRET", "47114711", "47124712", "47134713", "47994799", "B1GPHOTO"):
        assert secret not in shown
    changed = next(each for each in protected.log() if each.operation == "update")
    assert changed.before is not None
    assert set(changed.before) == {"pin", "photo"}
    assert changed.before["pin"] == "***"
    assert changed.before["photo"].startswith("sha256:")


@FORMS
def test_a_change_of_excluded_columns_alone_is_none(postgresql_database: str, form: Any) -> None:
    protected = Protected(postgresql_database)
    protected.run(SECRETS, "insert into card values (1, 'a', 1, 'b', 'c'), (2, 'a', 1, 'b', 'c')")
    protected.protect({"card": [Audit(form=form, **HIDING)]})
    protected.run("update card set iban = 'x' where id = 1", "update card set iban = 'y'")
    assert protected.log() == []


# ---------------------------------------------------------------------- who writes, and who does not


@pytest.mark.parametrize("secured", [False, True], ids=["", "row security"])
@FORMS
def test_a_role_with_rights_on_the_table_alone(role: str, items: Protected, form: Any, secured: bool) -> None:
    if secured:
        items.run(
            "alter table item enable row level security",
            f"create policy own on item to {role} using (id <> 3) with check (true)",
        )
        items.protect({"item": [Audit(form=form)]})
    # SELECT is what PostgreSQL asks for to read the columns of a WHERE.
    items.run(f"grant select, insert, update, delete, truncate on item to {role}")
    writer = as_role(items, role)
    writer.run("insert into item values (7, 'x', 1)", "insert into item values (8, 'x', 1), (10, 'y', 2)")
    writer.run("update item set price = 5 where id = 1")
    writer.run("update item set price = 6")
    writer.run("delete from item where id = 2")
    writer.run("truncate item")
    counted: dict[str, int] = {}
    for each in items.log():
        counted[each.operation] = counted.get(each.operation, 0) + 1
    seen = 5 if secured else 6
    # A TRUNCATE takes every row away, hidden or not, and so does the journal record every one.
    assert counted == {"insert": 3, "update": 1 + seen, "delete": 1, "truncate": 5}
    assert items.rows("select distinct session_user_name from holdfast.transaction") == [(role,)]
    items.undo()
    assert items.rows("select count(*) from item") == [(5,)]


def test_row_security_that_came_later_stops_a_truncate_rather_than_the_record(role: str, items: Protected) -> None:
    items.run(
        "alter table item enable row level security",
        f"create policy own on item to {role} using (true)",
        f"grant truncate on item to {role}",
    )
    with pytest.raises(Exception, match="row-level security"):
        as_role(items, role).run("truncate item")
    assert {each.state for each in items.drift()} == {"outdated"}
    items.protect({"item": [Audit()]})
    assert items.drift() == []
    as_role(items, role).run("truncate item")
    assert [each.key for each in items.log()] == [1, 2, 3]


@pytest.mark.parametrize("flag", ["", "0", "someone"])
@FORMS
def test_forging_the_flag_leaves_a_change_without_its_transaction(items: Protected, form: Any, flag: str) -> None:
    """It is listed all the same, by the number that the server gave, and can be taken back."""
    before = items.checksum("item")
    forged = "pg_current_xact_id()::text" if not flag else f"'{flag}'"
    items.run(f"select set_config('holdfast.xid', {forged}, false)", "update item set price = 99")
    found = {each.transaction for each in items.log()}
    if flag:
        assert len(transactions(items)) == 1
    else:
        assert transactions(items) == []
        assert all(name.startswith("x") and name[1:].isdigit() for name in found)
    [name] = found
    items.undo(name)
    assert items.checksum("item") == before
    assert items.log()[-1].reason == f"undo of transaction {name}"


def test_a_flag_forged_for_a_session_does_not_hide_the_next_transaction(items: Protected) -> None:
    with items.connect() as connection:
        connection.exec_driver_sql("select set_config('holdfast.xid', pg_current_xact_id()::text, false)")
        connection.exec_driver_sql("update item set price = 98")
        connection.commit()
        connection.exec_driver_sql("update item set price = 99")
        connection.commit()
    assert len(transactions(items)) == 1
    assert [each.transaction[0] == "x" for each in items.log()] == [True] * 3 + [False] * 3


def test_a_context_that_is_no_json_stops_no_record(items: Protected) -> None:
    """The setting is anybody's to write; what cannot be read must not be the end of recording, nor pass unseen."""
    with pytest.raises(Exception, match="json"):
        items.run("set local holdfast.context = 'not json'", "update item set price = 1")
    assert items.rows("select count(*) from item where price = 1") == [(0,)]


# ---------------------------------------------------------------------- truncate, by declaration


@FORMS
def test_truncate_is_refused_or_recorded_as_declared(items: Protected, form: Any) -> None:
    items.run(
        "create table child (id integer primary key, item_id integer references item)",
        "insert into child values (1, 1)",
    )
    items.protect({"item": [Audit(form=form), Guard()], "child": [Audit(form=form), Guard(truncate=True)]})
    with pytest.raises(GuardError, match="HF205"):
        items.run("truncate item cascade")
    items.run("truncate child")
    items.run("set local holdfast.allow = 'truncate'", "truncate item cascade")
    assert [(each.table, each.operation, each.key) for each in items.log()] == [
        ("child", "truncate", 1),
        ("item", "truncate", 1),
        ("item", "truncate", 2),
        ("item", "truncate", 3),
    ]


EVENTS = (
    "create table event (id integer primary key, what text) partition by range (id)",
    "create table event_1 partition of event for values from (0) to (10)",
    "create table event_2 partition of event for values from (10) to (30) partition by range (id)",
    "create table event_21 partition of event_2 for values from (10) to (20)",
)


@pytest.mark.parametrize(
    ("added", "key", "truncated"),
    [
        ("create table event_3 partition of event for values from (30) to (40)", 31, "event"),
        ("create table event_3 partition of event_2 for values from (20) to (30)", 21, "event"),
        ("create table event_3 partition of event_2 for values from (20) to (30)", 21, "event_2"),
    ],
)
def test_truncate_is_refused_while_it_reaches_a_partition_that_would_not_record_it(
    items: Protected, added: str, key: int, truncated: str
) -> None:
    items.run(*EVENTS)
    items.protect({"event": [Audit()]})
    # Whoever makes a partition may empty the others.
    items.run("insert into event values (1, 'a'), (11, 'b')", added, "truncate event_1", "truncate event_21")
    items.run("insert into event values (1, 'a'), (11, 'b')", f"insert into event_3 values ({key}, 'c')")
    held = items.rows("select * from event order by id")
    with pytest.raises(ProtectedError, match=r"HF201: .*unrecorded: of public\.event_3\b") as refused:
        items.run(f"truncate {truncated}")
    assert "holdfast protect" in refused.value.hint
    assert items.rows("select * from event order by id") == held
    items.protect({"event": [Audit()]})
    assert items.drift() == []
    items.run(f"truncate {truncated}")
    items.undo()
    assert items.rows("select * from event order by id") == held


def test_truncate_is_refused_while_it_reaches_what_inherits_and_would_not_record_it(items: Protected) -> None:
    items.run("create table special (extra text, primary key (id)) inherits (item)", "insert into special values (9)")
    held = items.rows("select * from item order by id")
    with pytest.raises(ProtectedError, match=r"HF201: .*unrecorded: of public\.special\b") as refused:
        items.run("truncate item")
    assert "TRUNCATE ONLY public.item" in refused.value.hint
    items.run("truncate only item")
    assert items.rows("select id from item") == [(9,)]
    items.undo()
    items.protect({"item": [Audit()], "special": [Audit()]})
    items.run("truncate item")
    assert items.rows("select id from item") == []
    items.undo()
    assert items.rows("select * from item order by id") == held


@FORMS
def test_copy_is_recorded(items: Protected, form: Any) -> None:
    with psycopg.connect(libpq_url(items.url)) as connection:
        with connection.cursor().copy("copy item from stdin") as copy:
            for number in range(100, 5_100):
                if number % 1_000:
                    copy.write_row((number, f"name {number}", None))
    assert items.rows("select count(*) from holdfast.timeline where operation = 'insert'") == [(4_995,)]
    if form == "statement":
        # Keys in a row are one entry, in each block of 1024 keys.
        assert items.rows("select count(*) from holdfast.change") == [(6 + 4,)]
    keys = items.rows("select (key #>> '{}')::int from holdfast.timeline order by 1")
    assert [key for (key,) in keys] == [each for each in range(100, 5_100) if each % 1_000]
    assert items.log(key="1001")[0].after == {"id": 1001, "name": "name 1001", "price": None}
    items.undo()
    assert items.rows("select count(*) from item") == [(3,)]


@pytest.mark.copy_of(build=journal)
def test_a_plan_kept_for_single_rows_is_not_used_for_many(postgresql_database: str) -> None:
    """Joining the rows before and after one by one would be 400 million comparisons: far beyond this limit."""
    protected = Protected(postgresql_database)
    protected.run(
        "create table item (id integer primary key, name text)",
        "insert into item select n, 'x' from generate_series(1, 20000) as n",
    )
    protected.protect({"item": [Audit()]})
    with psycopg.connect(libpq_url(protected.url)) as connection:
        connection.execute("set statement_timeout = '5s'")
        for number in range(1, 11):
            connection.execute("update item set name = name || 'y' where id = %s", (number,))
            connection.execute("update item set name = name || 'z' where id in (%s, %s)", (number, number + 1))
            connection.execute("delete from item where id = %s", (number,))
            connection.execute("insert into item values (%s, 'x')", (number,))
            connection.commit()
        connection.execute("update item set name = 'z'")
        connection.execute("update item set id = id + 100000")
        connection.execute("delete from item")
    assert protected.rows("select count(*) from holdfast.change where operation = 'D'") == [(20_010,)]


JOURNAL_IS_OUT_OF_REACH = (
    "select * from holdfast.change",
    "insert into holdfast.change (xid, at, relation, operation) values ('1', now(), 1, 'D')",
    "update holdfast.change set before = null",
    "delete from holdfast.transaction",
    "truncate holdfast.change",
    "drop table holdfast.change",
    "drop table holdfast.change_default",
    "drop schema holdfast cascade",
    "drop function holdfast.record_update_1() cascade",
    "alter table holdfast.change add column mine text",
    "select holdfast.record_transaction()",
    "select holdfast.mark('', '', '', '', '', '')",
)


@pytest.mark.parametrize("statement", JOURNAL_IS_OUT_OF_REACH)
def test_a_writer_cannot_touch_the_journal(role: str, items: Protected, statement: str) -> None:
    items.run(f"grant select, insert, update, delete, truncate on item to {role}")
    writer = as_role(items, role)
    writer.run("update item set price = 1 where id = 1")
    with pytest.raises(UnsupportedError, match="HF404"):
        writer.run(statement)
    assert [each.key for each in items.log()] == [1]
