"""Version and timestamps: kept by the database for every writer, not moved by a no-op, a stale write refused."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy import orm

from holdfast.errors import DeclarationError, StaleVersionError
from holdfast.policies import Audit, Timestamps, Version
from tests.harness import Protected, journal
from tests.servers import libpq_url
from tests.suite.test_soft_delete import made

pytestmark = pytest.mark.copy_of(build=journal)

TABLE = (
    "create table items (id int primary key, name text, price numeric(10, 2),"
    " created_at timestamptz, updated_at timestamptz, version int)"
)
STAMPED = {"items": [Timestamps(), Version()]}
WRITERS = {
    "raw": "update items set name = 'b' where id = 1",
    "upsert": "insert into items (id, name) values (1, 'b') on conflict (id) do update set name = excluded.name",
    "from": "update items set name = s.name from (select 'b' as name) as s where id = 1",
}


@pytest.fixture
def items(database: str) -> Protected:
    return made(database, TABLE, "insert into items (id, name) values (0, 'there before')", protect=STAMPED)


def stamps(protected: Protected, key: int = 1) -> Any:
    """created, updated, version."""
    [row] = protected.rows(f"select created_at, updated_at, version from items where id = {key}")
    return row


def moment(value: Any) -> datetime:
    read = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def test_an_insert_is_stamped_whatever_it_gives(items: Protected) -> None:
    items.run(
        "insert into items values (1, 'a', 1, '2001-01-01 00:00:00+00', '2001-01-01 00:00:00+00', 99)",
        "insert into items (id) select 2",
    )
    for key in (1, 2):
        created, updated, version = stamps(items, key)
        assert created == updated
        assert version == 1
        assert abs(datetime.now(UTC) - moment(created)) < timedelta(minutes=5)


@pytest.mark.parametrize("writer", WRITERS)
def test_every_writer_counts_up_and_moves_the_time(items: Protected, writer: str) -> None:
    items.run("insert into items (id, name) values (1, 'a')")
    created, updated, version = stamps(items)
    items.run(WRITERS[writer])
    after = stamps(items)
    assert (after[0], after[2]) == (created, version + 1)
    assert moment(after[1]) > moment(updated)


def test_a_no_op_moves_nothing(items: Protected) -> None:
    items.run("insert into items (id, name, price) values (1, 'a', 1.5)")
    before = stamps(items)
    items.run("update items set name = name, price = price")
    items.run("update items set name = 'a', version = version, updated_at = '2001-01-01 00:00:00+00' where id = 1")
    items.run("insert into items (id, name) values (1, 'a') on conflict (id) do update set name = excluded.name")
    assert stamps(items) == before


def test_a_change_to_and_from_null_is_one(items: Protected) -> None:
    items.run("insert into items (id, name) values (1, null)")
    items.run("update items set name = '' where id = 1")
    items.run("update items set name = null where id = 1")
    assert stamps(items)[2] == 3


def test_created_and_updated_cannot_be_forged(items: Protected) -> None:
    items.run("insert into items (id, name) values (1, 'a')")
    created, updated, _ = stamps(items)
    items.run(
        "update items set name = 'b', created_at = '2001-01-01 00:00:00+00', updated_at = '2001-01-01 00:00:00+00'"
    )
    after = stamps(items)
    assert after[0] == created
    assert moment(after[1]) > moment(updated)


def test_updated_strictly_grows_for_many_updates_in_one_transaction(items: Protected) -> None:
    items.run("insert into items (id, name) values (1, 'a')")
    seen = []
    with items.database.begin() as connection:
        for number in range(50):
            connection.exec_driver_sql(f"update items set name = '{number}' where id = 1")
            seen.append(connection.exec_driver_sql("select updated_at, version from items where id = 1").one())
    times = [moment(updated) for updated, _ in seen]
    assert all(one < two for one, two in itertools.pairwise(times))
    assert [version for _, version in seen] == list(range(2, 52))


def test_a_stale_write_is_refused_and_nothing_is_written(items: Protected) -> None:
    items.run("insert into items (id, name) values (1, 'a')", "update items set name = 'b' where id = 1")
    before = items.checksum("items")
    for stale in ("1", "4", "0", "null"):
        with pytest.raises(StaleVersionError) as caught:
            items.run("update items set name = 'x' where id = 0", f"update items set name = 'c', version = {stale}")
        assert caught.value.code == "HF202"
        assert "items" in caught.value.message
        assert caught.value.hint
    assert items.checksum("items") == before


@pytest.mark.parametrize("given", ["version", "version + 1", "1", "2"])
def test_a_writer_may_give_the_version_it_has_read_or_the_next(items: Protected, given: str) -> None:
    items.run("insert into items (id, name) values (1, 'a')")
    items.run(f"update items set name = 'b', version = {given} where id = 1")
    assert stamps(items)[2] == 2


def test_the_version_of_a_row_that_was_there_before_counts_from_what_it_has(items: Protected) -> None:
    assert stamps(items, 0)[2] is None
    items.run("update items set name = 'b' where id = 0")
    assert stamps(items, 0)[2] == 1


def test_columns_are_added_on_request_and_taken_away_again(database: str) -> None:
    plain = Protected(database)
    plain.run("create table items (id int primary key, name text)", "insert into items values (1, 'a')")
    with pytest.raises(DeclarationError, match="HF102"):
        plain.protect(STAMPED)
    plain.protect(STAMPED, add_columns=True)
    plain.run("update items set name = 'b'")
    assert stamps(plain)[2] == 2
    plain.unprotect()
    assert plain.rows("select * from items") == [(1, "b")]


@pytest.mark.parametrize(("column", "type_"), [("version", "text"), ("updated_at", "int")])
def test_a_column_of_a_type_that_cannot_hold_it_is_refused(database: str, column: str, type_: str) -> None:
    plain = Protected(database)
    types = {"created_at": "timestamptz", "updated_at": "timestamptz", "version": "int", column: type_}
    plain.run(f"create table items (id int primary key, {', '.join(f'{n} {t}' for n, t in types.items())})")
    with pytest.raises(DeclarationError, match="HF105"):
        plain.protect(STAMPED)


# ---------------------------------------------------------------------- the ORM


class Base(orm.DeclarativeBase):
    pass


class Item(Base):
    """SQLAlchemy's own optimistic locking on the column that the database keeps."""

    __tablename__ = "items"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    name: orm.Mapped[str | None]
    version: orm.Mapped[int | None] = orm.mapped_column(server_default=sa.FetchedValue())
    __mapper_args__: ClassVar = {"version_id_col": version}


def test_an_orm_that_counts_versions_itself_agrees_with_the_database(items: Protected) -> None:
    engine = items.database.engine
    with orm.Session(engine) as session:
        session.add(Item(id=1, name="a"))
        session.commit()
        item = session.get_one(Item, 1)
        for name in "bcd":
            item.name = name
            session.commit()
        assert item.version == 4
    with orm.Session(engine) as one, orm.Session(engine) as two:
        mine, theirs = one.get_one(Item, 1), two.get_one(Item, 1)
        one.commit()
        two.commit()
        orm.attributes.set_committed_value(mine, "version", 4)
        orm.attributes.set_committed_value(theirs, "version", 4)
        theirs.name = "theirs"
        two.commit()
        mine.name = "mine"
        with pytest.raises(orm.exc.StaleDataError):
            one.commit()
    assert items.rows("select name, version from items where id = 1") == [("theirs", 5)]


def test_bulk_writes_of_core_are_stamped(items: Protected) -> None:
    table = Item.__table__
    with items.database.begin() as connection:
        connection.execute(sa.insert(table), [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}])
        connection.execute(sa.update(table).where(table.c.id > 0).values(name="c"))
    assert items.rows("select id, version from items where id > 0 order by id") == [(1, 2), (2, 2)]


# ---------------------------------------------------------------------- PostgreSQL


def test_copy_merge_and_writes_made_by_triggers(postgresql_database: str) -> None:
    items = made(
        postgresql_database,
        TABLE,
        "create table sales (item int)",
        "create function sold() returns trigger language plpgsql as"
        " $$begin update items set price = coalesce(price, 0) + 1 where id = new.item; return null; end$$",
        "create trigger sold after insert on sales for each row execute function sold()",
        protect=STAMPED,
    )
    with (
        psycopg.connect(libpq_url(postgresql_database)) as connection,
        connection.cursor() as cursor,
        cursor.copy("copy items (id, name, version) from stdin") as copy,
    ):
        copy.write("1\ta\t7\n2\tb\t7\n")
    assert items.rows("select version, created_at is not null from items") == [(1, True), (1, True)]
    items.run("insert into sales values (1), (1)")
    items.run(
        "merge into items as i using (values (2)) as s (id) on i.id = s.id when matched then update set name = 'm'"
    )
    assert items.rows("select id, version from items order by id") == [(1, 3), (2, 2)]


@pytest.mark.parametrize("type_", ["timestamp", "timestamp(3)", "timestamptz(0)"])
def test_times_without_a_zone_or_with_few_digits(postgresql_database: str, type_: str) -> None:
    """Whatever the session's zone, a time without zone is UTC."""
    items = made(
        postgresql_database,
        f"create table items (id int primary key, name text, created_at {type_}, updated_at {type_}, version smallint)",
        protect=STAMPED,
    )
    items.run("set local timezone = 'Asia/Tokyo'", "insert into items (id) values (1)")
    created, updated, _ = stamps(items)
    assert abs(datetime.now(UTC) - moment(created)) < timedelta(minutes=5)
    seen = [updated]
    for number in range(4):
        items.run(f"update items set name = '{number}'")
        seen.append(stamps(items)[1])
    assert all(moment(one) < moment(two) for one, two in itertools.pairwise(seen))


def test_a_partitioned_table(postgresql_database: str) -> None:
    items = made(
        postgresql_database,
        "create table items (id int, name text, created_at timestamptz, updated_at timestamptz, version int,"
        " primary key (id)) partition by range (id)",
        "create table items_low partition of items for values from (0) to (10)",
        "create table items_high partition of items for values from (10) to (20)",
        protect=STAMPED,
    )
    items.run("insert into items (id, name) values (1, 'a'), (11, 'b')")
    items.run("update items_low set name = 'c'", "update items set name = 'd'")
    assert items.rows("select id, version from items order by id") == [(1, 3), (11, 2)]


def test_a_row_that_moves_to_another_partition_counts_on(postgresql_database: str) -> None:
    items = made(
        postgresql_database,
        "create table items (id int, name text, created_at timestamptz, updated_at timestamptz, version int,"
        " primary key (id)) partition by range (id)",
        "create table items_low partition of items for values from (0) to (10)",
        "create table items_high partition of items for values from (10) to (20)",
        protect={"items": [Audit(), Timestamps(), Version()]},
    )
    items.run("insert into items (id, name) values (1, 'a')")
    created, updated, _ = stamps(items)
    items.run("update items set name = 'b'")
    items.run("update items set id = 12")
    after = stamps(items, 12)
    assert (after[0], after[2]) == (created, 3)
    assert moment(after[1]) > moment(updated)


def test_a_change_made_by_a_trigger_of_the_users_own_counts_once(postgresql_database: str) -> None:
    items = made(
        postgresql_database,
        TABLE,
        "create function slug() returns trigger language plpgsql as"
        " $$begin new.name := lower(new.name); return new; end$$",
        "create trigger slug before insert or update on items for each row execute function slug()",
        protect=STAMPED,
    )
    items.run("insert into items (id, name) values (1, 'a')")
    before = stamps(items)
    items.run("update items set name = 'A'")
    assert stamps(items) == before
    items.run("update items set name = 'B'")
    assert stamps(items)[2] == before[2] + 1


def test_values_that_are_equal_but_not_the_same_count(postgresql_database: str) -> None:
    items = made(
        postgresql_database,
        "create table items (id int primary key, a numeric, b float8, c jsonb, d json, e point,"
        " created_at timestamptz, updated_at timestamptz, version int)",
        protect=STAMPED,
    )
    items.run("""insert into items values (1, 1.0, 0, '{"a": 1}', '{"a": 1}', '(1,2)')""")
    for assignment in ("a = 1.00", "b = '-0'", """c = '{"a": 1.0}'""", """d = '{"a":1}'""", "e = '(1,3)'"):
        before = stamps(items)[2]
        items.run(f"update items set {assignment}")
        assert stamps(items)[2] == before + 1, assignment
        items.run(f"update items set {assignment}")
        assert stamps(items)[2] == before + 1, assignment


def test_two_writers_that_read_the_same_version(postgresql_database: str) -> None:
    """The second one waits for the first, and is then told that the row has changed."""
    items = made(postgresql_database, TABLE, protect=STAMPED)
    items.run("insert into items (id, name) values (1, 'a')")
    write = "update items set name = %s, version = 1 where id = 1"
    with psycopg.connect(libpq_url(postgresql_database)) as one, psycopg.connect(libpq_url(postgresql_database)) as two:
        one.execute(write, ["one"])
        one.commit()
        with pytest.raises(psycopg.Error) as caught:
            two.execute(write, ["two"])
        assert caught.value.sqlstate == "HF202"
    assert items.rows("select name, version from items") == [("one", 2)]
