"""One migration for every tenant: in waves, with a ledger, resumed where it stopped."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from holdfast.alembic.fan_out import FanOutError, TenantMigrations
from holdfast.alembic.ledger import LEDGER, TenantMigration
from holdfast.cli import main
from holdfast.errors import HoldfastError, LockedError, MigrationError, RequestError
from holdfast.sqlalchemy.tenancy import DatabasePerTenant, SchemaPerTenant

ENV = """\
import os
import pathlib

from alembic import context

config = context.config
if pathlib.Path(__file__).with_name(config.attributes["tenant"]).exists():
    os._exit(7)
connection = config.attributes["connection"]
context.configure(connection=connection, version_table_schema=config.attributes["version_table_schema"])
print("said by env.py")
with context.begin_transaction():
    context.run_migrations()
"""
OTHER_ENV = """\
import sqlalchemy
from alembic import context

engine = sqlalchemy.create_engine(context.config.get_main_option("sqlalchemy.url"), poolclass=sqlalchemy.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""
FIRST = """\
import sqlalchemy as sa
from alembic import op

revision, down_revision = "first", None


def upgrade():
    op.create_table("notes", sa.Column("id", sa.Integer, primary_key=True), sa.Column("text", sa.Text))
"""
SECOND = """\
import sqlalchemy as sa
from alembic import op

revision, down_revision = "second", "first"


def upgrade():
    op.create_index("one_text", "notes", ["text"], unique=True)
"""
TENANTS = ["a", "b", "c", "d", "e"]


class Project:
    """A folder with Alembic in it."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.ini = folder / "alembic.ini"
        (folder / "versions").mkdir()
        self.ini.write_text(f"[alembic]\nscript_location = {folder}\npath_separator = os\n")
        self.env()
        (folder / "versions" / "first.py").write_text(FIRST)

    def env(self, text: str = ENV) -> None:
        (self.folder / "env.py").write_text(text)

    def add_second(self) -> None:
        (self.folder / "versions" / "second.py").write_text(SECOND)


@pytest.fixture
def project(tmp_path: pathlib.Path) -> Project:
    folder = tmp_path / "alembic"
    folder.mkdir()
    return Project(folder)


@pytest.fixture
def schemas(postgresql_database: str, project: Project) -> Iterator[TenantMigrations]:
    """Tenants with a schema each, in the database that has the ledger as well; none of them yet."""
    engine = sa.create_engine(postgresql_database)
    tenants = SchemaPerTenant(engine, build=lambda _: None)
    yield TenantMigrations(tenants, project.ini, postgresql_database)
    engine.dispose()


@pytest.fixture
def files(tmp_path: pathlib.Path, project: Project) -> TenantMigrations:
    """Tenants with a file each."""
    (tmp_path / "control.db").touch()
    tenants = DatabasePerTenant(f"sqlite:///{tmp_path}/{{tenant}}.db", build=lambda _: None)
    return TenantMigrations(tenants, project.ini, f"sqlite:///{tmp_path}/control.db")


@pytest.fixture(params=["schemas", "files"])
def migrations(request: pytest.FixtureRequest) -> TenantMigrations:
    found: TenantMigrations = request.getfixturevalue(request.param)
    for tenant in TENANTS:
        found.create(tenant)
    return found


def execute(migrations: TenantMigrations, tenant: str, statement: str) -> list[Any]:
    with migrations.tenants.connection(tenant) as connection:
        result = connection.execute(sa.text(statement))
        rows = list(result) if result.returns_rows else []
        connection.commit()
    return rows


def revision(migrations: TenantMigrations, tenant: str) -> str:
    [(found,)] = execute(migrations, tenant, "select version_num from alembic_version")
    return str(found)


def break_tenant(migrations: TenantMigrations, tenant: str) -> None:
    execute(migrations, tenant, "insert into notes (id, text) values (1, 'secret'), (2, 'secret')")


def test_a_failure_stops_the_waves_and_a_second_run_goes_on(migrations: TenantMigrations, project: Project) -> None:
    assert migrations.tenants.list() == TENANTS
    project.add_second()
    break_tenant(migrations, "b")
    told: list[TenantMigration] = []
    planned = migrations.migrate(waves=(1, 2), dry_run=True)
    assert planned.waves == (("a",), ("b", "c"), ("d", "e"))
    with pytest.raises(FanOutError, match="HF498: 1 of 3 tenants failed, and 2 were not begun") as raised:
        migrations.migrate(waves=(1, 2), progress=told.append)
    result = raised.value.result
    assert (result.done, set(result.failed), result.pending) == (("a", "c"), {"b"}, ("d", "e"))
    assert [(each.tenant, each.state) for each in told] == [("a", "done"), ("b", "failed"), ("c", "done")]
    assert [revision(migrations, tenant) for tenant in TENANTS] == ["second", "first", "second", "first", "first"]
    states = {each.tenant: each for each in migrations.status()}
    assert [states[tenant].state for tenant in TENANTS] == ["done", "failed", "done", "pending", "pending"]
    assert str(states["b"].error).startswith("UniqueError: HF601")
    assert "secret" not in str(states["b"].error)
    execute(migrations, "b", "delete from notes where id = 2")
    again = migrations.migrate(waves=(1, 2))
    assert (again.skipped, again.done) == (("a", "c"), ("b", "d", "e"))
    assert {revision(migrations, tenant) for tenant in TENANTS} == {"second"}
    assert migrations.migrate().skipped == tuple(TENANTS)
    assert migrations.migrate(recheck=True).done == tuple(TENANTS)


def test_failures_that_are_allowed_stop_nothing_and_are_not_hidden(files: TenantMigrations, project: Project) -> None:
    for tenant in TENANTS:
        files.create(tenant)
    project.add_second()
    break_tenant(files, "a")
    with pytest.raises(FanOutError, match="HF498") as raised:
        files.migrate(waves=(1, 2), allowed_failures=1)
    assert (set(raised.value.result.failed), raised.value.result.done) == ({"a"}, ("b", "c", "d", "e"))


def test_what_was_killed_is_begun_again(files: TenantMigrations, project: Project) -> None:
    for tenant in TENANTS[:2]:
        files.create(tenant)
    project.add_second()

    def interrupted(each: TenantMigration) -> None:
        files.ledger.start("b", each.revision)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        files.migrate(progress=interrupted)
    assert [each.state for each in files.status()] == ["done", "running"]
    assert files.migrate().done == ("b",)


def test_processes_work_on_a_wave_together(schemas: TenantMigrations, project: Project) -> None:
    for tenant in TENANTS:
        schemas.create(tenant)
    project.add_second()
    dying = project.folder / "d"
    dying.touch()
    with pytest.raises(FanOutError, match="HF498") as raised:
        schemas.migrate(waves=(4, 10), parallel=2)
    assert sorted(raised.value.result.done) == ["a", "b", "c"]
    assert raised.value.result.failed == {"d": "The process that migrated it ended with 7."}
    dying.unlink()
    assert schemas.migrate().done == ("d", "e")
    assert {revision(schemas, tenant) for tenant in TENANTS} == {"second"}
    with schemas.ledger.database.begin() as connection:
        assert sa.inspect(connection).get_table_names(schema="public") == ["holdfast_tenant_migrations"]
        assert connection.scalar(sa.select(sa.func.count()).select_from(LEDGER)) == 10


def test_a_new_tenant_has_all_revisions_or_is_not_there(migrations: TenantMigrations, project: Project) -> None:
    project.add_second()
    migrations.create("f")
    assert revision(migrations, "f") == "second"
    assert [each.tenant for each in migrations.status() if each.state == "done"] == ["f"]
    project.folder.joinpath("versions", "second.py").write_text(SECOND.replace("notes", "no_such_table"))
    with pytest.raises(HoldfastError, match="no_such_table"):
        migrations.create("g")
    assert "g" not in migrations.tenants.list()
    with pytest.raises(RequestError, match="HF494"):
        migrations.create("f")
    migrations.drop("f")
    assert migrations.tenants.list() == TENANTS


def test_an_env_that_connects_elsewhere_migrates_nothing(
    schemas: TenantMigrations, project: Project, postgresql_database: str
) -> None:
    schemas.create("a")
    project.add_second()
    project.env(OTHER_ENV)
    schemas.config.set_main_option("sqlalchemy.url", postgresql_database)
    with pytest.raises(FanOutError, match="HF497"):
        schemas.migrate()
    assert revision(schemas, "a") == "first"
    with schemas.ledger.database.begin() as connection:
        assert sa.inspect(connection).get_table_names() == ["holdfast_tenant_migrations"]


def test_sql_that_names_another_schema_protects_nothing(schemas: TenantMigrations, project: Project) -> None:
    for tenant in TENANTS[:2]:
        schemas.create(tenant)
    (project.folder / "versions" / "second.py").write_text(
        SECOND.replace("import op", "import op\nimport holdfast.alembic").replace(
            'op.create_index("one_text", "notes", ["text"], unique=True)',
            """op.hf_protect("tenant_a.notes", "comment on table tenant_a.notes is 'kept'")""",
        )
    )
    with pytest.raises(FanOutError) as raised:
        schemas.migrate(allowed_failures=2)
    assert raised.value.result.done == ("a",)
    assert "HF452" in raised.value.result.failed["b"]
    assert revision(schemas, "b") == "first"


def test_two_runs_do_not_meet(schemas: TenantMigrations, project: Project) -> None:
    schemas.create("a")
    project.add_second()
    with schemas.ledger.locked(), pytest.raises(LockedError, match="HF304"):
        schemas.migrate()
    assert schemas.migrate().done == ("a",)


@pytest.mark.parametrize("target", ["+1", "second-1", "nowhere", "heads+1"])
def test_a_revision_that_is_not_the_same_for_all_is_refused(files: TenantMigrations, target: str) -> None:
    with pytest.raises(MigrationError, match="HF497"):
        files.migrate(target)


@pytest.mark.parametrize("kind", ["schemas", "files"])
def test_the_command_line(kind: str, request: pytest.FixtureRequest, project: Project) -> None:
    migrations: TenantMigrations = request.getfixturevalue(kind)
    control = migrations.ledger.database.url.render_as_string(hide_password=False)
    url = control if kind == "schemas" else control.replace("control.db", "{tenant}.db")

    def run(*arguments: str, code: int = 0) -> str:
        options = ["tenants", "--url", url, "--config", str(project.ini), "--control", control]
        result = CliRunner().invoke(main, [*options, *arguments], prog_name="holdfast")
        assert result.exit_code == code, result.output
        return result.stdout

    run("create", "a")
    run("create", "b")
    assert run("create", "b; drop schema public", code=2) == ""
    assert run("drop", "c", "--yes", code=1) == ""
    project.add_second()
    break_tenant(migrations, "a")
    assert "wave 2: b" in run("migrate", "--dry-run", "--waves", "1,5")
    assert "a: failed. UniqueError" in run("migrate", code=3)
    execute(migrations, "a", "delete from notes")
    assert run("migrate").splitlines() == [
        "said by env.py",
        "  a: done",
        "said by env.py",
        "  b: done",
        "2 tenants migrated.",
    ]
    assert [each["state"] for each in json.loads(run("status", "--json"))] == ["done", "done"]
    run("drop", "a", code=2)
    run("drop", "a", "--yes")
    assert run("list") == "b\n"
