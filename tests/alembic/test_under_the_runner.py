"""What autogenerate writes, run by ``run_migrations``: nobody waits long for it, and what takes long is done apart."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from holdfast import Audit, Tenant
from holdfast.errors import MigrationError
from holdfast.sqlalchemy import protect
from tests.alembic.project import ENV, Project, operations

RUNNER = (
    ENV[: ENV.index("    engine = ")]
    + """\
    engine = create_engine(url, poolclass=NullPool, execution_options=config.attributes.get("execution", {}))
    with engine.connect() as connection:
        from datetime import timedelta
        moment = timedelta(milliseconds=1)
        given = holdfast.alembic.MigrationSettings(lock_timeout=20 * moment, deadline=moment)
        holdfast.alembic.run_migrations(connection, settings=given, **options)
"""
)


def shops(*policies: Any) -> sa.MetaData:
    metadata = sa.MetaData()
    for name, reference in (("shops", None), ("goods", "shops.id")):
        key = () if reference is None else (sa.Column("shop_id", sa.ForeignKey(reference, name="fk_shop")),)
        table = sa.Table(
            name, metadata, sa.Column("id", sa.Integer, primary_key=True),
            sa.Column("tenant_id", sa.BigInteger, nullable=False), *key,
        )  # fmt: skip
        if policies:
            protect(*policies)(table)
    return metadata


def started(database: str, folder: Path, metadata: sa.MetaData) -> Project:
    project = Project(folder, database, metadata, env=RUNNER, holdfast_roles_apart=False)
    project.revise()
    project.upgrade()
    assert project.drift() == ""
    return project


VALID = "select conname, convalidated from pg_constraint where conname = 'fk_shop'"


def test_keys_are_validated_after_the_commit_of_the_revision_that_makes_them(
    postgresql_database: str, tmp_path: Path
) -> None:
    project = started(postgresql_database, tmp_path, shops())
    before = project.schema()
    project.run("insert into shops values (1, 1), (2, 2)", "insert into goods values (1, 1, 1)")
    project.metadata = shops(Tenant("tenant_id"))
    revision = project.revise()
    statements, _, finish = revision.partition("finish=[")
    assert "not valid" in statements
    assert "validate constraint" not in statements
    assert "validate constraint" in finish.partition("],")[0]
    project.upgrade()
    assert (project.rows(VALID), project.drift()) == ([("fk_shop", True)], "")
    project.downgrade("r001")
    assert project.schema() == before
    # A row of one tenant that refers to another's: new ones cannot come, and the revision is done.
    project.run("insert into goods values (2, 1, 2)")
    with pytest.raises(MigrationError, match=r"HF460: .*r001 -> r002.* is done, and rows of public\.goods"):
        project.upgrade()
    assert project.rows("select version_num from alembic_version") == [("r002",)]
    assert project.rows(VALID) == [("fk_shop", False)]
    assert "foreign key fk_shop" in project.drift()
    project.run("delete from goods where id = 2")
    project.revise()
    project.upgrade()
    assert (project.rows(VALID), project.drift()) == ([("fk_shop", True)], "")


def test_protection_waits_for_its_locks_no_longer_than_the_runner_says(
    postgresql_database: str, tmp_path: Path
) -> None:
    project = started(postgresql_database, tmp_path, shops())
    project.metadata = shops(Audit())
    project.revise()
    engine = sa.create_engine(postgresql_database)
    with engine.connect() as writer:
        writer.exec_driver_sql("lock table goods in row exclusive mode")
        with pytest.raises(MigrationError, match=re.compile(r"HF457.*lock table only.*goods", re.DOTALL)):
            project.upgrade()
    engine.dispose()
    project.upgrade()
    assert project.drift() == ""


INDEXES = """\
select x.indrelid::regclass::text, i.oid, x.indisvalid
from pg_index as x join pg_class as i on i.oid = x.indexrelid
where starts_with(i.relname, 'holdfast_tenant') order by 1"""


def test_what_a_tenant_needs_on_a_table_that_is_there_is_built_while_others_write(
    postgresql_database: str, tmp_path: Path
) -> None:
    project = started(postgresql_database, tmp_path, shops())
    before = project.schema()
    project.metadata = shops(Tenant("tenant_id"))
    sa.Table("lines", project.metadata, *(column._copy() for column in project.metadata.tables["shops"].columns))
    protect(Tenant("tenant_id"))(project.metadata.tables["lines"])
    revision = project.revise()
    assert [name for name, _ in operations(revision)][:3] == ["hf_create_index", "hf_create_index", "hf_protect"]
    # The new table has no rows, and nobody writes it.
    assert re.findall(r"create unique index \S+ on (\S+)", revision) == ['"public"."lines"']
    assert "hf_create_index" not in revision.partition("def downgrade")[2]
    script = project.sql("r001:head")
    assert script.index("CREATE UNIQUE INDEX CONCURRENTLY") < script.index("holdfast.relation")

    engine = sa.create_engine(postgresql_database)
    with engine.connect() as reader:
        reader.exec_driver_sql("lock table goods in access share mode")
        with pytest.raises(MigrationError, match=re.compile(r"HF457.*lock table only.*goods", re.DOTALL)):
            project.upgrade()
    engine.dispose()
    assert project.rows("select version_num from alembic_version") == [("r001",)]
    built = project.rows(INDEXES)
    assert [(table, valid) for table, _, valid in built] == [("goods", True), ("shops", True)]

    # Killed while it was built, the one is made anew; the other is there.
    project.run(f"update pg_index set indisvalid = false where indexrelid = {built[0][1]}")
    project.upgrade()
    assert project.drift() == ""
    goods, lines, of_shops = project.rows(INDEXES)
    assert (goods[1] != built[0][1], of_shops, goods[2], lines[2]) == (True, built[1], True, True)
    project.downgrade("r001")
    assert project.schema() == before

    # Where the policy goes, the way back builds them first.
    project.upgrade()
    project.metadata = shops()
    revision = project.revise()
    assert [name for name, _ in operations(revision, "downgrade")][:2] == ["hf_create_index", "hf_create_index"]
    there = project.schema()
    project.upgrade()
    project.downgrade("r002")
    assert project.schema() == there


@pytest.mark.parametrize("command", ["revise", "upgrade"])
def test_a_connection_that_translates_schemas(postgresql_database: str, tmp_path: Path, command: str) -> None:
    """Half would go to the one schema and half to the other: frozen SQL is not translated."""
    project = Project(tmp_path, postgresql_database, shops(Audit()), env=RUNNER, holdfast_roles_apart=False)
    project.run("create schema sales")
    before = project.schema()
    if command == "upgrade":
        project.revise()
    project.execution = {"schema_translate_map": {None: "sales"}}
    with pytest.raises(MigrationError, match="HF452"):
        getattr(project, command)()
    assert project.schema() == before
