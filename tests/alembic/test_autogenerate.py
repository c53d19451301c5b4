"""What autogenerate writes, and what ``alembic check`` sees."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table, Text
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.pool import NullPool

from holdfast import Audit, Guard, SoftDelete, Timestamps, Version
from holdfast.database import Database
from holdfast.dialects import dialect_for
from holdfast.errors import DeclarationError, DriftError
from holdfast.evidence.sealing import seal
from holdfast.evidence.verifying import verify
from holdfast.inspector import inspect
from holdfast.sqlalchemy import UTCDateTime, bind, install, protect, unique_live
from holdfast.status import status
from tests.alembic.project import Project, operations
from tests.servers import psql

NAME = String(50)
POLICIES = (Audit(), SoftDelete())


def shop(*columns: Any, policies: Any = POLICIES, name: Any = NAME, schema: str | None = None) -> MetaData:
    metadata = MetaData(schema=schema)
    orders = Table(
        "orders", metadata, Column("id", Integer, primary_key=True),
        *([Column("name", name)] if name is not None else []), Column("deleted_at", UTCDateTime), *columns,
    )  # fmt: skip
    if policies:
        protect(*policies)(orders)
    return metadata


def started(database: str, tmp_path: Path, metadata: MetaData | None = None, **options: Any) -> Project:
    project = Project(tmp_path, database, metadata or shop(), holdfast_roles_apart=False, **options)
    project.revise()
    project.upgrade()
    assert project.drift() == ""
    return project


def test_protection_comes_in_the_revision_of_its_table(database: str, tmp_path: Path) -> None:
    project = Project(tmp_path, database, shop(), holdfast_roles_apart=False)
    revision = project.revise()
    orders = "public.orders" if "postgresql" in database else "main.orders"
    assert operations(revision) == [("hf_protect", "journal"), ("create_table", "orders"), ("hf_protect", orders)]
    assert operations(revision, "downgrade") == [
        ("hf_unprotect", orders), ("drop_table", "orders"), ("hf_unprotect", "journal"),
    ]  # fmt: skip
    assert "import holdfast.alembic\n" in revision
    assert "Audit(" not in revision
    project.upgrade()
    project.run("insert into orders (id, name) values (1, 'a')", "delete from orders")
    assert project.rows("select id, deleted_at is null from orders") == [(1, False)]
    journal = "holdfast.change" if "postgresql" in database else "holdfast_change"
    assert project.rows(f"select count(*) from {journal}") == [(2,)]
    # History is not thrown away by a downgrade.
    project.downgrade()
    assert project.rows(f"select count(*) from {journal}") == [(2,)]
    project.upgrade()
    assert project.drift() == ""


def test_another_front_agrees(database: str, tmp_path: Path) -> None:
    started(database, tmp_path)
    engine = sa.create_engine(database, poolclass=NullPool)
    with engine.connect() as connection:
        found = status(*inspect(connection, dialect_for(engine.name)))
    assert {each.state for each in found} == {"current"}


POSTGRESQL_DRIFT = {
    "mend function record_insert_": (
        "do $$ begin execute (select replace(pg_get_functiondef(p.oid), 'return null', 'return  null')"
        " from pg_proc as p where starts_with(proname, 'record_insert_')); end $$"
    ),
    "switch on trigger holdfast_record_update": "alter table orders disable trigger holdfast_record_update",
    "create trigger holdfast_record_delete": "drop trigger holdfast_record_delete on orders",
    "create function as_of": "drop function holdfast.as_of(anyelement, timestamptz)",
}
SQLITE_DRIFT = {
    "mend trigger holdfast_record_update": "drop {0}; create {0} after update on orders begin select 1; end",
    "create trigger holdfast_record_update": "drop {0}",
}


def test_check_sees_drift_and_a_revision_mends_it(database: str, tmp_path: Path) -> None:
    project = started(database, tmp_path)
    there = project.schema()
    for said, sql in (POSTGRESQL_DRIFT if "postgresql" in database else SQLITE_DRIFT).items():
        if "sqlite" in database:
            [(name,)] = project.rows("select name from sqlite_schema where name glob 'holdfast_record_update_*'")
            first, made, rest = sql.format(f"trigger {name}").partition("; create")
            project.run(first, *([f"create{rest}"] if made else []))
        else:
            project.run(sql)
        assert said in project.drift()
        revision = project.revise()
        # What is mended stays so.
        assert operations(revision, "downgrade") == []
        project.upgrade()
        assert project.drift() == ""
        assert project.schema() == there


def test_what_is_others_is_left_alone(postgresql_database: str, tmp_path: Path) -> None:
    project = started(postgresql_database, tmp_path, include_schemas=True)
    project.run(
        "create function mine() returns trigger language plpgsql as 'begin return new; end'",
        "create trigger holdfast_of_mine before insert on orders for each row execute function mine()",
        "create view orders_of_mine as select id from orders",
        "create policy holdfast_mine on orders using (true)",
    )
    assert project.drift() == ""
    assert "mine" not in project.revise()


MOVES: dict[str, Any] = {
    "a column retyped that a view shows": {"name": Text()},
    "a column dropped that a view shows": {"name": None},
    "no policy": {"policies": ()},
    "the mark's column renamed": {"policies": [Audit(), SoftDelete("removed_at", live_view=True)]},
}


def test_the_models_move_on_and_back(database: str, tmp_path: Path) -> None:
    before = [Audit(), SoftDelete(live_view=True)]
    project = started(database, tmp_path, shop(policies=before))
    for number, (move, after) in enumerate(MOVES.items()):
        columns = (Column("removed_at", UTCDateTime),) if "renamed" in move else ()
        project.metadata = shop(*columns, **{"policies": before, **after})
        project.revise()
        project.upgrade()
        assert (move, project.drift()) == (move, "")
        project.forget()
        project.metadata = shop(policies=before)
        # A column may lie elsewhere in the table now, and nothing has to be done about that.
        assert (move, project.drift()) == (move, "")
        project.run(f"insert into orders (id, name) values ({number}, 'a')", f"delete from orders where id = {number}")
        assert project.rows(f"select deleted_at is null from orders where id = {number}") == [(False,)]
        assert project.rows("select id from orders_live") == []


def test_a_rename_written_by_hand(postgresql_database: str, tmp_path: Path) -> None:
    project = started(postgresql_database, tmp_path)
    project.run("insert into orders values (1, 'a', null)", "update orders set name = 'b'")
    project.metadata = shop(Column("title", String(50)), name=None)
    project.revise()
    [path] = (project.folder / "versions").glob("r002_*.py")
    lines = path.read_text().splitlines()
    assert sum("column('orders'" in line for line in lines) == 4
    forth, back = (
        f"    op.alter_column('orders', {a!r}, new_column_name={b!r})"
        for a, b in [("name", "title"), ("title", "name")]
    )
    lines = [
        (forth if "sa.String" in line else back) if "op.add_column('orders'" in line else line
        for line in lines if "op.drop_column('orders'" not in line
    ]  # fmt: skip
    path.write_text("\n".join(lines))
    project.upgrade()
    assert project.drift() == ""
    project.run("update orders set title = 'c'")
    assert project.rows("select before from holdfast.timeline order by id desc limit 1") == [({"title": "b"},)]
    project.downgrade("r001")
    project.run("update orders set name = 'd'")
    assert project.rows("select before from holdfast.timeline order by id desc limit 1") == [({"name": "c"},)]


def test_a_script_makes_what_a_run_makes(database: str, tmp_path: Path, postgresql: Any) -> None:
    metadata = shop(policies=[Audit(), SoftDelete(live_view=True), Guard(max_rows=3)])
    project = started(database, tmp_path, metadata)
    there, script, back = project.schema(), project.sql(), project.sql_down("r001:base")
    if "sqlite" in database:
        project.url = f"sqlite:///{tmp_path / 'other.db'}"
        with sqlite3.connect(tmp_path / "other.db") as connection:
            connection.executescript(script)
        connection.close()
        assert project.schema() == there
        assert project.drift() == ""
        with sqlite3.connect(tmp_path / "other.db") as connection:
            connection.executescript(back)
        connection.close()
        assert (
            project.rows("select name from sqlite_schema where name like '%orders%' or tbl_name like '%orders%'") == []
        )
    else:
        with postgresql.new_database() as other:
            project.url = other
            psql(other, script)
            assert project.schema() == there
            assert project.drift() == ""
            psql(other, back)
            left = project.schema()
            assert "orders" not in left
            assert "holdfast" not in left


@pytest.mark.usefixtures("no_templates")
def test_several_schemas(postgresql_database: str, tmp_path: Path) -> None:
    project = Project(
        tmp_path, postgresql_database, [shop(), shop(schema="sales")], include_schemas=True, holdfast_roles_apart=True
    )
    project.run("create schema sales")
    project.revise()
    project.upgrade()
    assert project.drift() == ""
    project.run("insert into sales.orders values (1, 'a')")
    assert project.rows("select schema_name from holdfast.timeline") == [("sales",)]
    project.run("truncate holdfast.change")
    project.downgrade()
    assert project.rows("select 1 from pg_roles where rolname = 'holdfast'") == []


ASYNC = """\
import asyncio
from alembic import context
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
import holdfast.alembic

holdfast.alembic.setup()
config = context.config


def migrate(connection):
    context.configure(
        connection=connection, target_metadata=config.attributes["metadata"], **config.attributes["options"]
    )
    with context.begin_transaction():
        context.run_migrations()


async def main():
    engine = create_async_engine(config.get_main_option("sqlalchemy.url"), poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()


asyncio.run(main())
"""


@pytest.mark.parametrize("driver", ["postgresql+asyncpg", "sqlite+aiosqlite"])
def test_the_template_for_asynchronous_engines(request: Any, tmp_path: Path, driver: str) -> None:
    backend = driver.partition("+")[0]
    url = sa.make_url(request.getfixturevalue(f"{backend}_database")).set(drivername=driver)
    project = Project(
        tmp_path, url.render_as_string(hide_password=False), shop(), env=ASYNC, holdfast_roles_apart=False
    )
    project.revise()
    project.upgrade()
    assert project.drift() == ""
    project.downgrade()


def test_branches_that_know_nothing_of_each_other(database: str, tmp_path: Path) -> None:
    project = started(database, tmp_path)
    project.metadata = shop(Column("one", Integer))
    revision = project.revise()
    other = revision.replace("'one'", "'two'").replace('"one"', '"two"').replace("r002", "r003")
    (project.folder / "versions" / "r003_2.py").write_text(other)
    with pytest.raises(DriftError, match="HF451"):
        project.upgrade("heads")


def test_a_table_that_was_protected_before(sqlite_database: str, tmp_path: Path) -> None:
    project = started(sqlite_database, tmp_path)
    engine = sa.create_engine(sqlite_database, poolclass=NullPool)
    bind(engine)
    project.downgrade()
    project.metadata.create_all(engine)
    install(engine, project.metadata, roles_apart=False)
    # The journal calls the table by another number than the revision would.
    _without_create_table(project)
    with pytest.raises(DriftError, match="HF451"):
        project.upgrade()


def _without_create_table(project: Project) -> None:
    [path] = (project.folder / "versions").glob("r001_*.py")
    path.write_text(path.read_text().replace("op.create_table(", "(lambda *columns, **options: None)("))


def test_a_declaration_that_cannot_hold_is_refused_at_once(sqlite_database: str, tmp_path: Path) -> None:
    metadata = shop(policies=[Audit(), SoftDelete()])
    Table(
        "notes",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("order_id", ForeignKey("orders.id", ondelete="CASCADE")),
    )
    project = Project(tmp_path, sqlite_database, metadata, holdfast_roles_apart=False)
    with pytest.raises(DeclarationError, match="HF107"):
        project.revise()


def test_every_policy_on_columns_of_many_types(database: str, tmp_path: Path) -> None:
    """What is foreseen of a table must be what the database says of it then."""
    common = [
        sa.Numeric(10, 2), sa.Float(), sa.Boolean(), sa.Date(), sa.Time(), sa.DateTime(), sa.LargeBinary(), sa.JSON(),
        sa.BigInteger(), sa.SmallInteger(), sa.Uuid(), sa.Enum("a", "b", name="mood"), sa.CHAR(3), sa.Interval(),
    ]  # fmt: skip
    special = [
        pg.ARRAY(sa.Integer), pg.ARRAY(sa.String(5)), pg.JSONB(), pg.INET(), pg.INT4RANGE(), pg.TSTZRANGE(), pg.BIT(4),
        pg.BIT(4, varying=True), pg.TIMESTAMP(precision=3), pg.INTERVAL(fields="DAY TO SECOND", precision=3),
        pg.DOUBLE_PRECISION(), pg.REAL(), pg.MONEY(), pg.TSVECTOR(), pg.DATEMULTIRANGE(), pg.CIDR(), pg.OID(),
        sa.Numeric(5), sa.Numeric(), sa.Enum("x", "y", name="Odd Name"), sa.String(), sa.VARCHAR(7, collation="C"),
    ]  # fmt: skip
    kinds = common + (special if "postgresql" in database else [])
    metadata = shop(
        *(Column(f"c{number}", kind) for number, kind in enumerate(kinds)),
        Column("created_at", UTCDateTime), Column("updated_at", UTCDateTime),
        Column("version", Integer, nullable=False),
        Column("twice", Integer, sa.Computed("id * 2", persisted=True)), unique_live("name", name="live_names"),
        policies=[Audit(inserts="full"), SoftDelete(live_view=True), Timestamps(), Version(), Guard(max_rows=5)],
    )  # fmt: skip
    child = Table(
        'Odd "child"', metadata, Column("order_id", ForeignKey("orders.id", ondelete="CASCADE"), primary_key=True),
        Column("line no", Integer, primary_key=True), Column("deleted_at", UTCDateTime), sa.UniqueConstraint("line no"),
    )  # fmt: skip
    protect(Audit(), SoftDelete())(child)
    project = started(database, tmp_path, metadata)
    project.downgrade()


def test_evidence_takes_a_migration_for_what_it_is(database: str, tmp_path: Path) -> None:
    project = started(database, tmp_path)
    seal(Database(database))
    project.metadata = shop(Column("note", Integer), policies=[Audit(), SoftDelete(live_view=True)])
    project.revise()
    project.upgrade()
    assert [str(each) for each in verify(Database(database)).findings] == []
