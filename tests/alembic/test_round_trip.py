"""From models to a revision, up, checked, down, and up again: nothing is left, and nothing is missed."""

from __future__ import annotations

import os
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
from tests.alembic.evolving import Evolution
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


EXAMPLES = int(os.environ.get("HOLDFAST_TEST_EXAMPLES", "0"))
"""More of them: each is a database, and four changes of its models, one after the other."""


def go_through_changes(url: str, seed: int) -> None:
    chance = random.Random(seed)
    evolution = Evolution(url, changing.start(chance))
    with evolution.connected():
        for _ in range(4):
            evolution.go_to(changing.changed(evolution.models, chance))


@settings(max_examples=EXAMPLES or 4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_models_that_change_at_random_on_sqlite(tmp_path: Path, seed: int) -> None:
    with tempfile.TemporaryDirectory(dir=tmp_path) as folder:
        go_through_changes(f"sqlite:///{folder}/test.db", seed)


@settings(max_examples=EXAMPLES or 2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_models_that_change_at_random_on_postgresql(postgresql: Any, seed: int) -> None:
    with postgresql.new_database() as url:
        go_through_changes(url, seed)


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
    # The column's default is the policy's too.
    options = {"holdfast_roles_apart": False, "compare_server_default": True}
    project = Project(tmp_path, postgresql_database, metadata, **options)
    project.upgrade()
    before = project.schema()
    project.revise()
    project.upgrade()
    assert project.drift() == ""
    assert "NOT VALID" not in project.schema()
    project.downgrade()
    assert project.schema() == before


def test_keys_of_sqlite_with_collations_and_defaults(sqlite_database: str, tmp_path: Path) -> None:
    """Triggers say both, and a revision knows them before there is a table to look at."""
    metadata = sa.MetaData()
    shops = sa.Table(
        "shops", metadata,
        sa.Column("name", sa.String(collation="NOCASE"), primary_key=True),
        sa.Column("code", sa.String(9), nullable=False, unique=True, server_default=sa.text("(lower('X'))")),
        sa.Column("email", sa.String(collation="nocase"), nullable=False, server_default="nobody"),
        sa.Column("since", sa.DateTime, nullable=False, server_default=sa.func.now()),
        sa.Index("by_email", "email", "since", unique=True),
    )  # fmt: skip
    goods = sa.Table("goods", metadata, sa.Column("id", sa.Integer, primary_key=True))
    lots = sa.Table(
        "lots", metadata,
        sa.Column("id", sa.Integer, primary_key=True), sa.Column("code", sa.String(9), unique=True),
        sqlite_with_rowid=False,
    )  # fmt: skip
    for table in (shops, goods, lots):
        protect(Audit())(table)
    project = Project(tmp_path, sqlite_database, metadata)
    project.revise()
    project.upgrade()
    assert project.drift() == ""
    assert 'collate "NOCASE"' in project.schema()
    goods.append_column(sa.Column("slug", sa.String(collation="NOCASE")))
    goods.append_constraint(sa.UniqueConstraint("slug", name="one_slug"))
    project.revise()
    project.upgrade()
    assert project.drift() == ""
