"""Both columns hold what was written to either, and neither takes what both cannot be true of."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa

from holdfast.dialects import dialect_for
from holdfast.errors import RefusedError
from tests.alembic.expand_contract.people import RENAME, UPGRADES, both, tables
from tests.alembic.scripts import Scripts, rows, run

INSERTED = [
    # statement, what is in both columns after it
    ("insert into people (id, name) values (9, 'Old')", "Old"),
    ("insert into people (id, full_name) values (9, 'New')", "New"),
    ("insert into people (id, name, full_name) values (9, 'Same', 'Same')", "Same"),
    ("insert into people (id) values (9)", "nobody"),
]
UPDATED = [
    ("update people set name = 'Old' where id = 9", "Old"),
    ("update people set full_name = 'New' where id = 9", "New"),
    ("update people set name = 'Same', full_name = 'Same' where id = 9", "Same"),
    ("update people set amount = 77 where id = 9", "Is"),
    ("insert into people (id, name) values (9, 'Old') on conflict (id) do update set name = excluded.name", "Old"),
    ("insert into people (id, full_name) values (9, 'New') on conflict (id) do update set full_name = 'New'", "New"),
    ("update people set name = 'Old', full_name = 'Is' where id = 9", "Old"),
]
COPIED = [
    ("copy people (id, name) from stdin", "Old"),
    ("copy people (id, full_name) from stdin", "New"),
]


@pytest.mark.all_versions
def test_what_is_written_to_the_one_is_in_the_other(database: str, migrations: Callable[..., Scripts]) -> None:
    url = database
    scripts = migrations(url, "pass", RENAME[0])
    run(url, *tables(url))
    scripts.upgrade()
    for before, cases in (
        ((), INSERTED),
        (("insert into people (id, name) values (9, 'Is')",), UPDATED),
        ((), [] if url.startswith("sqlite") else COPIED),
    ):
        for statement, wanted in cases:
            run(url, "delete from people where id = 9", *before)
            if cases is COPIED:
                _copy(url, statement, f"9\t{wanted}\n")
            else:
                run(url, statement)
            assert both(url) == [(wanted, wanted)], statement


def test_a_default_that_is_a_bare_word_is_a_text(sqlite_database: str, migrations: Callable[..., Scripts]) -> None:
    url = sqlite_database
    scripts = migrations(url, "pass", *UPGRADES)
    run(url, *(each.replace("default 'nobody'", "default nobody") for each in tables(url)))
    scripts.upgrade("b")
    for statement, wanted in INSERTED:
        run(url, "delete from people where id = 9", statement)
        assert both(url) == [(wanted, wanted)], statement
    scripts.upgrade("e")
    run(url, "delete from people where id = 9", "insert into people (id) values (9)")
    assert rows(url, "select full_name from people where id = 9") == [("nobody",)]


def _copy(url: str, statement: str, text: str) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        with driver.cursor().copy(statement) as copy:
            copy.write(text)
    engine.dispose()


EVEN = """\
op.hf_expand_column("people", "amount", "cents", sa.BigInteger(), up="amount * 100", down="cents / 100")"""


def test_values_that_are_worked_out(database: str, migrations: Callable[..., Scripts]) -> None:
    """With up and down; NULL is a value as well; what both cannot be true of is refused."""
    url = database
    scripts = migrations(url, "pass", EVEN, 'op.hf_backfill("people", "cents")')
    run(url, *tables(url))
    scripts.upgrade("b")
    assert rows(url, "select amount, cents from people order by id") == [(1, None), (2, None), (None, None)]
    # A row that is not filled yet is filled by any write to it.
    run(url, "update people set name = 'Eve' where id = 1")
    scripts.upgrade("c")
    assert rows(url, "select amount, cents from people order by id") == [(1, 100), (2, 200), (None, None)]
    for statement, wanted in (
        ("update people set amount = 7 where id = 1", (7, 700)),
        # The old column cannot hold it; what the new one holds stays.
        ("update people set cents = 950 where id = 1", (9, 950)),
        ("update people set name = 'Fay' where id = 1", (9, 950)),
        ("update people set amount = 9, cents = 980 where id = 1", (9, 980)),
        ("update people set amount = 3, cents = 350 where id = 1", (3, 350)),
        ("update people set amount = null where id = 1", (None, None)),
        ("update people set cents = 100 where id = 1", (1, 100)),
        ("update people set cents = null where id = 1", (None, None)),
    ):
        run(url, statement)
        assert rows(url, "select amount, cents from people where id = 1") == [wanted], statement
    for statement in (
        "update people set amount = 3, cents = 500 where id = 2",
        "insert into people (id, amount, cents) values (10, 3, 500)",
    ):
        with pytest.raises(sa.exc.DBAPIError) as caught:
            run(url, statement)
        assert caught.value.orig is not None
        ours = dialect_for(sa.make_url(url).get_backend_name()).error(caught.value.orig)
        assert isinstance(ours, RefusedError)
        assert ours.message == "amount and cents of people were written with values that differ."
    assert rows(url, "select amount, cents from people where id = 2") == [(2, 200)]
