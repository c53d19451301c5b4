"""Soft delete: a row leaves by being marked, its children go with it, and come back with exactly it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import sqlalchemy as sa

from holdfast.errors import DeclarationError, GuardError, ProtectedError, UndoConflictError, UnsupportedError
from holdfast.policies import Audit, Guard, Policy, SoftDelete
from holdfast.undo import restore
from tests.harness import Protected, journal

pytestmark = pytest.mark.copy_of(build=journal)

SOFT = (Audit(), SoftDelete())
ORDERS = """\
create table orders (
    id int primary key, customer int references customers on delete cascade, status text, deleted_at timestamptz
)"""
LINES = """\
create table lines (
    id int primary key, bill int not null references orders on delete cascade, amount int, deleted_at timestamptz
)"""
SHOP = ("create table customers (id int primary key, name text, deleted_at timestamptz)", ORDERS, LINES)


def made(database: str, *statements: str, protect: Mapping[str, Sequence[Policy]]) -> Protected:
    protected = Protected(database)
    protected.run(*statements)
    protected.protect(protect)
    return protected


@pytest.fixture
def shop(database: str) -> Protected:
    """Two customers; the first with two orders of two lines each, the second with one of one."""
    return made(
        database,
        *SHOP,
        "insert into customers values (1, 'Ada', null), (2, 'Bo', null)",
        "insert into orders values (10, 1, 'open', null), (11, 1, 'open', null), (20, 2, 'open', null)",
        "insert into lines values (100, 10, 1, null), (101, 10, 2, null), (110, 11, 3, null), (111, 11, 4, null),"
        " (200, 20, 5, null)",
        protect=dict.fromkeys(("customers", "orders", "lines"), SOFT),
    )


def living(protected: Protected, table: str, mark: str = "deleted_at") -> list[Any]:
    return [row[0] for row in protected.rows(f"select id from {table} where {mark} is null order by id")]


def marks(protected: Protected, table: str, where: str = "true") -> set[Any]:
    return {row[0] for row in protected.rows(f"select deleted_at from {table} where {where}")}


def refused(protected: Protected, *statements: str) -> ProtectedError:
    with pytest.raises(ProtectedError) as caught:
        protected.run(*statements)
    assert caught.value.code == "HF201"
    assert caught.value.hint
    return caught.value


# ---------------------------------------------------------------------- a raw DELETE


def test_a_raw_delete_marks_the_row_and_tells_the_caller_that_nothing_was_deleted(shop: Protected) -> None:
    with shop.connect() as connection, connection.begin():
        assert connection.exec_driver_sql("delete from lines where id in (100, 110)").rowcount == 0
        assert list(connection.exec_driver_sql("delete from lines where id = 101 returning id")) == []
    assert living(shop, "lines") == [111, 200]
    assert shop.rows("select count(*) from lines") == [(5,)]


def test_the_log_calls_it_a_delete_and_a_restore(shop: Protected) -> None:
    shop.run("delete from lines where id = 100")
    shop.run("update lines set deleted_at = null where id = 100")
    assert [(each.operation, each.key) for each in shop.log("lines")] == [("delete", 100), ("restore", 100)]


def test_deleting_a_dead_row_again_changes_nothing(shop: Protected) -> None:
    shop.run("delete from orders where id = 10")
    before, journal = shop.checksum("orders"), len(shop.log())
    shop.run("delete from orders where id = 10")
    shop.run("update orders set deleted_at = deleted_at where id = 10")
    assert (shop.checksum("orders"), len(shop.log())) == (before, journal)


def test_a_delete_that_is_rolled_back_leaves_nothing(shop: Protected) -> None:
    with shop.database.connect() as connection, connection.begin() as outer:
        with connection.begin_nested() as savepoint:
            connection.exec_driver_sql("delete from lines where id = 100")
            savepoint.rollback()
        connection.exec_driver_sql("delete from lines where id = 101")
        outer.commit()
    assert living(shop, "lines") == [100, 110, 111, 200]


def test_other_columns_of_a_dead_row_can_change_and_it_stays_dead(shop: Protected) -> None:
    shop.run("delete from customers where id = 1")
    before = marks(shop, "customers", "id = 1")
    shop.run("update customers set name = 'Eve' where id = 1")
    shop.run("insert into customers (id, name) values (1, 'Fay') on conflict (id) do update set name = excluded.name")
    assert shop.rows("select name from customers where id = 1") == [("Fay",)]
    assert marks(shop, "customers", "id = 1") == before


def test_a_stale_object_that_is_saved_whole_does_not_move_the_mark(shop: Protected) -> None:
    """An application that read the row alive and writes what it changed does not bring it back."""
    shop.run("delete from orders where id = 10")
    shop.run("update orders set status = 'paid', customer = 1 where id = 10")
    assert 10 not in living(shop, "orders")


def test_the_mark_is_the_databases_whatever_a_writer_gives(shop: Protected) -> None:
    shop.run("update lines set deleted_at = '2001-01-01 00:00:00+00' where id = 100")
    [forged] = marks(shop, "lines", "id = 100")
    assert not str(forged).startswith("2001")
    shop.run("update lines set deleted_at = '2002-02-02 00:00:00+00' where id = 100")
    assert marks(shop, "lines", "id = 100") == {forged}


def test_an_update_of_the_mark_is_the_same_delete(shop: Protected) -> None:
    """What an ORM sends instead of DELETE: the row count is right, and the children follow."""
    with shop.connect() as connection, connection.begin():
        statement = "update customers set deleted_at = current_timestamp where id = 1"
        assert connection.exec_driver_sql(statement).rowcount == 1
    assert living(shop, "lines") == [200]


# ---------------------------------------------------------------------- parents and children


def test_children_carry_exactly_the_mark_of_the_delete_that_took_them(shop: Protected) -> None:
    shop.run("delete from customers where id = 1")
    assert (living(shop, "customers"), living(shop, "orders"), living(shop, "lines")) == ([2], [20], [200])
    [mark] = marks(shop, "customers", "id = 1")
    assert marks(shop, "orders", "customer = 1") == marks(shop, "lines", "bill in (10, 11)") == {mark}


def test_restore_brings_back_exactly_what_went_together(shop: Protected) -> None:
    before = [shop.checksum(table) for table in ("customers", "orders")]
    shop.run("delete from lines where id = 100")
    shop.run("delete from orders where id = 11")
    shop.run("delete from customers where id = 1")
    assert restore(shop.database, "customers", 1, actor="ada", reason="a mistake") == 1
    assert living(shop, "orders") == [10, 20]
    assert living(shop, "lines") == [101, 200]
    assert {(each.actor, each.reason) for each in shop.log() if each.operation == "restore"} == {("ada", "a mistake")}
    assert restore(shop.database, "orders", 11) == 1
    assert restore(shop.database, "lines", 100) == 1
    assert [shop.checksum(table) for table in ("customers", "orders")] == before
    assert living(shop, "lines") == [100, 101, 110, 111, 200]
    assert restore(shop.database, "customers", 1) == 0


def test_the_same_tree_deleted_at_two_times(shop: Protected) -> None:
    shop.run("delete from customers where id = 1")
    shop.run("update customers set deleted_at = null where id = 1")
    assert living(shop, "lines") == [100, 101, 110, 111, 200]
    shop.run("delete from lines where id = 110")
    shop.run("delete from customers where id = 1")
    shop.run("update customers set deleted_at = null where id = 1")
    assert living(shop, "lines") == [100, 101, 111, 200]
    assert living(shop, "orders") == [10, 11, 20]


def test_undo_of_a_delete_and_undo_of_a_restore(shop: Protected) -> None:
    tables = ("customers", "orders", "lines")
    alive = [shop.checksum(table) for table in tables]
    shop.run("delete from customers where id = 1")
    dead = [shop.checksum(table) for table in tables]
    shop.undo()
    assert [shop.checksum(table) for table in tables] == alive
    shop.undo()
    assert [shop.checksum(table) for table in tables] == dead


def test_undo_of_a_restore_leaves_no_child_alive_that_came_since(shop: Protected) -> None:
    shop.run("delete from customers where id = 1")
    shop.run("update customers set deleted_at = null where id = 1")
    restored = shop.last_transaction()
    shop.run("insert into orders values (12, 1, 'open', null)")
    with pytest.raises(UndoConflictError) as caught:
        shop.undo(restored)
    assert "orders" in caught.value.conflicts[0].why
    assert (living(shop, "customers"), living(shop, "orders")) == ([1, 2], [10, 11, 12, 20])
    shop.run("delete from orders where id = 12")
    shop.undo(restored)
    assert (living(shop, "customers"), living(shop, "orders")) == ([2], [20])


def test_undo_takes_children_along_that_have_no_journal(database: str) -> None:
    shop = made(
        database,
        *SHOP,
        "insert into customers values (1, 'Ada', null)",
        "insert into orders values (10, 1, 'open', null)",
        protect={"customers": SOFT, "orders": [SoftDelete()], "lines": [SoftDelete()]},
    )
    shop.run("delete from customers where id = 1")
    shop.undo()
    assert (living(shop, "customers"), living(shop, "orders")) == ([1], [10])


def test_a_child_of_two_parents_comes_back_when_both_live(database: str) -> None:
    family = made(
        database,
        "create table a (id int primary key, deleted_at timestamptz)",
        "create table b (id int primary key, deleted_at timestamptz)",
        "create table c (id int primary key, a int references a on delete cascade,"
        " b int references b on delete cascade, deleted_at timestamptz)",
        "insert into a values (1, null)",
        "insert into b values (1, null)",
        "insert into c values (1, 1, 1, null), (2, null, 1, null)",
        protect=dict.fromkeys("abc", SOFT),
    )
    family.run("delete from a where id = 1")
    family.run("delete from b where id = 1")
    assert "deleted row of b" in refused(family, "update a set deleted_at = null where id = 1").message.replace(
        "main.", ""
    ).replace("public.", "")
    assert living(family, "a") == []
    family.run("update b set deleted_at = null where id = 1")
    assert living(family, "c") == [2]
    family.run("update a set deleted_at = null where id = 1")
    assert living(family, "c") == [1, 2]


@pytest.fixture
def tree(database: str) -> Protected:
    """1 above 2 above 3, and 4 alone."""
    return made(
        database,
        "create table nodes (id int primary key, up int references nodes on delete cascade, deleted_at timestamptz)",
        "insert into nodes values (1, null, null), (2, 1, null), (3, 2, null), (4, null, null)",
        protect={"nodes": [Audit(), SoftDelete(), Guard(max_rows=100)]},
    )


def test_a_table_that_refers_to_itself(tree: Protected) -> None:
    tree.run("delete from nodes where id = 1")
    assert living(tree, "nodes") == [4]
    tree.run("update nodes set deleted_at = null where id = 1")
    assert living(tree, "nodes") == [1, 2, 3, 4]


@pytest.mark.parametrize("order", ["", "id in (1, 2, 3)", "id in (1, 3)", "id in (2, 1)"])
def test_one_statement_may_delete_a_row_and_its_parent(tree: Protected, order: str) -> None:
    tree.run(f"delete from nodes where {order or 'true'}")
    assert living(tree, "nodes") == ([4] if order else [])
    assert len(marks(tree, "nodes", "id < 4")) == 1
    tree.run("update nodes set deleted_at = null where id = 1")
    assert {1, 2, 3} <= set(living(tree, "nodes"))


def test_a_circle_of_two_rows(tree: Protected) -> None:
    tree.run("update nodes set up = 3 where id = 1")
    tree.run("delete from nodes where id = 2")
    assert living(tree, "nodes") == [4]
    tree.run("update nodes set deleted_at = null where id = 2")
    assert living(tree, "nodes") == [1, 2, 3, 4]


@pytest.mark.parametrize("action", ["restrict", "no action"])
def test_a_parent_whose_key_restricts_stays_while_a_child_lives(database: str, action: str) -> None:
    family = made(
        database,
        "create table parents (id int primary key, deleted_at timestamptz)",
        f"create table children (id int primary key, parent int references parents on delete {action},"
        " deleted_at timestamptz)",
        "insert into parents values (1, null)",
        "insert into children values (1, 1, null)",
        protect={"parents": SOFT, "children": SOFT},
    )
    refused(family, "delete from parents")
    assert living(family, "parents") == [1]
    family.run("delete from children")
    family.run("delete from parents")
    assert living(family, "parents") == []
    refused(family, "update children set deleted_at = null")


def test_a_child_without_soft_delete_restricts_as_well(database: str) -> None:
    family = made(
        database,
        "create table parents (id int primary key, deleted_at timestamptz)",
        "create table children (id int primary key, parent int references parents)",
        "insert into parents values (1, null)",
        "insert into children values (1, 1)",
        protect={"parents": SOFT},
    )
    refused(family, "delete from parents")
    family.run("delete from children")
    family.run("delete from parents")
    refused(family, "insert into children values (2, 1)")


@pytest.mark.parametrize(("action", "value"), [("set null", None), ("set default", 9)])
def test_a_key_that_lets_go_does_so(database: str, action: str, value: int | None) -> None:
    family = made(
        database,
        "create table parents (id int primary key, deleted_at timestamptz)",
        f"create table children (id int primary key, parent int default 9 references parents on delete {action})",
        "insert into parents values (1, null), (9, null)",
        "insert into children values (1, 1)",
        protect={"parents": SOFT, "children": [Audit()]},
    )
    family.run("delete from parents where id = 1")
    assert family.rows("select parent from children") == [(value,)]
    family.undo()
    assert family.rows("select parent from children") == [(1,)]
    assert living(family, "parents") == [1, 9]


def test_keys_of_several_columns(database: str) -> None:
    family = made(
        database,
        "create table parents (shop int, id int, deleted_at timestamptz, primary key (shop, id))",
        "create table children (id int primary key, shop int, parent int, deleted_at timestamptz,"
        " foreign key (shop, parent) references parents (shop, id) on delete cascade)",
        "insert into parents values (1, 1, null), (2, 1, null)",
        "insert into children values (1, 1, 1, null), (2, 2, 1, null), (3, 1, null, null)",
        protect={"parents": SOFT, "children": SOFT},
    )
    family.run("delete from parents where shop = 1")
    assert living(family, "children") == [2, 3]
    refused(family, "insert into children values (4, 1, 1, null)")
    family.run("insert into children values (5, 1, null, null)")
    assert restore(family.database, "parents", [1, 1]) == 1
    assert living(family, "children") == [1, 2, 3, 5]


def test_nothing_living_can_point_at_a_dead_parent(shop: Protected) -> None:
    shop.run("delete from orders where id = 10")
    error = refused(shop, "insert into lines values (102, 10, 1, null)")
    assert "orders" in error.message
    refused(shop, "update lines set bill = 10 where id = 200")
    refused(shop, "update lines set deleted_at = null where id = 100")
    refused(shop, "insert into lines values (110, 11, 1, null) on conflict (id) do update set bill = 10")
    shop.run("insert into lines values (103, 10, 1, current_timestamp)", "update lines set amount = 9 where bill = 10")
    assert living(shop, "lines") == [110, 111, 200]


# ---------------------------------------------------------------------- what a raw DELETE may be


def test_a_real_delete_is_one_that_says_so(shop: Protected) -> None:
    allowed = (
        ("set local holdfast.allow = 'hard_delete'",)
        if shop.name == "postgresql"
        else ("insert into holdfast_context (allow) values ('hard_delete')",)
    )
    done = () if shop.name == "postgresql" else ("delete from holdfast_context",)
    before = [shop.checksum(table) for table in ("customers", "orders", "lines")]
    shop.run(*allowed, "delete from customers where id = 1", *done)
    assert shop.rows("select id from lines") == [(200,)]
    shop.undo()
    assert [shop.checksum(table) for table in ("customers", "orders", "lines")] == before
    shop.run("delete from customers where id = 1")
    assert shop.rows("select count(*) from customers") == [(2,)]


def test_raw_delete_refused(database: str) -> None:
    house = made(
        database,
        "create table rooms (id int primary key, gone timestamptz)",
        "insert into rooms values (1, null)",
        protect={"rooms": [SoftDelete("gone", raw_delete="refuse")]},
    )
    assert "gone" in refused(house, "delete from rooms").hint
    house.run("update rooms set gone = current_timestamp")
    assert living(house, "rooms", "gone") == []
    assert house.rows("select count(*) from rooms") == [(1,)]


def test_raw_delete_allowed(database: str) -> None:
    house = made(
        database,
        "create table rooms (id int primary key, gone timestamptz)",
        "insert into rooms values (1, null), (2, null)",
        protect={"rooms": [SoftDelete("gone", raw_delete="allow")]},
    )
    house.run("update rooms set gone = current_timestamp where id = 1")
    house.run("delete from rooms")
    assert house.rows("select count(*) from rooms") == [(0,)]


# ---------------------------------------------------------------------- declarations that cannot hold


def test_a_hard_parent_that_cascades_into_a_converted_child_is_refused(database: str) -> None:
    shop = Protected(database)
    shop.run(*SHOP)
    with pytest.raises(DeclarationError) as caught:
        shop.protect({"orders": SOFT, "lines": SOFT})
    assert caught.value.code == "HF106"
    assert "SoftDelete" in caught.value.hint
    with pytest.raises(DeclarationError, match="HF106"):
        shop.protect({"customers": [SoftDelete(raw_delete="allow")], "orders": SOFT, "lines": SOFT})
    with pytest.raises(DeclarationError, match="HF107"):
        shop.protect({"customers": SOFT})
    shop.protect({"customers": SOFT, "orders": SOFT, "lines": SOFT})


def test_the_parent_of_converted_children_cannot_lose_its_protection_alone(shop: Protected) -> None:
    with pytest.raises(DeclarationError, match="HF106"):
        shop.unprotect("customers")
    assert shop.drift() == []


def test_a_mark_that_cannot_be_null_is_refused(database: str) -> None:
    house = Protected(database)
    house.run("create table rooms (id int primary key, gone timestamptz not null)")
    with pytest.raises(DeclarationError, match="HF105"):
        house.protect({"rooms": [SoftDelete("gone")]})


def test_restore_of_a_table_that_is_not_soft_deleted_is_refused(database: str) -> None:
    house = made(database, "create table rooms (id int primary key)", protect={"rooms": [Audit()]})
    with pytest.raises(UnsupportedError, match="HF412"):
        restore(house.database, "rooms", 1)


# ---------------------------------------------------------------------- with a guard


def test_a_guard_counts_the_rows_that_a_delete_marks(database: str) -> None:
    house = made(
        database,
        "create table rooms (id int primary key, deleted_at timestamptz)",
        "insert into rooms values (1, null), (2, null), (3, null), (4, null), (5, null)",
        protect={"rooms": [*SOFT, Guard(max_rows=3)]},
    )
    with pytest.raises(GuardError) as caught:
        house.run("delete from rooms")
    assert caught.value.code == "HF204"
    assert len(living(house, "rooms")) == 5
    assert house.log() == []
    house.run("delete from rooms where id < 4", "delete from rooms")
    assert living(house, "rooms") == []


def test_the_marks_of_one_tree_are_found_by_the_plain_database_too(shop: Protected) -> None:
    """A reader needs no library: the living rows are those without a mark."""
    shop.run("delete from customers where id = 1")
    with shop.connect() as connection:
        orders = sa.table("orders", sa.column("id"), sa.column("deleted_at"))
        found = connection.execute(sa.select(orders.c.id).where(orders.c.deleted_at.is_(None))).scalars().all()
    assert found == [20]
