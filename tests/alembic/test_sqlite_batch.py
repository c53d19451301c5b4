"""A batch on SQLite: what hangs on the table is there afterwards, and a batch that fails has done nothing."""

from __future__ import annotations

import itertools
import re
import sqlite3
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import alembic.command
import pytest
import sqlalchemy as sa
from sqlalchemy import Engine, event

import holdfast.sqlalchemy
from holdfast import Audit, SoftDelete, Timestamps, Version
from holdfast.errors import HoldfastError, MigrationError
from holdfast.sqlalchemy import protect
from tests.alembic.scripts import ASYNC, SAFE, STOCK, Scripts, connected, rows, run
from tests.harness import Protected

KEYS_ON = "        connection.exec_driver_sql('pragma foreign_keys = on')\n        connection.commit()\n"
ENV = SAFE.replace("    with engine.connect() as connection:\n", "    with engine.connect() as connection:\n" + KEYS_ON)
ENV += '        config.attributes["keys"] = connection.exec_driver_sql("pragma foreign_keys").scalar()\n'
STOCK_ENV = STOCK.replace(
    "    with engine.connect() as connection:\n", "    with engine.connect() as connection:\n" + KEYS_ON
)
WIDER = 'with op.batch_alter_table("customers") as batch:\n    batch.alter_column("name", type_=sa.String(200))'
SHOP = (
    "create table customers (id integer primary key, name varchar(10))",
    "create table orders (id integer primary key, customer integer references customers (id) on delete cascade)",
    "insert into customers values (1, 'Ada'), (2, 'Bob')",
    "insert into orders values (1, 1), (2, 1), (3, 2)",
)
# One of each kind, written by hand.
EVERYTHING = (
    "create table kinds (code text primary key collate nocase) without rowid",
    "insert into kinds values ('new')",
    """create table orders (
        id integer primary key autoincrement, -- "the key", it's
        [first name] text collate nocase not null default 'a, b',
        kind text references kinds on delete set null on update cascade deferrable initially deferred,
        parent integer constraint own references orders (id) on delete cascade,
        net numeric(10, 2) default (1 + 1) check (net > -5),
        gross numeric generated always as (net * 2) stored,
        twice numeric as (net + net),
        "a ""quoted"" one" blob default x'00',
        constraint positive check (net <> 7 and "first name" <> 'it''s, (not)'),
        check (id > 0), unique ("first name", kind) on conflict ignore)""",
    "insert into orders (id, \"first name\", kind) values (5, 'Ada', 'new'), (900, 'Bob', null)",
    "delete from orders where id = 900",
    "create table lines (of_order integer references orders on delete cascade, what text) strict",
    "insert into lines values (5, 'x')",
    'create index low on orders (lower("first name") desc) where net > 0',
    "create unique index once on orders (kind, net)",
    "create view cheap as select * from orders where net < 10",
    "create trigger cheaper instead of delete on cheap begin select 1; end",
    "create trigger touched after update of net on orders when new.net > 1 begin update lines set what = 'y'; end",
    "create trigger of_line after insert on lines begin update orders set net = net; end",
    "analyze",
)


def migrations(folder: Path, url: str, upgrade: str, downgrade: str = "pass", *, env: str = ENV) -> Scripts:
    scripts = Scripts(folder / "migrations", url, env)
    scripts.add("a", "pass")
    scripts.add("b", upgrade, downgrade)
    scripts.upgrade("a")
    return scripts


def content(url: str) -> list[str]:
    """All there is, with the numbers of rows, as SQLite itself writes it down."""
    connection = sqlite3.connect(url.removeprefix("sqlite:///"))
    try:
        return [*connection.iterdump()]
    finally:
        connection.close()


def normal(url: str) -> dict[str, str]:
    """Names to SQL, as if nobody had chosen where to break lines or which quotes to use around the table's name."""
    found = rows(url, "select type || ' ' || name, sql from sqlite_schema where sql is not null")
    return {
        str(name): re.sub(r'(?i)^create table "?(\w+)"?', r"create table \1", _one_line(str(sql)))
        for name, sql in found
    }


def _one_line(sql: str) -> str:
    return re.sub(r" ?([(),]) ?", r"\1", " ".join(re.sub(r"--[^\n]*", "", sql).split()))


def test_children_are_lost_with_alembics_own_and_none_is_with_ours(sqlite_database: str, tmp_path: Path) -> None:
    run(sqlite_database, *SHOP)
    before = content(sqlite_database)
    scripts = migrations(tmp_path, sqlite_database, WIDER, env=STOCK_ENV)
    scripts.upgrade()
    assert rows(sqlite_database, "select count(*) from orders") == [(0,)]
    run(sqlite_database, "drop table orders", "drop table customers", "drop table alembic_version", *SHOP)
    assert content(sqlite_database) == before
    (scripts.folder / "env.py").write_text(ENV)
    scripts.add("c", "assert op.get_bind().exec_driver_sql('pragma foreign_keys').scalar() == 1")
    config = scripts.config()
    alembic.command.upgrade(config, "head")
    assert config.attributes["keys"] == 1
    assert rows(sqlite_database, "select * from orders") == [(1, 1), (2, 1), (3, 2)]
    assert "VARCHAR(200)" in normal(sqlite_database)["table customers"]
    with connected(sqlite_database) as connection:
        connection.exec_driver_sql("pragma foreign_keys = on")
        connection.exec_driver_sql("delete from customers where id = 1")
        assert connection.exec_driver_sql("select id from orders").all() == [(3,)]


def test_with_an_engine_that_is_bound(sqlite_database: str, tmp_path: Path) -> None:
    """It begins transactions itself, and has foreign keys on."""
    run(sqlite_database, *SHOP)
    bound = "    engine = create_engine(url, poolclass=NullPool)\n    holdfast.sqlalchemy.bind(engine)\n"
    env = ENV.replace("    engine = create_engine(url, poolclass=NullPool)\n", bound).replace(KEYS_ON, "")
    scripts = migrations(tmp_path, sqlite_database, WIDER, env="import holdfast.sqlalchemy\n" + env)
    config = scripts.config()
    alembic.command.upgrade(config, "head")
    assert config.attributes["keys"] == 1
    assert rows(sqlite_database, "select count(*) from orders") == [(3,)]


def test_nothing_but_foreign_keys_off_saves_the_children(sqlite_database: str) -> None:
    """And within a transaction that does nothing: so the revision has to begin anew."""
    run(sqlite_database, *SHOP)
    connection = sqlite3.connect(sqlite_database.removeprefix("sqlite:///"), isolation_level=None)
    connection.execute("pragma foreign_keys = on")
    connection.execute("begin immediate")
    for pragma in ("foreign_keys = off", "defer_foreign_keys = on", "legacy_alter_table = on"):
        connection.execute(f"pragma {pragma}")
    connection.execute("drop table customers")
    assert connection.execute("select count(*) from orders").fetchall() == [(0,)]
    connection.execute("rollback")
    connection.close()


def test_all_that_hangs_on_a_table_is_kept(sqlite_database: str, tmp_path: Path) -> None:
    run(sqlite_database, *EVERYTHING)
    upgrade = 'with op.batch_alter_table("orders", recreate="always") as batch:\n    pass'
    for env in (ENV, SAFE):
        scripts = migrations(tmp_path / str(env == ENV), sqlite_database, upgrade, env=env)
        before, schema, statistics = content(sqlite_database), normal(sqlite_database), _statistics(sqlite_database)
        scripts.upgrade()
        assert normal(sqlite_database) == schema
        assert _statistics(sqlite_database) == statistics
        assert _rows(content(sqlite_database)) == _rows(before)
        run(sqlite_database, "drop table alembic_version")
    run(sqlite_database, "insert into orders (\"first name\") values ('Eve')")
    assert rows(sqlite_database, "select max(id) from orders") == [(901,)]


def _rows(dump: list[str]) -> list[str]:
    return [each for each in dump if "INTO" in each and "alembic" not in each and "sqlite_stat" not in each]


def _statistics(url: str) -> list[Any]:
    return rows(url, "select * from sqlite_stat1 where tbl = 'orders' order by idx")


CHANGES = """\
with op.batch_alter_table("orders") as batch:
    batch.alter_column("net", nullable=False, type_=sa.Numeric(12, 2), server_default="3")
    batch.alter_column("first name", new_column_name="name")
    batch.add_column(sa.Column("note", sa.String(5), sa.ForeignKey("kinds.code", name="k"), server_default="new"))
    batch.add_column(sa.Column("made", sa.DateTime, server_default=sa.text("current_timestamp")), insert_after="id")
    batch.drop_constraint("positive", type_="check")
    batch.drop_constraint("own", type_="foreignkey")
    batch.create_check_constraint("positive", "net <> 8")
    batch.create_unique_constraint("u", ["name", "note"])
    batch.drop_index("once")
    batch.create_index("made", ["made", "net"])"""
BACK = """\
with op.batch_alter_table("orders") as batch:
    batch.drop_index("made")
    batch.drop_constraint("u", type_="unique")
    batch.drop_constraint("k", type_="foreignkey")
    batch.drop_column("note")
    batch.drop_column("made")
    batch.drop_constraint("positive", type_="check")
    batch.create_check_constraint("positive", "net <> 7 and \\"first name\\" <> 'it''s, (not)'")
    batch.create_foreign_key("own", "orders", ["parent"], ["id"], ondelete="CASCADE")
    batch.alter_column("name", new_column_name="first name")
    batch.alter_column("net", nullable=True, type_=sa.Numeric(10, 2), server_default=sa.text("(1 + 1)"))
    batch.create_index("once", ["kind", "net"], unique=True)"""


def test_changes_of_every_kind_and_back(sqlite_database: str, tmp_path: Path) -> None:
    run(sqlite_database, *EVERYTHING, "drop view cheap")
    before, held = normal(sqlite_database), rows(sqlite_database, "select * from orders")
    scripts = migrations(tmp_path, sqlite_database, CHANGES, BACK)
    scripts.upgrade()
    schema = normal(sqlite_database)
    orders = schema["table orders"]
    columns = rows(sqlite_database, "select name from pragma_table_xinfo('orders') order by cid")
    assert [name for (name,) in columns] == [
        "id", "made", "name", "kind", "parent", "net", "gross", "twice", 'a "quoted" one', "note",
    ]  # fmt: skip
    for kept in (
        "integer primary key autoincrement", "collate nocase not null default 'a,b'",
        "on delete set null on update cascade",
        "check(net > -5)", "generated always as(net * 2)stored", "default x'00'", "check(id > 0)", "on conflict ignore",
        "NUMERIC(12,2)NOT NULL", "CHECK(net <> 8)", "UNIQUE(name,note)",
    ):  # fmt: skip
        assert kept in orders or kept.replace("(12,2)NOT", "(12,2) NOT") in orders, (kept, orders)
    assert "references orders" not in orders
    assert schema["index low"].startswith('CREATE INDEX low on orders(lower("name")desc)where net > 0')
    assert "index once" not in schema
    assert "index made" in schema
    assert {"trigger touched", "trigger of_line"} < set(schema)
    assert rows(sqlite_database, "select name, net, gross, note from orders") == [("Ada", 2, 4, "new")]
    with pytest.raises(sa.exc.IntegrityError, match="positive"):
        run(sqlite_database, "update orders set net = 8")
    scripts.downgrade("a")
    after = normal(sqlite_database)
    assert rows(sqlite_database, "select * from orders") == held
    assert {name: sql for name, sql in after.items() if name not in OTHERS} == {
        name: sql.replace("unique index", "UNIQUE INDEX") if name == "index once" else sql
        for name, sql in before.items()
        if name != "table orders"
    } | {"index once": after["index once"], "index low": after["index low"]}
    scripts.upgrade()
    assert normal(sqlite_database)["table orders"] == orders


OTHERS = {"table orders", "table alembic_version", "table holdfast_revision"}
REFUSED = {
    "trigger": ('batch.drop_column("net")', "HF471", "trigger touched"),
    "generated": ('batch.drop_column("net")', "HF471", "GENERATED of column gross"),
    "view": ('batch.drop_column("net")', "HF471", "view cheap"),
    "check": ('batch.drop_column("first name")', "HF471", "CHECK positive"),
    "index": ('batch.drop_column("kind")', "HF471", "index once"),
    "child": ('batch.drop_column("id")', "HF471", "CHECK without a name"),
    "rename": ('batch.alter_column("net", new_column_name="gross")', "HF471", "duplicate column name"),
    "column": ('batch.alter_column("no", nullable=True)', "HF473", "no column no"),
    "constraint": ('batch.drop_constraint("no", type_="check")', "HF473", "no constraint no"),
    "sql": ('batch.create_check_constraint("c", "no > 1")', "HF473", "no such column: no"),
    "rows": ('batch.create_check_constraint("c", "net > 5")', "HF460", "CHECK constraint failed"),
    "nulls": ('batch.alter_column("parent", nullable=False)', "HF460", "NOT NULL"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_done_is_said_and_nothing_is(sqlite_database: str, tmp_path: Path, case: str) -> None:
    change, code, reason = REFUSED[case]
    run(sqlite_database, *EVERYTHING)
    upgrade = f'op.execute("delete from lines")\nwith op.batch_alter_table("orders") as batch:\n    {change}'
    scripts = migrations(tmp_path, sqlite_database, upgrade)
    before = content(sqlite_database)
    with pytest.raises(MigrationError, match=code) as caught:
        scripts.upgrade()
    assert reason in str(caught.value)
    assert content(sqlite_database) == before


def test_constraints_without_a_name(sqlite_database: str, tmp_path: Path) -> None:
    run(
        sqlite_database,
        "create table customers (id integer primary key)",
        "create table orders (id integer primary key, customer integer, code text unique, "
        "flag boolean check (flag in (0, 1)), foreign key (customer) references customers (id))",
    )
    upgrade = """\
names = {"fk": "fk_%(table_name)s_%(column_0_name)s", "uq": "uq_%(table_name)s_%(column_0_name)s"}
with op.batch_alter_table("orders", naming_convention=names) as batch:
    batch.drop_constraint("fk_orders_customer", type_="foreignkey")
    batch.drop_constraint("uq_orders_code", type_="unique")
with op.batch_alter_table("orders") as batch:
    batch.drop_column("flag")"""
    migrations(tmp_path, sqlite_database, upgrade).upgrade()
    assert normal(sqlite_database)["table orders"] == (
        'create table orders(id integer primary key,customer integer,"code" text)'
    )


def test_a_foreign_key_that_would_find_nothing(sqlite_database: str, tmp_path: Path) -> None:
    """By the batch, and by what else the revision does while ON DELETE does nothing."""
    run(sqlite_database, *SHOP, "create table notes (customer integer)", "insert into notes values (9)")
    new_key = """\
with op.batch_alter_table("notes") as batch:
    batch.create_foreign_key("k", "customers", ["customer"], ["id"])"""
    scripts = migrations(tmp_path, sqlite_database, new_key)
    for upgrade, found in (
        (new_key, "row 1 of notes refers to a row of customers"),
        (f'op.execute("delete from customers where id = 1")\n{WIDER}', "row 1 of orders"),
        (f'{WIDER}\nop.execute("delete from customers where id = 1")', "row 1 of orders"),
    ):
        scripts.replace("b", upgrade)
        before = content(sqlite_database)
        with pytest.raises(MigrationError, match="HF472") as caught:
            scripts.upgrade()
        assert found in str(caught.value)
        assert content(sqlite_database) == before
    # What was broken before is told, and is no reason.
    run(sqlite_database, "insert into orders values (4, 77)")
    scripts.replace("b", WIDER)
    said: list[str] = []
    scripts.upgrade(say=said.append)
    assert "row 4 of orders" in "".join(said)


class _Killed(Exception):
    pass


@contextmanager
def killed(at: int) -> Iterator[list[str]]:
    """The process is gone before that statement that writes, as far as the database can tell."""
    seen: list[str] = []

    def listener(connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.lower().startswith(("create", "insert", "drop", "alter", "release", "update")):
            seen.append(statement)
            if len(seen) == at:
                connection.connection.driver_connection.close()
                raise _Killed

    event.listen(Engine, "before_cursor_execute", listener)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", listener)


def test_killed_at_each_statement_it_has_done_nothing(sqlite_database: str, tmp_path: Path) -> None:
    run(sqlite_database, *EVERYTHING)
    scripts = migrations(
        tmp_path,
        sqlite_database,
        'with op.batch_alter_table("orders") as batch:\n    batch.alter_column("parent", type_=sa.Text)',
    )
    before = content(sqlite_database)
    for at in itertools.count(1):
        with killed(at) as seen, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                scripts.upgrade()
            except (_Killed, sa.exc.SQLAlchemyError, sqlite3.Error, HoldfastError):
                assert content(sqlite_database) == before, seen[-1]
            else:
                break
    assert at > 8
    assert "TEXT" in normal(sqlite_database)["table orders"]


def _protected() -> sa.MetaData:
    metadata = sa.MetaData()
    columns = [sa.Column(each, sa.DateTime) for each in ("deleted_at", "created_at", "updated_at")]
    policies = (Audit(), SoftDelete(), Version(), Timestamps())
    protect(*policies)(
        sa.Table(
            "customers", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.String(10)),
            sa.Column("note", sa.Text), *columns, sa.Column("version", sa.Integer, nullable=False, server_default="1"),
        )
    )  # fmt: skip
    protect(Audit(), SoftDelete())(
        sa.Table(
            "orders", metadata, sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("customer", sa.ForeignKey("customers.id", ondelete="CASCADE")),
            sa.Column("deleted_at", sa.DateTime),
        )
    )  # fmt: skip
    return metadata


def test_protection_and_history_go_on(sqlite_database: str, tmp_path: Path) -> None:
    metadata = _protected()
    engine = sa.create_engine(sqlite_database)
    metadata.create_all(engine)
    holdfast.sqlalchemy.install(engine, metadata)
    engine.dispose()
    run(
        sqlite_database,
        "insert into customers (id, name, note) values (1, 'Ada', 'x'), (2, 'Bob', 'y')",
        "insert into orders (id, customer) values (1, 1), (2, 1), (3, 2)",
    )
    run(sqlite_database, "delete from customers where id = 1")
    shop = Protected(sqlite_database)
    deleted = shop.last_transaction()
    recorded = rows(sqlite_database, "select * from holdfast_change")
    upgrade = """\
with op.batch_alter_table("customers") as batch:
    batch.alter_column("name", type_=sa.String(200))
with op.batch_alter_table("customers") as batch:
    batch.alter_column("name", new_column_name="full_name")
    batch.drop_column("note")
    batch.add_column(sa.Column("memo", sa.Text), insert_after="name")
with op.batch_alter_table("orders") as batch:
    batch.create_check_constraint("c", "id > 0")"""
    scripts = migrations(tmp_path, sqlite_database, upgrade)
    scripts.upgrade()
    assert rows(sqlite_database, "select * from holdfast_change") == recorded
    assert shop.status()
    assert not shop.drift()
    assert rows(
        sqlite_database, "select count(*) from holdfast_intervention where details like '%make the table anew%'"
    ) == [(3,)]
    shop.undo(deleted)
    assert rows(sqlite_database, "select id, full_name, memo, deleted_at from customers") == [
        (1, "Ada", None, None), (2, "Bob", None, None),
    ]  # fmt: skip
    assert rows(sqlite_database, "select count(*) from orders where deleted_at is null") == [(3,)]
    run(sqlite_database, "update customers set full_name = 'Eve', memo = 'z' where id = 2")
    [last] = shop.log("customers", limit=1)
    assert last.after is not None
    assert (last.after["full_name"], last.after["memo"]) == ("Eve", "z")
    # What protection stands on cannot go with a batch.
    scripts.add("c", 'with op.batch_alter_table("customers") as batch:\n    batch.drop_column("deleted_at")')
    before = content(sqlite_database)
    with pytest.raises(MigrationError, match="HF474"):
        scripts.upgrade()
    assert content(sqlite_database) == before


def test_many_rows_and_an_asynchronous_engine(sqlite_database: str, tmp_path: Path) -> None:
    many = "with recursive n (i) as (select 1 union all select i + 1 from n where i < 50000) "
    run(sqlite_database, SHOP[0], SHOP[1], f"insert into customers {many} select i, 'c' || i from n")
    run(sqlite_database, f"insert into orders {many} select i, i from n")
    env = ASYNC.replace(
        "    async with engine.connect() as connection:\n",
        "    async with engine.connect() as connection:\n"
        "        await connection.exec_driver_sql('pragma foreign_keys = on')\n        await connection.commit()\n",
    )
    url = sqlite_database.replace("sqlite:", "sqlite+aiosqlite:")
    migrations(tmp_path, url, WIDER, env=env).upgrade()
    assert rows(sqlite_database, "select count(*), sum(c.id) from customers as c join orders on customer = c.id") == [
        (50_000, 1_250_025_000)
    ]
    assert "VARCHAR(200)" in normal(sqlite_database)["table customers"]


def test_where_it_cannot_be_safe(sqlite_database: str, tmp_path: Path) -> None:
    run(sqlite_database, *SHOP)
    scripts = migrations(tmp_path, sqlite_database, "pass")
    inside = "\n    ".join(["with op.get_context().autocommit_block():", *WIDER.split("\n")])
    for upgrade in (
        inside,
        'with op.batch_alter_table("customers", table_kwargs={"sqlite_strict": True}) as b:\n    pass',
    ):
        scripts.replace("b", upgrade)
        before = content(sqlite_database)
        with pytest.raises(MigrationError, match="HF470"):
            scripts.upgrade()
        assert content(sqlite_database) == before
