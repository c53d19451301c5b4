"""From models to a revision, up, checked, down, and up again: nothing is left, and nothing is missed."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.pool import NullPool

from holdfast import Audit, Guard, Tenant
from holdfast.sqlalchemy import protect
from tests.alembic import changing
from tests.alembic.project import Project
from tests.sqlalchemy import warehouse, zoo


def test_up_and_down_and_up_again(database: str, tmp_path: Path) -> None:
    """The shop, the zoo and the warehouse at once: they have no table in common."""
    models = [zoo.Base.metadata, warehouse.Base.metadata]
    project = Project(tmp_path, database, models, holdfast_roles_apart=False)
    project.upgrade()
    empty = project.schema()
    project.revise()
    project.upgrade()
    there = project.schema()
    assert project.drift() == ""
    project.downgrade()
    assert project.schema() == empty
    project.upgrade()
    assert project.schema() == there
    assert project.drift() == ""


@pytest.mark.parametrize("chinook", ["chinook_postgresql", "chinook_sqlite"])
def test_tables_that_were_there_before(request: Any, tmp_path: Path, chinook: str) -> None:
    """Chinook as it is, reflected, and then protected: the revision touches no table itself."""
    database = request.getfixturevalue(chinook)
    metadata = sa.MetaData()
    engine = sa.create_engine(database, poolclass=NullPool)
    metadata.reflect(engine)
    project = Project(tmp_path, database, metadata, holdfast_roles_apart=False)
    project.upgrade()
    assert project.drift() == ""
    before = project.schema()
    for table in metadata.sorted_tables:
        if table.name != "alembic_version":
            protect(Audit(), Guard(max_rows=100))(table)
    revision = project.revise()
    assert "create_table" not in revision
    assert "alter" not in revision.partition("def upgrade()")[2].partition("hf_protect")[0]
    project.upgrade()
    assert project.drift() == ""
    project.downgrade()
    assert project.schema() == before


@settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_models_that_change_at_random_on_sqlite(tmp_path: Path, seed: int) -> None:
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    go_through_changes(Project(folder, f"sqlite:///{folder / 'test.db'}", None), random.Random(seed))


@settings(max_examples=1, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_models_that_change_at_random_on_postgresql(tmp_path: Path, postgresql: Any, seed: int) -> None:
    with postgresql.new_database() as url:
        project = Project(Path(tempfile.mkdtemp(dir=tmp_path)), url, None, holdfast_roles_apart=False)
        go_through_changes(project, random.Random(seed))


def go_through_changes(project: Project, seed: random.Random, steps: int = 3) -> None:
    models = changing.start(seed)
    project.metadata = changing.metadata_of(models)
    project.upgrade()
    shapes = [shape(project)]
    for _ in range(steps):
        project.metadata = changing.metadata_of(models)
        project.revise()
        project.upgrade()
        assert project.drift() == ""
        shapes.append(shape(project))
        models = changing.changed(models, seed)
    for number in reversed(range(steps)):
        project.downgrade(f"r{number:03}" if number else "base")
        assert shape(project) == shapes[number]
    project.upgrade()
    assert project.drift() == ""
    assert shape(project) == shapes[-1]


def shape(project: Project) -> list[Any]:
    """The schema without regard to the order of columns, which a migration cannot bring back."""
    if "postgresql" in project.url:
        return sorted(line.rstrip(",") for line in project.schema().splitlines() if line and not line.startswith("--"))
    found: list[Any] = []
    engine = sa.create_engine(project.url, poolclass=NullPool)
    with engine.connect() as connection:
        inspector = sa.inspect(connection)
        for table in inspector.get_table_names():
            if not table.startswith("holdfast_"):
                columns = sorted(
                    (each["name"], str(each["type"]), each["nullable"]) for each in inspector.get_columns(table)
                )
                found.append((table, columns, sorted(map(str, inspector.get_foreign_keys(table)))))
        found += connection.exec_driver_sql(
            "select type, name, sql from sqlite_schema where type <> 'table' and name not glob 'sqlite_*' order by 1, 2"
        )
    return found


def test_keys_that_carry_a_tenant(postgresql_database: str, tmp_path: Path) -> None:
    """The policy makes keys over; stock autogenerate is not to make them as the model has them."""
    metadata = sa.MetaData()
    tenant = [sa.Column("id", sa.Integer, primary_key=True), sa.Column("tenant_id", sa.BigInteger, nullable=False)]
    shops = sa.Table(
        "shops", metadata, *(column._copy() for column in tenant), sa.Column("code", sa.String(9), unique=True)
    )
    goods = sa.Table(
        "goods", metadata, *(column._copy() for column in tenant), sa.Column("shop_id", sa.ForeignKey("shops.id"))
    )
    for table in (shops, goods):
        protect(Tenant("tenant_id"))(table)
    project = Project(tmp_path, postgresql_database, metadata, holdfast_roles_apart=False)
    project.upgrade()
    before = project.schema()
    project.revise()
    project.upgrade()
    assert project.drift() == ""
    assert "NOT VALID" not in project.schema()
    project.downgrade()
    assert project.schema() == before
