"""The pytest plugin: cheap for those who do not use it, and its fixtures."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points

import pytest

from tests.servers import Server, available

PLUGIN = ("-p", "pytest_holdfast", "-p", "no:cacheprovider")


@pytest.fixture(autouse=True)
def _alone(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a project that has installed holdfast alone."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def test_it_is_registered_by_name() -> None:
    assert [each.value for each in entry_points(group="pytest11", name="holdfast")] == ["pytest_holdfast"]


def test_importing_it_imports_neither_sqlalchemy_nor_holdfast() -> None:
    program = "import pytest_holdfast, sys; print(sorted({'sqlalchemy', 'holdfast'} & set(sys.modules)))"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_a_run_that_uses_nothing_of_it_is_as_without_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import sys

        def test_nothing():
            assert not {"sqlalchemy", "holdfast"} & set(sys.modules)
    """)
    result = pytester.runpytest_subprocess(*PLUGIN, "-W", "error")
    result.assert_outcomes(passed=1)


def test_a_server_and_a_fresh_database_for_each_test(
    pytester: pytest.Pytester, postgresql: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a schema that is made once, by a program that leaves its connection open."""
    monkeypatch.setenv("HOLDFAST_TEST_POSTGRESQL", postgresql.maintenance_url)
    pytester.makeconftest("""
        import pytest
        import sqlalchemy as sa

        engines = []

        @pytest.fixture(scope="session")
        def holdfast_schema():
            def make(url):
                engines.append(sa.create_engine(url))
                with engines[0].connect() as connection:
                    connection.exec_driver_sql("create table t (n int)")
                    connection.commit()
            return make
    """)
    pytester.makepyfile("""
        import pytest
        import sqlalchemy as sa
        from conftest import engines

        @pytest.mark.parametrize("number", [1, 2])
        def test_fresh(holdfast_database, holdfast_postgresql, number):
            engine = sa.create_engine(holdfast_database)
            with engine.begin() as connection:
                assert connection.exec_driver_sql("select count(*) from t").scalar() == 0
                connection.exec_driver_sql("insert into t values (1)")
            assert len(engines) == 1
            assert holdfast_postgresql.url("other").endswith("/other")

        def test_protected(holdfast_database):
            import holdfast
            assert holdfast.Database(holdfast_database).name
    """)
    result = pytester.runpytest_subprocess(*PLUGIN)
    result.assert_outcomes(passed=3)


@pytest.mark.skipif(not available(), reason="PostgreSQL (no server)")
def test_without_a_url_it_is_an_embedded_one(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOLDFAST_TEST_POSTGRESQL", raising=False)
    pytester.makepyfile("""
        def test_it(holdfast_database):
            assert holdfast_database.startswith("postgresql+psycopg://postgres@127.0.0.1:")
    """)
    result = pytester.runpytest_subprocess(*PLUGIN)
    result.assert_outcomes(passed=1)


def test_without_a_server_it_is_skipped_and_says_what_to_do(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HOLDFAST_TEST_POSTGRESQL", raising=False)
    pytester.makeconftest("""
        from holdfast import embedded

        embedded._WHEEL = "a_wheel_that_nobody_has"
    """)
    pytester.makepyfile("def test_it(holdfast_database): pass")
    result = pytester.runpytest_subprocess(*PLUGIN, "-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(
        "*The embedded PostgreSQL is not installed. pip install 'holdfast[[]embedded]'; "
        "or set HOLDFAST_TEST_POSTGRESQL to the URL of a server."
    )


def test_n_plus_one_fails_the_test_in_whatever_thread_it_is(pytester: pytest.Pytester) -> None:
    (pytester.path / "shop.py").write_text(
        """
import threading
from sqlalchemy import ForeignKey, create_engine, pool, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship, selectinload

class Base(DeclarativeBase): pass

class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    lines: Mapped[list["Line"]] = relationship()

class Line(Base):
    __tablename__ = "lines"
    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))

def read(*options):
    engine = create_engine("sqlite://", poolclass=pool.StaticPool)
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([Order(lines=[Line()]) for _ in range(3)])
        session.commit()
        for order in session.scalars(select(Order).options(*options)).all():
            order.lines
    engine.dispose()
"""
    )
    pytester.makepyfile("""
        import threading
        from shop import Order, read, selectinload

        def test_slow(n_plus_one): read()
        def test_in_a_thread(n_plus_one):
            thread = threading.Thread(target=read)
            thread.start()
            thread.join()
        def test_well(n_plus_one): read(selectinload(Order.lines))
        def test_does_not_ask(): read()
    """)
    result = pytester.runpytest_subprocess(*PLUGIN)
    result.assert_outcomes(passed=4, errors=2)
    result.stdout.fnmatch_lines("*HF631: Order.lines was loaded 3 times, one by one, at *shop.py:*")
