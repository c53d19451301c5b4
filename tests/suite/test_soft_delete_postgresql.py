"""Soft delete on PostgreSQL: MERGE, TRUNCATE, partitions, roles, row security, triggers of one's own, concurrency."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from holdfast.errors import DeclarationError, GuardError, ProtectedError
from holdfast.policies import Audit, Guard, SoftDelete
from tests.harness import Protected, journal
from tests.servers import libpq_url
from tests.suite.test_soft_delete import SOFT, living, made, marks, refused

pytestmark = pytest.mark.copy_of(build=journal)

ROOMS = (
    "create table rooms (id int primary key, name text, deleted_at timestamptz)",
    "insert into rooms select g, 'room', null from generate_series(1, 5) as g",
)


@pytest.fixture
def rooms(postgresql_database: str) -> Protected:
    return made(postgresql_database, *ROOMS, protect={"rooms": SOFT})


@contextmanager
def role(protected: Protected, *rights: str, kind: str = "app") -> Iterator[str]:
    """A role with no more than these rights, for as long as the block lasts."""
    name = f"{kind}_{protected.database.url.database}"
    protected.run(f"create role {name}", *(f"grant {right} to {name}" for right in rights))
    try:
        yield name
    finally:
        protected.run(f"drop owned by {name} cascade", f"drop role {name}")


# ---------------------------------------------------------------------- statements


@pytest.mark.all_versions
def test_merge_that_deletes(postgresql: Any, rooms: Protected) -> None:
    if postgresql.version < 15:
        with rooms.connect() as connection, pytest.raises(sa.exc.ProgrammingError, match="MERGE"):
            connection.exec_driver_sql("MERGE INTO rooms USING rooms AS s ON true WHEN MATCHED THEN DELETE")
        return
    rooms.run(
        "merge into rooms as r using (values (1), (2)) as s (id) on r.id = s.id"
        " when matched and s.id = 1 then update set name = 'changed' when matched then delete"
    )
    assert living(rooms, "rooms") == [1, 3, 4, 5]
    assert {(each.operation, each.key) for each in rooms.log()} == {("update", 1), ("delete", 2)}


def test_the_deletes_of_one_block_are_deletes_of_their_own(postgresql_database: str) -> None:
    """They share the time at which the block came in; restore still tells them apart."""
    family = made(
        postgresql_database,
        "create table parents (id int primary key, deleted_at timestamptz)",
        "create table children (id int primary key, parent_id int references parents on delete cascade,"
        " deleted_at timestamptz)",
        "insert into parents values (1)",
        "insert into children values (1, 1), (2, 1), (3, 1)",
        protect={"parents": SOFT, "children": SOFT},
    )
    family.run(
        "do $$ begin delete from children where id = 1; delete from children where id = 2; delete from parents; end $$"
    )
    assert living(family, "children") == []
    family.run("update parents set deleted_at = null")
    assert living(family, "children") == [3]


def test_deletes_inside_common_table_expressions(rooms: Protected) -> None:
    rooms.run("with a as (delete from rooms where id = 1), b as (delete from rooms where id = 2) select 1")
    assert living(rooms, "rooms") == [3, 4, 5]
    assert len(marks(rooms, "rooms", "deleted_at is not null")) == 1


def test_children_and_parents_deleted_by_one_statement(postgresql_database: str) -> None:
    family = made(
        postgresql_database,
        "create table parents (id int primary key, deleted_at timestamptz)",
        "create table children (id int primary key, parent int references parents on delete cascade,"
        " deleted_at timestamptz)",
        "insert into parents values (1), (2)",
        "insert into children values (1, 1), (2, 1), (3, 2)",
        protect={"parents": SOFT, "children": SOFT},
    )
    family.run("with c as (delete from children where parent = 1) delete from parents where id = 1")
    assert (living(family, "parents"), living(family, "children")) == ([2], [3])
    family.run("update parents set deleted_at = null where id = 1")
    assert living(family, "children") == [1, 2, 3]


def test_a_key_that_lets_go_of_some_of_its_columns(postgresql_database: str) -> None:
    family = made(
        postgresql_database,
        "create table parents (shop int, id int, deleted_at timestamptz, primary key (shop, id))",
        "create table children (id int primary key, shop int, parent int,"
        " foreign key (shop, parent) references parents (shop, id) on delete set null (parent))",
        "insert into parents values (1, 1)",
        "insert into children values (1, 1, 1)",
        protect={"parents": SOFT},
    )
    family.run("delete from parents")
    assert family.rows("select shop, parent from children") == [(1, None)]


def test_a_delete_by_cursor_and_inside_a_function(rooms: Protected) -> None:
    rooms.run(
        "do $$ declare c cursor for select from rooms where id = 1 for update; begin"
        " open c; move c; delete from rooms where current of c; end $$",
        "create function sweep() returns int language sql as 'delete from rooms where id = 2; select 1'",
        "select sweep()",
    )
    assert living(rooms, "rooms") == [3, 4, 5]


def test_truncate_is_refused_unless_announced(rooms: Protected) -> None:
    with pytest.raises(GuardError, match="HF205"):
        rooms.run("truncate rooms")
    assert living(rooms, "rooms") == [1, 2, 3, 4, 5]
    before = rooms.checksum("rooms")
    rooms.run("set local holdfast.allow = 'truncate'", "truncate rooms")
    assert living(rooms, "rooms") == []
    rooms.undo()
    assert rooms.checksum("rooms") == before


def test_thousands_of_rows_in_one_statement(postgresql_database: str) -> None:
    """More than one setting holds; some were marked before, and one is changed by the statement itself."""
    rooms = made(
        postgresql_database,
        "create table rooms (id int primary key, name text, deleted_at timestamptz)",
        "insert into rooms select g from generate_series(1, 20000) as g",
        protect={"rooms": SOFT},
    )
    rooms.run("delete from rooms where id % 100 = 0")
    rooms.run("delete from rooms where id <> 7")
    assert living(rooms, "rooms") == [7]
    assert [len({e.transaction for e in rooms.log(operation="delete")}), len(rooms.log())] == [2, 19_999]


def test_a_row_that_the_same_statement_updates_elsewhere_is_marked_too(postgresql_database: str) -> None:
    """A trigger on one table writes into the other while both lose rows."""
    shop = made(
        postgresql_database,
        "create table orders (id int primary key, total int, deleted_at timestamptz)",
        "create table lines (id int primary key, bill int, deleted_at timestamptz)",
        "insert into orders values (1, 2)",
        "insert into lines values (1, 1), (2, 1)",
        "create function recount() returns trigger language plpgsql as"
        " $$begin update orders set total = total - 1 where id = old.bill; return old; end$$",
        "create trigger recount before delete on lines for each row execute function recount()",
        protect={"orders": SOFT, "lines": SOFT},
    )
    shop.run("with o as (delete from orders returning 1), l as (delete from lines) select from o")
    assert (living(shop, "orders"), living(shop, "lines")) == ([], [])
    assert shop.rows("select total from orders") == [(0,)]


def test_a_trigger_that_keeps_a_row_is_respected(postgresql_database: str) -> None:
    rooms = made(
        postgresql_database,
        *ROOMS,
        "create function keep() returns trigger language plpgsql as"
        " $$begin if old.id = 3 then return null; end if; return old; end$$",
        "create trigger keep before delete on rooms for each row execute function keep()",
        protect={"rooms": SOFT},
    )
    rooms.run("delete from rooms")
    assert living(rooms, "rooms") == [3]


def test_what_an_earlier_statement_left_in_the_settings_is_rolled_back_with_it(rooms: Protected) -> None:
    with rooms.database.connect() as connection, connection.begin():
        with pytest.raises(sa.exc.DataError), connection.begin_nested():
            connection.exec_driver_sql("delete from rooms where id < 3 or 1 / (id - 3) > 0")
        connection.exec_driver_sql("delete from rooms where id = 5")
    assert living(rooms, "rooms") == [1, 2, 3, 4]


def test_a_key_for_periods_is_refused(postgresql: Any, postgresql_database: str) -> None:
    if postgresql.version < 18:
        pytest.skip("keys for periods (need PostgreSQL 18)")
    family = Protected(postgresql_database)
    family.run(
        "create table parents (id int4range, valid daterange, deleted_at timestamptz)",
        "alter table parents add primary key (id, valid without overlaps)",
        "create table children (id int primary key, parent int4range, valid daterange, deleted_at timestamptz)",
        "alter table children add constraint children_parent"
        " foreign key (parent, period valid) references parents (id, period valid)",
    )
    with pytest.raises(DeclarationError, match=r"HF107.*for a PERIOD \(children_parent\)"):
        family.protect({"parents": SOFT, "children": SOFT})
    family.protect({"parents": [Audit()], "children": SOFT})


# ---------------------------------------------------------------------- partitions and inheritance


@pytest.fixture
def events(postgresql_database: str) -> Protected:
    return made(
        postgresql_database,
        "create table events (id int, year int, note text, deleted_at timestamptz, primary key (id, year))"
        " partition by range (year)",
        "create table events_old partition of events for values from (0) to (2020)",
        "create table events_new partition of events for values from (2020) to (3000)",
        "insert into events values (1, 2019, 'a', null), (2, 2019, 'b', null), (3, 2021, 'c', null)",
        protect={"events": [Audit(), SoftDelete(), Guard(max_rows=2)]},
    )


def test_a_row_that_moves_to_another_partition_lives_on(events: Protected) -> None:
    with events.connect() as connection, connection.begin():
        assert connection.exec_driver_sql("update events set year = 2022 where id = 1").rowcount == 1
    assert events.rows("select tableoid::regclass::text, id, deleted_at from events where id = 1") == [
        ("events_new", 1, None)
    ]
    events.run("update events set year = 2018, note = 'stays' where id = 2", "delete from events where id = 2")
    assert living(events, "events") == [1, 3]


def test_a_partition_key_that_is_an_expression(postgresql_database: str) -> None:
    names = made(
        postgresql_database,
        "create table names (id int, name text, deleted_at timestamptz) partition by list ((left(name, 1)))",
        "create table names_a partition of names for values in ('a')",
        "create table names_b partition of names for values in ('b')",
        "insert into names values (1, 'ada', null)",
        protect={"names": [SoftDelete()]},
    )
    names.run("update names set name = 'bo'")
    assert names.rows("select tableoid::regclass::text, deleted_at from names") == [("names_b", None)]
    names.run("update names set id = 2")
    names.run("delete from names")
    assert living(names, "names") == []


def test_a_delete_aimed_at_one_partition_is_converted(events: Protected) -> None:
    events.run("delete from events_old where id = 1")
    assert living(events, "events") == [2, 3]
    assert events.rows("select count(*) from events") == [(3,)]
    with pytest.raises(GuardError, match="HF205"):
        events.run("truncate events_old")


def test_a_delete_aimed_at_a_partition_that_came_later_is_converted(events: Protected) -> None:
    events.run("create table events_far partition of events for values from (3000) to (4000)")
    events.run("insert into events values (4, 3001, 'd', null)")
    events.run("delete from events_far")
    assert living(events, "events") == [1, 2, 3]
    assert events.rows("select count(*) from events") == [(4,)]


def test_a_guard_counts_what_a_delete_of_partitions_marks(events: Protected) -> None:
    with pytest.raises(GuardError, match="HF204"):
        events.run("delete from events")
    assert living(events, "events") == [1, 2, 3]
    events.run("set local holdfast.allow = 'mass'", "delete from events")
    assert living(events, "events") == []


@pytest.mark.parametrize("action", ["cascade", "set null", "no action"])
def test_a_key_of_one_partition_is_refused_until_all_have_it(postgresql_database: str, action: str) -> None:
    family = Protected(postgresql_database)
    family.run(
        "create table parents (id int primary key, deleted_at timestamptz)",
        "create table children (id int primary key, parent int, deleted_at timestamptz) partition by range (id)",
        "create table children_1 partition of children for values from (0) to (100)",
        f"alter table children_1 add constraint one foreign key (parent) references parents on delete {action}",
        "insert into parents values (1)",
        "insert into children values (1, 1)",
    )
    with pytest.raises(DeclarationError, match=r"HF107.*partition public.children_1 alone \(one\)"):
        family.protect({"parents": SOFT, "children": SOFT})
    family.run(f"alter table children add foreign key (parent) references parents on delete {action}")
    family.protect({"parents": SOFT, "children": SOFT})
    if action == "no action":
        assert refused(family, "delete from parents").code == "HF201"
        return
    family.run("delete from parents")
    assert family.rows("select parent, deleted_at is null from children") == [
        (1, False) if action == "cascade" else (None, True)
    ]


def test_a_key_to_one_partition_is_refused(postgresql_database: str) -> None:
    family = Protected(postgresql_database)
    family.run(
        "create table parents (id int primary key, deleted_at timestamptz) partition by range (id)",
        "create table parents_1 partition of parents for values from (0) to (100)",
        "create table children (id int primary key, parent int, deleted_at timestamptz,"
        " constraint one foreign key (parent) references parents_1 on delete cascade)",
    )
    with pytest.raises(
        DeclarationError, match=r"HF107.*the partition public.parents_1 of public.parents alone \(one\)"
    ):
        family.protect({"parents": SOFT, "children": SOFT})
    with pytest.raises(DeclarationError, match="HF106"):
        family.protect({"parents": [Audit()], "children": SOFT})


def test_a_key_of_one_partition_that_came_later_is_told_by_the_status(postgresql_database: str) -> None:
    family = made(
        postgresql_database,
        "create table parents (id int primary key, deleted_at timestamptz)",
        "create table children (id int primary key, parent int) partition by range (id)",
        "create table children_1 partition of children for values from (0) to (100)",
        protect={"parents": SOFT},
    )
    family.run("alter table children_1 add constraint one foreign key (parent) references parents")
    assert [(each.table, each.state) for each in family.drift()] == [("public.parents", "outdated")]
    family.unprotect("parents")
    assert family.drift() == []


def test_a_table_that_became_a_partition_or_a_child_loses_no_delete(postgresql_database: str) -> None:
    rooms = made(postgresql_database, *ROOMS, protect={"rooms": [SoftDelete()]})
    rooms.run(
        "create table all_rooms (id int, name text, deleted_at timestamptz)", "alter table rooms inherit all_rooms"
    )
    refused(rooms, "delete from all_rooms")
    rooms.run("alter table rooms no inherit all_rooms", "drop table all_rooms")
    rooms.run(
        "create table all_rooms (id int not null, name text, deleted_at timestamptz) partition by range (id)",
        "alter table all_rooms attach partition rooms default",
    )
    refused(rooms, "delete from all_rooms where id = 1")
    assert living(rooms, "rooms") == [1, 2, 3, 4, 5]


def test_tables_that_inherit(postgresql_database: str) -> None:
    house = made(
        postgresql_database,
        "create table rooms (id int primary key, deleted_at timestamptz)",
        "create table halls (seats int, primary key (id)) inherits (rooms)",
        "insert into rooms values (1)",
        "insert into halls (id, seats) values (2, 40), (3, 50)",
        protect={"rooms": SOFT},
    )
    told = "public.halls inherits from public.rooms, and {} does not hold for its rows"
    assert told.format("Audit, SoftDelete") in " ".join(house.plan({}).notes)
    assert told.format("SoftDelete") in " ".join(house.protect({"halls": [Audit()]}).notes)
    assert house.protect({"halls": SOFT}).notes == ()
    house.run("delete from rooms where id in (1, 2)")
    assert living(house, "rooms") == [3]
    assert house.rows("select count(*) from rooms") == [(3,)]
    house.run("delete from halls")
    assert house.rows("select count(*) from rooms where deleted_at is not null") == [(3,)]


@pytest.mark.parametrize("parts", ["", "partition by range (id)", "under row security"])
def test_a_renamed_table_marks_its_own_rows_whoever_has_its_name(postgresql_database: str, parts: str) -> None:
    """In a session that has deleted from it before, until somebody protects it anew."""
    rooms = Protected(postgresql_database)
    partitions = parts if parts.startswith("partition") else ""
    rooms.run(f"create table rooms (id int primary key, deleted_at timestamptz) {partitions}")
    if partitions:
        rooms.run("create table rooms_1 partition of rooms for values from (0) to (100)")
    rooms.run("create table keys (id int primary key, room int references rooms, deleted_at timestamptz)")
    rooms.run("insert into rooms select g from generate_series(1, 6) as g")
    rooms.protect({"rooms": SOFT, "keys": SOFT})
    with role(rooms, "all on rooms", "select on keys") as name:
        if parts == "under row security":
            rooms.run("alter table rooms enable row level security", "create policy everything on rooms using (true)")
            rooms.protect({})
        rooms.run(f"set local role {name}", "delete from rooms where id = 1")
        rooms.run(
            "alter table rooms rename to rooms_old", "create table rooms as select * from rooms_old order by id desc"
        )
        rooms.run(f"set local role {name}", *(f"delete from rooms_old where id in ({ids})" for ids in ("2", "3, 4")))
        assert (living(rooms, "rooms_old"), living(rooms, "rooms")) == ([5, 6], [2, 3, 4, 5, 6])
        rooms.run("drop table rooms")
        rooms.run(f"set local role {name}", "delete from rooms_old where id = 5")
        assert living(rooms, "rooms_old") == [6]
        assert [each.key for each in rooms.log(operation="delete")] == [1, 2, 3, 4, 5]


# ---------------------------------------------------------------------- roles


def test_a_table_that_got_another_owner_is_told_and_mended(rooms: Protected) -> None:
    """What marks the rows has the rights of the owner that the table had, who has lost them."""
    with role(rooms) as seller, role(rooms, kind="buyer") as buyer:
        rooms.run(f"alter table rooms owner to {seller}")
        rooms.protect({})
        rooms.run(f"set local role {seller}", "delete from rooms where id = 1")
        rooms.run(f"alter table rooms owner to {buyer}")
        assert ("function soft_delete_flush_1", "altered") in {(each.object, each.state) for each in rooms.drift()}
        rooms.protect({})
        assert rooms.drift() == []
        rooms.run(f"set local role {buyer}", "delete from rooms where id = 2")
        assert living(rooms, "rooms") == [3, 4, 5]
        rooms.run("alter table rooms owner to current_user")
        rooms.protect({})


def test_a_role_that_may_delete_but_not_update(rooms: Protected) -> None:
    with role(rooms, "select, delete on rooms") as name:
        rooms.run(f"set local role {name}", "delete from rooms where id = 1")
        with pytest.raises(Exception, match="permission denied"):
            rooms.run(f"set local role {name}", "update rooms set deleted_at = now()")
    assert living(rooms, "rooms") == [2, 3, 4, 5]


def test_row_security_decides_what_may_be_deleted(postgresql_database: str) -> None:
    rooms = made(
        postgresql_database,
        *ROOMS,
        "alter table rooms enable row level security",
        "create policy see on rooms for select using (true)",
        "create policy sweep on rooms for delete using (id < 3)",
        protect={"rooms": [*SOFT, Guard(max_rows=2)]},
    )
    with role(rooms, "select, delete on rooms") as name:
        rooms.run(f"set local role {name}", "delete from rooms")
        assert living(rooms, "rooms") == [3, 4, 5]
        # What a user puts into settings of its own deletes nothing that the policy does not let it.
        settings = [row[0] for row in rooms.rows("select id from holdfast.relation")]
        forged = [f"set local holdfast.deleted_{settings[0]}_{tier} = ',(0,4),(0,5)'" for tier in "abc"]
        rooms.run(f"set local role {name}", *forged, "delete from rooms where false")
        rooms.run(f"set local role {name}", *forged, "delete from rooms")
    assert living(rooms, "rooms") == [3, 4, 5]


# ---------------------------------------------------------------------- two at a time


@pytest.fixture
def family(postgresql_database: str) -> Protected:
    return made(
        postgresql_database,
        "create table parents (id int primary key, name text, deleted_at timestamptz)",
        "create table children (id int primary key, parent int references parents on delete cascade,"
        " deleted_at timestamptz)",
        "insert into parents values (1), (2)",
        "insert into children values (1, 1), (2, 2)",
        protect={"parents": SOFT, "children": SOFT},
    )


def waiting(url: str) -> int:
    with psycopg.connect(libpq_url(url), autocommit=True) as connection:
        row = connection.execute("select count(*) from pg_locks where not granted").fetchone()
        return int(row[0]) if row else 0


def in_turn(url: str, isolation: str, first: str, second: str) -> list[str]:
    """The first writes, then the second until it waits or is done; the first commits, then the second. The outcomes."""
    outcomes = ["", ""]
    with psycopg.connect(libpq_url(url)) as one, psycopg.connect(libpq_url(url)) as two:
        for connection in (one, two):
            connection.execute(f"set transaction isolation level {isolation}")
            # A snapshot is taken by the first statement.
            connection.execute("select count(*) from parents")
        one.execute(first)

        def other() -> None:
            try:
                two.execute(second)
                two.commit()
                outcomes[1] = "done"
            except psycopg.Error as error:
                outcomes[1] = str(error.sqlstate)

        thread = threading.Thread(target=other)
        thread.start()
        while thread.is_alive() and not waiting(url):
            thread.join(0.01)
        try:
            one.commit()
            outcomes[0] = "done"
        except psycopg.Error as error:
            outcomes[0] = str(error.sqlstate)
        thread.join()
    return outcomes


DELETES = ("delete from parents where id = 1", "update parents set deleted_at = now() where id = 1")
WRITES = (
    "insert into children values (9, 1)",
    "update children set parent = 1 where id = 2",
    "update children set deleted_at = null where id = 3",
)


def orphans(protected: Protected) -> list[Any]:
    return protected.rows(
        "select c.id from children as c join parents as p on p.id = c.parent"
        " where c.deleted_at is null and p.deleted_at is not null"
    )


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read", "serializable"])
@pytest.mark.parametrize("delete", DELETES, ids=["delete", "update"])
@pytest.mark.parametrize("write", WRITES, ids=["insert", "move", "restore"])
def test_a_child_that_is_written_while_its_parent_is_deleted(
    family: Protected, isolation: str, delete: str, write: str
) -> None:
    family.run("insert into children values (3, 1)", "delete from children where id = 3")
    outcomes = in_turn(family.url, isolation, write, delete)
    assert outcomes == ["done", "done" if isolation == "read committed" else "40001"]
    assert orphans(family) == []
    assert living(family, "parents") == ([2] if isolation == "read committed" else [1, 2])


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read", "serializable"])
@pytest.mark.parametrize("delete", DELETES, ids=["delete", "update"])
@pytest.mark.parametrize("write", WRITES, ids=["insert", "move", "restore"])
def test_a_child_that_is_written_after_its_parent_was_deleted(
    family: Protected, isolation: str, delete: str, write: str
) -> None:
    family.run("insert into children values (3, 1)", "delete from children where id = 3")
    outcomes = in_turn(family.url, isolation, delete, write)
    assert outcomes == ["done", "HF201" if isolation == "read committed" else "40001"]
    assert orphans(family) == []
    assert living(family, "parents") == [2]


def test_a_child_that_was_committed_after_the_deleters_snapshot(family: Protected) -> None:
    with psycopg.connect(libpq_url(family.url)) as deleter:
        deleter.execute("set transaction isolation level repeatable read")
        deleter.execute("select count(*) from children")
        family.run("insert into children values (9, 1)")
        with pytest.raises(psycopg.errors.SerializationFailure):
            deleter.execute("delete from parents where id = 1")
    assert orphans(family) == []
    with psycopg.connect(libpq_url(family.url)) as deleter:
        deleter.execute("set transaction isolation level repeatable read")
        deleter.execute("delete from parents where id = 1")
    assert living(family, "children") == [2]


def test_two_deletes_of_one_row_at_a_time(family: Protected) -> None:
    outcomes = in_turn(family.url, "read committed", DELETES[0], DELETES[0])
    assert outcomes == ["done", "done"]
    assert len([each for each in family.log("parents") if each.operation == "delete"]) == 1


def test_deletes_in_opposite_order_end_in_an_error_and_no_half(family: Protected) -> None:
    """What the plain database does with two real deletes."""
    barrier = threading.Barrier(2)

    def worker(first: int, second: int) -> Callable[[], None]:
        def work() -> None:
            with psycopg.connect(libpq_url(family.url)) as connection:
                connection.execute(f"delete from parents where id = {first}")
                barrier.wait()
                try:
                    connection.execute(f"delete from parents where id = {second}")
                except psycopg.errors.DeadlockDetected:
                    connection.rollback()

        return work

    threads = [threading.Thread(target=worker(1, 2)), threading.Thread(target=worker(2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert living(family, "parents") == []
    assert orphans(family) == []


def test_a_table_with_any_names(postgresql_database: str) -> None:
    house = made(
        postgresql_database,
        'create table "Ro""om\'s %" ("i\'d" int primary key, "gone ""?" timestamptz)',
        'create table "ch%ild" (id int primary key, "of" int references "Ro""om\'s %" on delete cascade,'
        ' "gone ""?" timestamptz)',
        'insert into "Ro""om\'s %" values (1)',
        'insert into "ch%ild" values (1, 1)',
        protect={},
    )
    inventory = house.inventory()
    names = {table.name: [Audit(), SoftDelete('gone "?'), Guard(max_rows=5)] for table in inventory.tables}
    house.protect({str(name): policies for name, policies in names.items()})
    house.run('delete from "Ro""om\'s %"')
    assert house.rows('select count(*) from "ch%ild" where "gone ""?" is not null') == [(1,)]
    with pytest.raises(ProtectedError):
        house.run('insert into "ch%ild" values (2, 1)')
    assert refused(house, 'insert into "ch%ild" values (2, 1)').message.count("ch%ild") == 2
