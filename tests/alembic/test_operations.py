"""Safe operations: the schema that they leave, what they refuse, how they are written, and taken back."""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import render_python_code
from alembic.migration import MigrationContext
from alembic.operations import Operations, ops

from holdfast.alembic import operations as safe
from holdfast.errors import LockedError, MigrationError
from tests.alembic.scripts import ASYNC, SAFE, STOCK, Scripts, connected, rows, run, schema, until
from tests.servers import pg_dump_schema, psql

TABLES = """\
op.execute("create table customers (id integer primary key)")
op.execute("create type mood as enum ('sad', 'happy')")
op.execute('create table orders (id integer primary key, customer integer, price integer, code text, "Odd n" integer)')
op.execute("insert into customers select generate_series(1, 100)")
op.execute("insert into orders select i, i, i, 'c' || i, i from generate_series(1, 100) as i")"""
UPGRADE = """\
op.hf_set_not_null("orders", "price")
op.hf_set_not_null("orders", "Odd n")
op.hf_create_check("orders_price", "orders", "price >= 0 and code like 'c%' and orders.code <> 'x:y'")
op.hf_create_foreign_key(
    "orders_customer", "orders", "customers", ["customer"], ["id"],
    ondelete="CASCADE", deferrable=True, initially="DEFERRED",
)
op.hf_create_unique("orders_code", "orders", ["code"], deferrable=True, postgresql_include=["price"])
op.hf_create_index(
    "orders_low", "orders", [sa.text("lower(code)"), "price"], unique=True,
    postgresql_where=sa.text("price > 0 and code like 'c%'"), postgresql_include=["id"],
)
op.hf_add_enum_value("mood", "ok", after="sad")"""
DOWNGRADE = """\
op.hf_keep_enum_value("mood", "ok", after="sad")
op.hf_drop_index("orders_low", "orders")
op.hf_drop_constraint("orders_code", "orders", "unique")
op.hf_drop_constraint("orders_customer", "orders", "foreignkey")
op.hf_drop_constraint("orders_price", "orders", "check")
op.hf_drop_not_null("orders", "Odd n")
op.hf_drop_not_null("orders", "price")"""
AFRESH = ("drop table orders, customers", "drop type mood", *re.findall(r"""op.execute\(["'](.*)["']\)""", TABLES))
UNFINISHED = "select 1 from pg_index where not indisvalid union all select 1 from pg_constraint where not convalidated"
NAIVE = """\
alter table orders alter price set not null, alter "Odd n" set not null;
alter table orders add constraint orders_price check (price >= 0 and code like 'c%' and code <> 'x:y');
alter table orders add constraint orders_customer foreign key (customer) references customers
    on delete cascade deferrable initially deferred;
alter table orders add constraint orders_code unique (code) include (price) deferrable;
create unique index orders_low on orders (lower(code), price) include (id) where price > 0 and code like 'c%';
alter type mood add value 'ok' after 'sad';
update alembic_version set version_num = 'b';"""


@pytest.fixture
def migrations(tmp_path: Path) -> Callable[..., Scripts]:
    def make(url: str, upgrade: str = UPGRADE, downgrade: str = DOWNGRADE, env: str = SAFE) -> Scripts:
        scripts = Scripts(tmp_path / "migrations", url, env)
        scripts.add("a", TABLES)
        scripts.add("b", upgrade, downgrade)
        return scripts

    return make


@pytest.mark.all_versions
def test_the_schema_is_as_the_naive_statements_make_it(
    postgresql_database: str, migrations: Callable[..., Scripts]
) -> None:
    url = postgresql_database
    scripts = migrations(url)
    scripts.upgrade("a")
    before = pg_dump_schema(url)
    scripts.upgrade("b")
    safe_schema = pg_dump_schema(url)
    scripts.downgrade("a")
    # An enum keeps its values.
    assert pg_dump_schema(url) == before.replace("'sad',\n", "'sad',\n    'ok',\n")
    psql(url, NAIVE.replace("add value", "add value if not exists"))
    assert pg_dump_schema(url) == safe_schema


def test_an_asynchronous_driver_and_the_script_do_the_same(
    postgresql_database: str, migrations: Callable[..., Scripts]
) -> None:
    url = postgresql_database
    scripts = migrations(url)
    scripts.upgrade("a")
    script = scripts.sql("a:b")
    (scripts.folder / "env.py").write_text(
        ASYNC.replace('"sqlalchemy.url")', '"sqlalchemy.url").replace("psycopg", "asyncpg")')
    )
    scripts.upgrade("b")
    online = pg_dump_schema(url)
    scripts.downgrade("a")
    psql(url, script)
    assert pg_dump_schema(url) == online
    assert "%%" not in script


TAKEN = [
    ("alter table orders add constraint c check (price > -1)", "op.hf_create_check('c', 'orders', 'price > 0')"),
    ("alter table orders add constraint c unique (code)", "op.hf_create_check('c', 'orders', 'price > 0')"),
    ("alter table orders add constraint c unique (price)", "op.hf_create_unique('c', 'orders', ['code'])"),
    ("create index c on orders (code)", "op.hf_create_unique('c', 'orders', ['code'])"),
    ("create unique index c on customers (id)", "op.hf_create_unique('c', 'orders', ['id'])"),
    ("create index c on orders (code) where price > 0", "op.hf_create_index('c', 'orders', ['code'])"),
    ("create index c on orders (code) include (price)", "op.hf_create_index('c', 'orders', ['code'])"),
    (
        "alter table orders add constraint c foreign key (customer) references customers",
        "op.hf_create_foreign_key('c', 'orders', 'customers', ['customer'], ['id'], ondelete='CASCADE')",
    ),
    (
        "alter table orders add constraint c foreign key (customer) references customers",
        "op.hf_create_foreign_key('c', 'orders', 'customers', ['price'], ['id'])",
    ),
    ("alter type mood add value 'ok'", "op.hf_add_enum_value('mood', 'ok', before='happy')"),
    (
        "alter table orders add constraint hf_orders_price_not_null check (price > 0)",
        "op.hf_set_not_null('orders', 'price')",
    ),
]


def test_what_is_there_by_that_name_must_be_the_same(
    postgresql_database: str, migrations: Callable[..., Scripts]
) -> None:
    url = postgresql_database
    scripts = migrations(url, "pass", "pass")
    scripts.upgrade("a")
    for taken, upgrade in TAKEN:
        run(url, taken)
        before = schema(url)
        scripts.replace("b", upgrade)
        with pytest.raises(MigrationError, match="HF462"):
            scripts.upgrade("b")
        assert schema(url) == before, taken
        run(url, *AFRESH)
    scripts.upgrade("b")


BROKEN = [
    ("price = null where id = 3", "price = 3 where id = 3", "op.hf_set_not_null('orders', 'price')"),
    ("price = -1 where id = 3", "price = 3 where id = 3", "op.hf_create_check('c', 'orders', 'price > 0')"),
    ("code = 'c1' where id = 3", "code = 'c3' where id = 3", "op.hf_create_unique('c', 'orders', ['code'])"),
    (
        "customer = 0 where id = 3",
        "customer = 3 where id = 3",
        "op.hf_create_foreign_key('c', 'orders', 'customers', ['customer'], ['id'])",
    ),
    (
        "code = 'c1' where id = 3",
        "code = 'c3' where id = 3",
        "op.hf_create_index('c', 'orders', ['code'], unique=True)",
    ),
]


def test_rows_that_break_it_are_mended_and_it_goes_on(
    postgresql_database: str, migrations: Callable[..., Scripts]
) -> None:
    url = postgresql_database
    scripts = migrations(url, "pass", "pass")
    scripts.upgrade("a")
    wanted = schema(url)
    for broken, mended, upgrade in BROKEN:
        run(url, f"update orders set {broken}")
        scripts.replace("b", upgrade)
        with pytest.raises(MigrationError, match="HF460") as caught:
            scripts.upgrade("b")
        assert schema(url) != wanted
        psql(url, caught.value.hint.partition("To give it up: ")[2])
        assert schema(url) == wanted, upgrade
        with pytest.raises(MigrationError, match="HF460"):
            scripts.upgrade("b")
        run(url, f"update orders set {mended}")
        scripts.upgrade("b")
        with pytest.raises(sa.exc.IntegrityError):
            run(url, f"update orders set {broken}")
        assert rows(url, UNFINISHED) == [], upgrade
        run(url, *AFRESH, "update alembic_version set version_num = 'a'")


def test_names_that_need_quotes_in_another_schema(postgresql_database: str, migrations: Callable[..., Scripts]) -> None:
    url = postgresql_database
    scripts = migrations(
        url,
        """\
op.hf_set_not_null("Order's", "select", schema="Odd s")
op.hf_create_check("Check 1", "Order's", sa.column("select") > 0, schema="Odd s")
op.hf_create_foreign_key("Key 1", "Order's", "customers", ["select"], ["id"], source_schema="Odd s")
op.hf_create_unique("Unique 1", "Order's", ["select"], schema="Odd s")
op.hf_create_index("Index 1", "Order's", ["select"], schema="Odd s")
op.hf_add_enum_value("Mood", "it's", before="sad", schema="Odd s")""",
        """\
op.hf_drop_index("Index 1", "Order's", schema="Odd s")
op.hf_drop_constraint("Unique 1", "Order's", schema="Odd s")
op.hf_drop_constraint("Key 1", "Order's", schema="Odd s")
op.hf_drop_constraint("Check 1", "Order's", schema="Odd s")
op.hf_drop_not_null("Order's", "select", schema="Odd s")""",
    )
    scripts.upgrade("a")
    run(url, 'create schema "Odd s"', """create type "Odd s"."Mood" as enum ('sad')""")
    run(url, """create table "Odd s"."Order's" ("select" integer)""", 'insert into "Odd s"."Order\'s" values (1)')
    before = pg_dump_schema(url)
    scripts.upgrade("b")
    run(url, "update alembic_version set version_num = 'a'")
    # All of it is there, so it is done.
    scripts.upgrade("b")
    scripts.downgrade("a")
    assert pg_dump_schema(url) == before.replace("    'sad'\n", "    'it''s',\n    'sad'\n")


def test_tables_with_partitions(postgresql_database: str, migrations: Callable[..., Scripts]) -> None:
    scripts = migrations(postgresql_database, "op.hf_create_index('i', 'events', ['at'])")
    scripts.upgrade("a")
    run(postgresql_database, "create table events (at date) partition by range (at)")
    with pytest.raises(MigrationError, match="HF461") as caught:
        scripts.upgrade("b")
    assert "ATTACH PARTITION" in caught.value.hint


def test_with_an_env_that_has_one_transaction_for_all(
    postgresql_database: str, migrations: Callable[..., Scripts]
) -> None:
    """Alembic's own template; and one that leaves Alembic no way to commit."""
    scripts = migrations(postgresql_database, env=STOCK)
    scripts.upgrade()
    scripts.downgrade("a")
    (scripts.folder / "env.py").write_text(STOCK.replace("engine.connect()", "engine.begin()"))
    with pytest.raises(MigrationError, match="HF463"):
        scripts.upgrade("b")


OPERATIONS: list[Any] = [
    safe.SetNotNullOp("orders", "price", schema="shop"),
    safe.CreateCheckOp("c", "orders", sa.text("price > 0 and code <> 'a\\:b' and x::int = 1")),
    safe.CreateCheckOp("c", "orders", sa.column("price") > 0),
    safe.CreateForeignKeyOp("f", "orders", "customers", ["a", "b"], ["c", "d"], ondelete="CASCADE", deferrable=True),
    safe.CreateUniqueOp("u", "orders", ["code"], initially="DEFERRED", postgresql_include=["price"]),
    safe.CreateIndexOp("i", "orders", ["a", sa.text("lower(b)")], unique=True, postgresql_where=sa.text("a > 0")),
    safe.AddEnumValueOp("mood", "it's", before="sad"),
]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: type(each).__name__)
def test_written_into_a_revision_and_read_again(operation: Any) -> None:
    """A revision with the operation, and with its reverse, gives the same SQL as the operation itself."""

    from alembic.operations import Operations

    def sql(carry_out: Callable[[Operations], object]) -> str:
        buffer = io.StringIO()
        context = MigrationContext.configure(dialect_name="postgresql", opts={"as_sql": True, "output_buffer": buffer})
        carry_out(Operations(context))
        return buffer.getvalue()

    for each in (operation, operation.reverse(), operation.reverse().reverse()):
        context = MigrationContext.configure(dialect_name="postgresql")
        text = render_python_code(ops.UpgradeOps(ops=[each]), migration_context=context)
        code = "\n".join(line for line in textwrap.dedent(text).splitlines() if not line.lstrip().startswith("#"))
        code = textwrap.dedent(code)
        written = sql(lambda op, code=code: exec(code, {"op": op, "sa": sa}))
        assert written == sql(lambda op, each=each: op.invoke(each))
    assert sql(lambda op: op.invoke(operation.reverse().reverse())) == sql(lambda op: op.invoke(operation))


def test_what_was_dropped_unseen_cannot_come_back() -> None:
    with pytest.raises(MigrationError, match="HF461"):
        safe.DropIndexOp("i", "orders").reverse()
    with pytest.raises(MigrationError, match="HF461"):
        safe.DropConstraintOp("c", "orders").reverse()


def test_an_index_that_another_session_builds(postgresql_database: str, migrations: Callable[..., Scripts]) -> None:
    scripts = migrations(postgresql_database, "op.hf_create_index('i', 'orders', ['code'])")
    scripts.upgrade("a")

    def build() -> None:
        with connected(postgresql_database) as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.exec_driver_sql("create index concurrently i on orders (code)")

    with ThreadPoolExecutor(1) as threads, connected(postgresql_database) as holder:
        holder.exec_driver_sql("update orders set price = 1 where id = 1")
        building = threads.submit(build)
        until(lambda: rows(postgresql_database, "select 1 from pg_stat_progress_create_index"))
        with pytest.raises(LockedError, match="HF455"):
            scripts.upgrade("b")
        holder.rollback()
    building.result()
    scripts.upgrade("b")


SQLITE_TABLES = """\
op.execute("create table customers (id integer primary key)")
op.execute("create table orders (id integer primary key, customer integer, price integer, code text)")
op.execute("insert into customers values (1)")
op.execute("insert into orders values (1, 1, 1, 'c')")"""
SQLITE_UPGRADE = """\
op.hf_set_not_null("orders", "price")
op.hf_create_check("orders_price", "orders", "price >= 0")
op.hf_create_foreign_key("orders_customer", "orders", "customers", ["customer"], ["id"], ondelete="CASCADE")
op.hf_create_unique("orders_code", "orders", ["code"])
op.hf_create_index("orders_customer_code", "orders", ["customer", "code"], unique=True)
op.hf_add_enum_value("mood", "ok", after="sad")"""
SQLITE_DOWNGRADE = """\
op.hf_drop_index("orders_customer_code", "orders")
op.hf_drop_constraint("orders_code", "orders", "unique")
op.hf_drop_constraint("orders_customer", "orders", "foreignkey")
op.hf_drop_constraint("orders_price", "orders", "check")
op.hf_drop_not_null("orders", "price")"""


def test_sqlite(sqlite_database: str, tmp_path: Path) -> None:
    scripts = Scripts(tmp_path / "migrations", sqlite_database)
    scripts.add("a", SQLITE_TABLES)
    scripts.add("b", SQLITE_UPGRADE, SQLITE_DOWNGRADE)
    scripts.upgrade()
    with connected(sqlite_database) as connection:
        found = sa.inspect(connection)
        assert {each["name"]: each["nullable"] for each in found.get_columns("orders")}["price"] is False
        assert [each["name"] for each in found.get_check_constraints("orders")] == ["orders_price"]
        assert [each["options"] for each in found.get_foreign_keys("orders")] == [{"ondelete": "CASCADE"}]
        assert [each["name"] for each in found.get_unique_constraints("orders")] == ["orders_code"]
        assert [each["name"] for each in found.get_indexes("orders")] == ["orders_customer_code"]
        assert connection.exec_driver_sql("select * from orders").all() == [(1, 1, 1, "c")]
    scripts.downgrade("a")
    with connected(sqlite_database) as connection:
        found = sa.inspect(connection)
        assert all(each["nullable"] for each in found.get_columns("orders") if each["name"] != "id")
        assert not found.get_check_constraints("orders") + found.get_foreign_keys("orders")
        assert not found.get_unique_constraints("orders") + found.get_indexes("orders")


@pytest.mark.parametrize(
    "hanging",
    [
        "create trigger t after insert on orders begin select 1; end",
        "create index orders_low on orders (lower(code))",
        "create table lines (id integer primary key, of_order integer references orders on delete cascade)",
    ],
)
def test_sqlite_nothing_is_lost_with_the_old_table(sqlite_database: str, tmp_path: Path, hanging: str) -> None:
    env = SAFE.replace(
        "    with engine.connect() as connection:\n",
        "    with engine.connect() as connection:\n"
        "        connection.exec_driver_sql('pragma foreign_keys = on')\n        connection.commit()\n",
    )
    scripts = Scripts(tmp_path / "migrations", sqlite_database, env)
    scripts.add("a", SQLITE_TABLES)
    scripts.add("b", f"op.execute({hanging!r})\nop.hf_set_not_null('orders', 'price')")
    scripts.upgrade()
    assert (hanging.replace("create trigger", "CREATE TRIGGER"),) in [
        (str(sql).replace("CREATE INDEX", "create index").replace("CREATE TABLE", "create table"),)
        for (sql,) in rows(sqlite_database, "select sql from sqlite_schema")
    ]
