"""The leak kit: on protected tables nothing leaks, each probe notices what it is for, nothing is left behind."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from holdfast.database import Database
from holdfast.errors import DeclarationError, UnsupportedError
from holdfast.policies import Tenant
from holdfast.signing import SigningKey
from holdfast.signing_keys import create_key, turn_on
from holdfast.sqlalchemy import bind, protect
from holdfast.testing import PostgreSQLServer
from holdfast.testing.leaks import PROBES, LeakSubject, Result, protected_subject, staged, tried
from tests.duties import server_of
from tests.servers import Server, Servers
from tests.testing.leak_models import Base, Line, Order, Product

PLUGIN = ("-p", "pytest_holdfast", "-p", "no:cacheprovider")
BY_TITLE = {each.title: each for each in PROBES}


@pytest.fixture(scope="module")
def subject(servers: Servers) -> Iterator[LeakSubject]:
    server = PostgreSQLServer(server_of(servers).maintenance_url)
    with protected_subject(server, Base, tenants=(1, 2)) as each:
        yield each


def result(subject: LeakSubject, title: str, table: Any = None, *broken: str) -> Result:
    """Of the probe, after something was broken; it is whole again afterwards."""
    with staged(subject) as stage:
        for statement in broken:
            stage.connection.exec_driver_sql(statement.format(app=subject.role))
        return tried(BY_TITLE[title], stage, table)


OFF = "alter table lines disable row level security"
MOVABLE = "alter table lines disable trigger holdfast_tenant"
PLAIN_KEY = "alter table lines drop constraint lines_order_id_fkey, add foreign key (order_id) references orders"
GETTER = """create function getter() returns bigint language sql immutable as
    $$ select nullif(current_setting('holdfast.tenant', true), '')::bigint $$"""
CHILD = "create table more () inherits (lines)", "insert into more select * from lines"
SWITCH = """create or replace function holdfast.set_context(actor text default null, tenant text default null,
    reason text default null, context jsonb default null) returns void language sql as
    $$ select set_config('holdfast.tenant', tenant, true) $$"""
lines, products = Line.__table__, Product.__table__
BROKEN: list[tuple[str, Any, tuple[str, ...]]] = [
    ("leak-01-owner", lines, ("alter table lines no force row level security",)),
    ("leak-05-error", lines, (OFF,)),
    ("leak-08-partition", lines, CHILD),
    ("leak-12-moved-row", lines, (OFF, MOVABLE, "alter table lines drop constraint lines_order_id_fkey",
                                  "alter table lines drop constraint lines_product_id_fkey")),
    ("leak-12-insert-for-another", Order.__table__, ("alter table orders disable row level security",)),
    ("leak-12-write-of-another", lines, (OFF,)),
    ("leak-13-duplicate", products, ("create unique index on products (sku)",)),
    ("leak-14-on-conflict", products, ("create unique index on products (sku)",)),
    ("leak-16-cross-tenant-foreign-key", lines, (PLAIN_KEY,)),
    ("leak-17-cascade", lines, (PLAIN_KEY,)),
    ("leak-18-references", lines, ('grant references on lines to "{app}"',)),
    ("leak-19-truncate", lines, ('grant truncate on lines to "{app}"',)),
    ("leak-20-trigger", lines, ("grant trigger on lines to public",)),
    ("leak-23-no-tenant", lines, (OFF,)),
    ("leak-27-raw-sql", lines, (OFF,)),
    ("leak-30-switched", None, (SWITCH,)),
    ("leak-32-prepared-plan", lines, (GETTER, "alter policy holdfast_tenant on lines using (shop_id = getter())",
                                      "alter policy holdfast_tenant_only on lines using (shop_id = getter())")),
    ("leak-40-row-security-off", lines, (OFF,)),
    ("leak-42-reads", lines, (OFF,)),
    ("leak-42-writes", lines, (OFF,)),
]  # fmt: skip


@pytest.mark.parametrize("title, table, broken", BROKEN, ids=[each[0] for each in BROKEN])
def test_a_probe_notices_what_it_is_for(subject: LeakSubject, title: str, table: Any, broken: tuple[str, ...]) -> None:
    assert result(subject, title, table).outcome in ("holds", "does not apply")
    found = result(subject, title, table, *broken)
    assert found.outcome == "leaks"
    assert found.sentence
    assert found.mend


UNBOUND = ["leak-27-pooled-connection", "leak-28-autocommit", "leak-47-threads"]


@pytest.mark.parametrize("title", UNBOUND)
def test_an_engine_that_is_not_bound_is_noticed(subject: LeakSubject, title: str) -> None:
    assert result(subject, title).outcome == "holds"
    engine = sa.create_engine(subject.application.url)
    try:
        assert result(dataclasses.replace(subject, application=engine), title).outcome == "leaks"
    finally:
        engine.dispose()


def test_what_the_doctor_finds_is_a_leak(servers: Servers) -> None:
    """Each rule by itself is a test of the doctor's."""
    with protected_subject(PostgreSQLServer(server_of(servers).maintenance_url), Base) as subject:
        made = "create materialized view totals as select count(*) from lines; grant select on totals to public"
        with subject.owner.begin() as connection:
            connection.exec_driver_sql(made)
        found = result(subject, "leak-07-materialized-view")
        assert (found.outcome, found.mend.split(" on ")[0]) == ("leaks", "revoke all")
        assert result(subject, "leak-03-definer-view").outcome == "holds"


def test_a_signed_tenant_cannot_be_forged(servers: Servers) -> None:
    secret = "not this one, but 32 or more random bytes"
    with protected_subject(PostgreSQLServer(server_of(servers).maintenance_url), Base) as subject:
        assert result(subject, "leak-34-forged-tenant").outcome == "does not apply"
        database = Database(subject.owner.url.render_as_string(hide_password=False))
        create_key(database, "web-1", secret)
        turn_on(database)
        engine = sa.create_engine(subject.application.url)
        bind(engine, signing_key=SigningKey("web-1", secret))
        signed = dataclasses.replace(subject, application=engine, signing_key=SigningKey("web-1", secret))
        try:
            for title in ("leak-27-pooled-connection", "leak-30-switched", "leak-34-forged-tenant"):
                assert result(signed, title).outcome == "holds", title
            assert result(signed, "leak-42-reads", lines).outcome == "holds"
        finally:
            engine.dispose()
            database.engine.dispose()


class Odd(DeclarativeBase):
    pass


@protect(Tenant())
class Paid(Odd):
    """Of no row that is made without knowing it."""

    __tablename__ = "paid"
    __table_args__ = (sa.CheckConstraint("total % 7 = 3 and total < 20"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int]
    total: Mapped[int]


def test_rows_that_cannot_be_guessed_are_made_by_the_user(servers: Servers) -> None:
    def make(connection: sa.Connection, tenant: int) -> None:
        connection.execute(sa.insert(Paid).values(tenant_id=tenant, total=10))

    with protected_subject(PostgreSQLServer(server_of(servers).maintenance_url), Odd) as subject:
        with pytest.raises(DeclarationError, match="HF634"):
            result(subject, "leak-27-raw-sql", Paid.__table__)
        given = dataclasses.replace(subject, make=make)
        assert result(given, "leak-27-raw-sql", Paid.__table__).outcome == "holds"


def test_sqlite_has_no_row_security() -> None:
    engine = sa.create_engine("sqlite://")
    with pytest.raises(UnsupportedError, match="HF418"):
        LeakSubject(engine, engine, Base, (1, 2))
    engine.dispose()


CONFTEST = """
import pytest
import sqlalchemy as sa
from leak_models import Base
from holdfast.testing.leaks import protected_subject

@pytest.fixture(scope="session")
def holdfast_leaks(holdfast_postgresql):
    with protected_subject(holdfast_postgresql, Base, async_driver="postgresql+asyncpg") as subject:
        yield subject
        with subject.owner.connect() as connection:
            for name in [*Base.metadata.tables, "holdfast.change", "holdfast.transaction"]:
                left = connection.exec_driver_sql(f"select count(*) from {name}").scalar()
                print(f"LEFT {name}: {left}")
"""


@pytest.fixture
def project(pytester: pytest.Pytester, postgresql: Server, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setenv("HOLDFAST_TEST_POSTGRESQL", postgresql.maintenance_url)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    shutil.copy(Path(__file__).parent / "leak_models.py", pytester.path)
    (pytester.path / "tests").mkdir()
    (pytester.path / "tests" / "conftest.py").write_text(CONFTEST)
    (pytester.path / "tests" / "test_own.py").write_text("def test_own(): pass")
    pytester.makeini("[pytest]\nholdfast_leaks = leak_models:Base\npythonpath = .\n")
    return pytester


def test_the_whole_list_on_models_of_many_kinds(project: pytest.Pytester) -> None:
    """And nothing is left behind, in the journal neither."""
    done = project.runpytest_subprocess(*PLUGIN, "--holdfast-leaks", "-s", "-W", "error")
    outcomes = done.parseoutcomes()
    assert set(outcomes) == {"passed", "skipped"}, done.stdout.str()
    done.stdout.fnmatch_lines(["*leaks between tenants*", "holds * 16-cross-tenant-foreign-key: *lines*"])
    held = next(line for line in done.outlines if line.startswith("holds") and "42-reads" in line)
    assert all(f"{each}-async" in held and each in held for each in ("lines", "orders", "products", "notes"))
    left = [line.partition("LEFT ")[2] for line in done.outlines if "LEFT " in line]
    assert len(left) == 7
    assert all(each.endswith(": 0") for each in left), left
    assert not any(line.startswith("leaks ") for line in done.outlines)


def test_one_item_is_run_by_its_name(project: pytest.Pytester) -> None:
    one = "tests/conftest.py::leak-16-cross-tenant-foreign-key[lines]"
    project.runpytest_inprocess(*PLUGIN, "--holdfast-leaks", one).assert_outcomes(passed=1)


def test_without_the_option_there_is_none_and_what_is_missing_is_told(project: pytest.Pytester) -> None:
    project.runpytest_inprocess(*PLUGIN).assert_outcomes(passed=1)
    project.makeini("[pytest]\npythonpath = .\n")
    done = project.runpytest_inprocess(*PLUGIN, "--holdfast-leaks")
    assert done.ret != 0
    done.stdout.fnmatch_lines("*holdfast_leaks = shop.models:Base*")
    (project.path / "tests" / "conftest.py").write_text("")
    done = project.runpytest_inprocess(*PLUGIN, "--holdfast-leaks")
    done.assert_outcomes(passed=1)
    done.stdout.fnmatch_lines("nothing was tried: *")
