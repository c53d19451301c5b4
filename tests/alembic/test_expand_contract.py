"""A column is renamed, retyped or removed while old and new application code are at work."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import render_python_code
from alembic.autogenerate.api import AutogenContext
from alembic.migration import MigrationContext
from alembic.operations.ops import UpgradeOps
from click.testing import CliRunner
from sqlalchemy import Engine, event
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from holdfast import Audit, Guard, SoftDelete, Tenant, Timestamps, Version
from holdfast.alembic.operations import (
    BackfillOp,
    ContractColumnOp,
    DropColumnOp,
    ExpandColumnOp,
    FinalizeColumnOp,
    RetireColumnOp,
)
from holdfast.cli import main
from holdfast.dialects import dialect_for
from holdfast.dialects.changing import Target
from holdfast.dialects.postgresql.expanding import PostgreSQLExpanding
from holdfast.errors import MigrationError, RefusedError
from holdfast.migrating import BatchSettings
from holdfast.tables import Expansion
from tests.alembic.scripts import ASYNC, SAFE, Scripts, rows, run, schema, until
from tests.harness import Protected
from tests.servers import PsqlError, psql
from tests.suite.test_tenant import login

TABLES = """\
create table teams (id integer primary key);
insert into teams values (1), (2);
create table people (
    id integer primary key,
    name text not null default 'nobody' constraint people_name_check check (name <> 'x'),
    amount integer,
    team integer references teams on delete cascade
);
create unique index people_name_key on people (lower(name)) where id > 0;
alter table people add constraint people_amount_key unique (amount);
insert into people values (1, 'Ada', 1, 1), (2, 'Bob', 2, 2), (3, 'Cid', null, null)"""


KEYS_ON = SAFE.replace(
    "        run_migrations(connection)",
    "        connection.exec_driver_sql('pragma foreign_keys = on')\n        connection.commit()\n"
    "        run_migrations(connection)",
)
ON_SQLITE = TABLES.replace("alter table people add constraint people_amount_key unique (amount);\n", "").replace(
    "amount integer,", "amount integer constraint people_amount_key unique,"
)


def tables(url: str) -> list[str]:
    return ON_SQLITE.split(";\n") if url.startswith("sqlite") else [TABLES]


@pytest.fixture
def migrations(tmp_path: Path) -> Callable[..., Scripts]:
    """Revisions ``a``, ``b``, … of the texts given, the first of which is carried out."""

    def make(url: str, *upgrades: str | tuple[str, str]) -> Scripts:
        scripts = Scripts(tmp_path / "migrations", url)
        for name, upgrade in zip("abcdefgh", upgrades, strict=False):
            up, down = (upgrade, "pass") if isinstance(upgrade, str) else upgrade
            scripts.add(name, up, down)
        scripts.upgrade("a")
        return scripts

    return make


RENAME = (
    (
        'op.hf_expand_column("people", "name", "full_name", sa.Text())',
        'op.hf_collapse_column("people", "full_name")',
    ),
    'op.hf_backfill("people", "full_name")',
    'op.hf_finalize_column("people", "name", "full_name")',
    (
        'op.hf_contract_column("people", "name", "full_name")',
        'op.hf_restore_column("people", "name")',
    ),
)
EVEN = """\
op.hf_expand_column("people", "amount", "cents", sa.BigInteger(), up="amount * 100", down="cents / 100")"""


def both(url: str, which: str = "id = 9") -> list[tuple[object, ...]]:
    return rows(url, f"select name, full_name from people where {which}")


CASES: list[tuple[str, str | tuple[str, str]]] = [
    # statement, what is in both columns after it
    ("insert into people (id, name) values (9, 'Old')", "Old"),
    ("insert into people (id, full_name) values (9, 'New')", "New"),
    ("insert into people (id, name, full_name) values (9, 'Same', 'Same')", "Same"),
    ("insert into people (id) values (9)", "nobody"),
    ("update people set name = 'Old' where id = 9", "Old"),
    ("update people set full_name = 'New' where id = 9", "New"),
    ("update people set name = 'Same', full_name = 'Same' where id = 9", "Same"),
    ("update people set amount = 77 where id = 9", "Is"),
    (
        "insert into people (id, name) values (9, 'Old') on conflict (id) do update set name = excluded.name",
        "Old",
    ),
    (
        "insert into people (id, full_name) values (9, 'New') on conflict (id) do update set full_name = 'New'",
        "New",
    ),
    ("update people set name = 'Old', full_name = 'Is' where id = 9", "Old"),
    ("copy people (id, name) from stdin", "Old"),
    ("copy people (id, full_name) from stdin", "New"),
]


@pytest.mark.all_versions
def test_what_is_written_to_the_one_is_in_the_other(database: str, migrations: Callable[..., Scripts]) -> None:
    url = database
    scripts = migrations(url, "pass", RENAME[0])
    run(url, *tables(url))
    scripts.upgrade()
    for statement, wanted in CASES:
        if statement.startswith("copy") and url.startswith("sqlite"):
            continue
        run(url, "delete from people where id = 9")
        if not statement.startswith(("insert into people (id", "copy")) or "on conflict" in statement:
            run(url, "insert into people (id, name) values (9, 'Is')")
        if statement.startswith("copy"):
            _copy(url, statement, f"9\t{wanted}\n")
        else:
            run(url, statement)
        assert both(url) == [(wanted, wanted)], statement


def _copy(url: str, statement: str, text: str) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        driver = connection.connection.driver_connection
        assert driver is not None
        with driver.cursor().copy(statement) as copy:
            copy.write(text)
    engine.dispose()


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


def test_a_rename_and_the_way_back(postgresql_database: str, migrations: Callable[..., Scripts]) -> None:
    """All four steps leave the schema that ALTER TABLE … RENAME leaves; before the last all of it can be taken back."""
    url = postgresql_database
    scripts = migrations(url, "pass", *RENAME)
    run(url, TABLES)
    before = schema(url)
    scripts.replace("d", 'op.hf_contract_column("people", "name", "full_name")')
    with pytest.raises(MigrationError, match=r"HF466.*lacks what name has: NOT NULL, index people_name_key"):
        scripts.upgrade("d")
    scripts.replace("d", RENAME[2])
    scripts.upgrade("d")
    scripts.downgrade("a")
    assert schema(url) == before
    run(url, "insert into people (id) values (4)", "delete from people where name = 'nobody'")
    scripts.upgrade("e")
    contracted, values = schema(url), rows(url, "select full_name from people order by id")
    run(url, "insert into people (id) values (4)")
    assert rows(url, "select full_name from people where id = 4") == [("nobody",)]
    with pytest.raises(MigrationError, match=r"HF469"):
        scripts.downgrade("d")
    run(url, "drop table people, teams", TABLES)
    run(
        url,
        "alter table people rename name to full_name",
        "alter index people_name_key rename to people_full_name_key",
        "alter table people rename constraint people_name_check to people_full_name_check",
    )
    naive = [row for row in schema(url) if row[2] not in ("name", "people_name_not_null")]
    assert [row for row in contracted if row[2] != "people_full_name_not_null"] == naive
    assert values == rows(url, "select full_name from people order by id")


def test_on_sqlite_a_rename_and_the_way_back(sqlite_database: str, migrations: Callable[..., Scripts]) -> None:
    """Rows that refer to the table stay, and so do its triggers; NOT NULL, a default and a check hold all the time."""
    url = sqlite_database
    scripts = migrations(url, "pass", *RENAME)
    (scripts.folder / "env.py").write_text(KEYS_ON)
    strict = ON_SQLITE.replace("default 'nobody'", "").split(";\n")
    hanging = (
        "create table notes (id integer primary key, person integer references people on delete cascade)",
        "insert into notes values (1, 1), (2, 2)",
        "create table seen (what)",
        "create trigger sees after update on people begin insert into seen values (new.id); end",
    )
    run(url, *strict, *hanging)
    before = schema(url)
    scripts.upgrade("b")
    run(url, "update people set name = name where id = 1")
    for statement in (
        "insert into people (id) values (9)",
        "insert into people (id, full_name) values (9, null)",
        "insert into people (id, full_name) values (9, 'x')",
        "insert into people (id, full_name) values (9, 'BOB')",
        "update people set full_name = null where id = 1",
        "update people set name = null where id = 1",
    ):
        with pytest.raises(sa.exc.IntegrityError):
            run(url, statement)
    scripts.replace("c", RENAME[3][0])
    with pytest.raises(MigrationError, match=r"HF460"):
        scripts.upgrade("c")
    scripts.replace("c", RENAME[1])
    scripts.upgrade("c")
    scripts.replace("d", RENAME[3][0])
    with pytest.raises(MigrationError, match=r"HF466.*lacks what name has: index people_name_key"):
        scripts.upgrade("d")
    scripts.replace("d", RENAME[2])
    scripts.upgrade("d")
    scripts.downgrade("a")
    assert schema(url) == before
    scripts.upgrade("e")
    assert rows(url, "select full_name from people order by id") == [("Ada",), ("Bob",), ("Cid",)]
    assert rows(url, "select id, person from notes") == [(1, 1), (2, 2)]
    contracted = schema(url)
    run(url, "update people set full_name = 'Eve' where id = 1")
    assert rows(url, "select count(*) > 0 from seen") == [(1,)]
    for wrong in ("(9, null)", "(9, 'x')", "(9, 'BOB')"):
        with pytest.raises(sa.exc.IntegrityError):
            run(url, f"insert into people (id, full_name) values {wrong}")
    with pytest.raises(MigrationError, match=r"HF469"):
        scripts.downgrade("d")
    run(url, "drop table notes", "drop table seen", "drop table people", "drop table teams", *strict, *hanging)
    run(
        url,
        "drop index people_name_key",
        "alter table people rename name to full_name",
        'CREATE UNIQUE INDEX "people_full_name_key" on "people" (lower(full_name)) where id > 0',
    )

    def spelled(found: list[tuple[object, ...]]) -> set[tuple[str, ...]]:
        return {tuple(str(each).lower().replace('"', "").replace("main.", "") for each in row) for row in found}

    assert spelled(contracted) == spelled(schema(url))


RETYPE = (
    'op.hf_expand_column("people", "{0}", "{0}_new", sa.BigInteger())',
    'op.hf_backfill("people", "{0}_new")',
    'op.hf_finalize_column("people", "{0}", "{0}_new")',
    'op.hf_contract_column("people", "{0}", "{0}_new", swap=True)',
)


@pytest.mark.parametrize("column", ["amount", "team"])
def test_another_type(database: str, migrations: Callable[..., Scripts], column: str) -> None:
    """The column keeps its name and all that stands on it: a unique constraint, a foreign key."""
    url = database
    scripts = migrations(url, "pass", *(each.format(column) for each in RETYPE))
    run(url, *tables(url))
    before = schema(url)
    scripts.upgrade("e")
    if url.startswith("sqlite"):
        before = [(*row[:3], "BIGINT00") if row[:3] == ("column", "people", column) else row for row in before]
        types = f"select lower(type) from pragma_table_info('people') where name = '{column}'"
    else:
        types = (
            f"select format_type(atttypid, atttypmod) from pg_attribute where attname = '{column}' "
            "and attrelid = 'people'::regclass"
        )
    assert schema(url) == before
    assert rows(url, types) == [("bigint",)]
    assert rows(url, f"select {column} from people order by id") == [(1,), (2,), (None,)]


def test_rows_that_differ_stop_the_last_step(postgresql_database: str, migrations: Callable[..., Scripts]) -> None:
    """Whoever switched triggers off has written one column alone; nothing is dropped, and it can be mended."""
    url = postgresql_database
    scripts = migrations(url, "pass", *RENAME)
    run(url, TABLES)
    scripts.upgrade("d")
    run(url, "set session_replication_role = replica; update people set name = 'Zoe' where id = 2")
    with pytest.raises(MigrationError, match=r"HF460"):
        scripts.upgrade("e")
    assert both(url, "id = 2") == [("Zoe", "Bob")]
    run(url, "alter table people disable trigger user")
    with pytest.raises(MigrationError, match=r"HF466.*switched off"):
        scripts.upgrade("e")
    run(url, "alter table people enable trigger user", "update people set full_name = 'Zoe' where id = 2")
    scripts.upgrade("e")
    assert rows(url, "select full_name from people where id = 2") == [("Zoe",)]


def test_a_column_is_removed(database: str, migrations: Callable[..., Scripts]) -> None:
    url = database
    scripts = migrations(
        url,
        "pass",
        ('op.hf_retire_column("people", "name")', 'op.hf_unretire_column("people", "name")'),
        ('op.hf_drop_column("people", "name")', 'op.hf_restore_column("people", "name")'),
    )
    run(url, *tables(url))
    scripts.upgrade("b")
    run(url, "insert into people (id, amount) values (4, 4)", "update people set amount = 5 where id = 1")
    run(url, "update people set name = 'Ann' where id = 1")
    with pytest.raises(MigrationError, match=r"HF468.*people.name was written"):
        scripts.upgrade("c")
    scripts.downgrade("a")
    catalog = "sqlite_schema where name" if url.startswith("sqlite") else "pg_class where relname"
    assert rows(url, f"select count(*) from {catalog} like 'hf\\_%%' escape '\\'") == [(0,)]
    scripts.replace("b", 'op.hf_drop_column("people", "name")')
    with pytest.raises(MigrationError, match=r"HF466.*is not known"):
        scripts.upgrade("b")
    scripts.replace("b", 'op.hf_retire_column("people", "name")')
    # Never written since.
    scripts.upgrade("c")
    assert "name" not in {row[2] for row in schema(url) if row[0] == "column" and row[1] == "people"}
    with pytest.raises(MigrationError, match=r"HF469"):
        scripts.downgrade("b")


REFUSED = [
    ("id", "it is part of the primary key"),
    ("twice", "the database itself gives its values"),
    ("missing", "there is no such column"),
]


def test_what_cannot_have_a_successor(database: str, migrations: Callable[..., Scripts]) -> None:
    url = database
    scripts = migrations(url, "pass", "pass")
    how = "virtual" if url.startswith("sqlite") else "stored"
    run(url, *tables(url), f"alter table people add twice integer generated always as (amount * 2) {how}")
    refused = list(REFUSED)
    if url.startswith("sqlite"):
        run(
            url,
            "alter table people add spoken text check (spoken is not null or id < 9)",
        )
        refused += [("spoken", "may refuse NULL"), ("name", "keep a value differently")]
    before = schema(url)
    for column, why in refused:
        scripts.replace("b", f'op.hf_expand_column("people", "{column}", "other", sa.BigInteger())')
        with pytest.raises(MigrationError, match=f"HF466.*{why}"):
            scripts.upgrade()
    assert schema(url) == before
    run(url, "alter table people add full_name text")
    scripts.replace("b", RENAME[0][0])
    with pytest.raises(MigrationError, match=r"HF462"):
        scripts.upgrade()


WITHOUT_JOURNAL = (
    RENAME[0],
    'op.hf_backfill("people", "full_name", without_journal="follows from name")',
    RENAME[2],
    RENAME[3],
)
FOUND = """select 1 from holdfast.change as c
where (coalesce(c.before::text, '') || coalesce(c.after::text, '')) like '%%Ada%%'"""


def _protected(url: str) -> Protected:
    run(url, TABLES)
    protected = Protected(url)
    declared = [Audit(exclude={"name"}), SoftDelete(live_view=True), Timestamps(), Version(), Guard(max_rows=2)]
    protected.protect({"people": declared, "teams": [SoftDelete()]}, add_columns=True)
    return protected


def test_what_protects_the_table_goes_along(postgresql_database: str, migrations: Callable[..., Scripts]) -> None:
    """What is kept out of the journal stays out of it by its new name; a backfill left out changes no version."""
    url = postgresql_database
    scripts = migrations(url, "pass", *WITHOUT_JOURNAL)
    protected = _protected(url)
    scripts.upgrade("c")
    assert {row[0] for row in rows(url, "select version from people")} == {1}
    assert rows(url, "select kind, reason from holdfast.intervention where kind = 'backfill'") == [
        ("backfill", "follows from name")
    ]
    run(url, "update people set full_name = 'Ada L.' where id = 1")
    assert rows(url, "select name, version from people where id = 1") == [("Ada L.", 2)]
    protected.write("update people set amount = 12, full_name = 'Ada M.' where id = 1")
    scripts.upgrade("d")
    assert protected.drift() == []
    protected.write("update people set full_name = 'Ada N.', amount = 13 where id = 1")
    protected.undo()
    assert rows(url, "select amount, full_name, version from people where id = 1") == [(12, "Ada N.", 5)]
    scripts.upgrade("e")
    assert protected.drift() == []
    protected.write(
        "update people set full_name = 'Ada O.', amount = 14 where id = 1", "delete from people where id = 2"
    )
    assert rows(url, "select full_name from people_live order by id") == [("Ada O.",), ("Cid",)]
    protected.undo()
    assert rows(url, "select amount from people where id = 1") == [(12,)]
    assert rows(url, FOUND) == []


def test_on_sqlite_protection_counts_a_write_once(sqlite_database: str, migrations: Callable[..., Scripts]) -> None:
    """One change with both columns in it, one version, one row for the guard, whichever column was written."""
    url = sqlite_database
    retyped = [each.format("amount").replace("sa.BigInteger()", "sa.Integer()") for each in RETYPE]
    scripts = migrations(url, "pass", *RENAME, *retyped[:1], ";".join(retyped[1:]))
    (scripts.folder / "env.py").write_text(KEYS_ON)
    run(url, *tables(url))
    protected = Protected(url)
    declared = [Audit(exclude={"amount"}), SoftDelete(live_view=True), Timestamps(), Version(), Guard(max_rows=3)]
    protected.protect({"people": declared, "teams": [SoftDelete()]}, add_columns=True)
    scripts.upgrade("b")
    assert protected.drift() == []
    run(url, "update people set full_name = 'Ada L.' where id = 1")
    run(url, "update people set name = 'Bo', amount = 22 where id = 2")
    run(url, "insert into people (id, full_name) values (4, 'Dot')")
    run(url, "update people set full_name = full_name || '' where id < 3")
    assert rows(url, "select id, name, full_name, version from people order by id") == [
        (1, "Ada L.", "Ada L.", 2), (2, "Bo", "Bo", 2), (3, "Cid", None, 1), (4, "Dot", "Dot", 1)
    ]  # fmt: skip
    found = [(change.operation, change.key, change.after) for change in protected.log("people", limit=None)]
    assert sorted(found[-3:], key=lambda change: change[1])[:2] == [
        ("update", 1, {"name": "Ada L.", "full_name": "Ada L."}),
        ("update", 2, {"name": "Bo", "full_name": "Bo"}),
    ]
    assert found[-1][0] == "insert"
    assert {"name": "Dot", "full_name": "Dot"}.items() <= found[-1][2].items()
    protected.write("delete from people where id = 2")
    protected.write("update people set full_name = 'Eve' where id = 1")
    protected.undo()
    assert both(url, "id = 1") == [("Ada L.", "Ada L.")]
    scripts.upgrade("d")
    # What follows from the other column is no change of the row.
    assert rows(url, "select full_name, version from people where id = 3") == [("Cid", 1)]
    scripts.upgrade("e")
    assert protected.drift() == []
    protected.write("update people set full_name = 'Fay' where id = 1")
    protected.undo()
    assert rows(url, "select full_name from people_live order by id") == [("Ada L.",), ("Cid",), ("Dot",)]
    scripts.upgrade("f")
    run(url, "update people set amount_new = 123454321 where id = 1")
    scripts.upgrade()
    run(url, "update people set amount = 987656789 where id = 1")
    assert protected.drift() == []
    # What is kept out of the journal stays out of it by either name.
    assert rows(url, "select count(*) from holdfast_value where coalesce(after, before) in (123454321, 987656789)") == [
        (0,)
    ]


def test_under_row_security_a_tenant_writes_either_column(
    postgresql_database: str, migrations: Callable[..., Scripts]
) -> None:
    """As a role that owns nothing; and a column that is retired may be left out, or written, by such a role too."""
    url = postgresql_database
    scripts = migrations(url, "pass", *RENAME[:2], 'op.hf_retire_column("notes", "mood")')
    scripts.replace("b", 'op.hf_expand_column("notes", "body", "words", sa.Text())')
    scripts.replace("c", 'op.hf_backfill("notes", "words")')
    run(
        url,
        "create table notes (tenant_id integer, id integer primary key, body text, mood text not null)",
        "insert into notes values (1, 1, 'one', 'sad'), (2, 2, 'two', 'sad')",
    )
    shop = Protected(url)
    shop.protect({"notes": [Tenant(), Audit()]})
    with login(shop) as app:
        scripts.upgrade()
        assert rows(url, "select body, words from notes order by id") == [("one", "one"), ("two", "two")]
        found = app.run(
            "update notes set words = 'ONE'",
            "insert into notes (tenant_id, id, body, mood) values (1, 3, 'three', 'glad')",
            "insert into notes (tenant_id, id, words) values (1, 4, 'four')",
            "select body, words from notes order by id",
            tenant=1,
        )
        assert found[-1] == [("ONE", "ONE"), ("three", "three"), ("four", "four")]


def test_a_backfill_is_in_the_journal(postgresql_database: str, migrations: Callable[..., Scripts]) -> None:
    """Unless it is said why not. With an asynchronous driver, that takes one statement at a time."""
    url = postgresql_database
    scripts = migrations(url, "pass", *RENAME)
    (scripts.folder / "env.py").write_text(
        ASYNC.replace('"sqlalchemy.url")', '"sqlalchemy.url").replace("psycopg", "asyncpg")')
    )
    run(url, TABLES)
    protected = Protected(url)
    protected.protect({"people": [Audit()]})
    scripts.upgrade("c")
    assert protected.drift() == []
    assert sorted((change.key, change.after) for change in protected.log("people")) == [
        (1, {"full_name": "Ada"}), (2, {"full_name": "Bob"}), (3, {"full_name": "Cid"})
    ]  # fmt: skip
    scripts.downgrade("a")
    assert protected.drift() == []
    scripts.upgrade("e")
    assert protected.drift() == []
    assert rows(url, "select full_name from people where id = 3") == [("Cid",)]


@contextmanager
def each_fails_once() -> Iterator[list[str]]:
    """Every statement of a migration is the last one once: what it is part of ends with it."""
    seen: list[str] = []
    verbs = ("create", "alter", "drop", "comment", "revoke", "lock", "update", "insert", "commit", "delete")

    def listener(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asks = "pg_temp" in statement or "temporary" in statement
        if statement.lower().startswith(verbs) and not asks and statement not in seen:
            seen.append(statement)
            raise _Cut

    event.listen(Engine, "after_cursor_execute", listener)
    try:
        yield seen
    finally:
        event.remove(Engine, "after_cursor_execute", listener)


class _Cut(Exception):
    pass


@pytest.mark.parametrize(
    ("steps", "first"),
    [(RENAME, "a"), (tuple(each.format("amount") for each in RETYPE), "d")],
    ids=["rename", "the swap"],
)
def test_cut_after_each_statement(
    postgresql_database: str, migrations: Callable[..., Scripts], steps: tuple[Any, ...], first: str
) -> None:
    url = postgresql_database
    scripts = migrations(url, "pass", *steps)
    run(url, TABLES)
    scripts.upgrade("e")
    wanted = schema(url)
    run(url, "drop table people, teams", TABLES, "update alembic_version set version_num = 'a'")
    scripts.upgrade(first)
    with each_fails_once() as seen:
        for _ in range(100):
            try:
                scripts.upgrade("e")
            except _Cut:
                continue
            break
    assert len(seen) > (15 if first == "a" else 7), seen
    assert rows(url, "select version_num from alembic_version") == [("e",)]
    assert schema(url) == wanted
    assert rows(url, "select count(*) from people") == [(3,)]


class Old(DeclarativeBase):
    """The application as it was."""


class New(DeclarativeBase):
    """The application as it is going to be."""


class OldAccount(Old):
    __tablename__ = "accounts"
    id: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str] = mapped_column("name")
    version: Mapped[int] = mapped_column(sa.FetchedValue())
    __mapper_args__ = {"version_id_col": version, "version_id_generator": False}  # noqa: RUF012


class NewAccount(New):
    __tablename__ = "accounts"
    id: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str] = mapped_column("full_name")
    version: Mapped[int] = mapped_column(sa.FetchedValue())
    __mapper_args__ = {"version_id_col": version, "version_id_generator": False}  # noqa: RUF012


class Application:
    """Inserts, updates, reads, deletes, counts up a row that all of them share; a failed statement is a failed test."""

    def __init__(self, url: str, model: Any, first: int, threads: ThreadPoolExecutor) -> None:
        self.model = model
        self.first = first
        self.rounds = 0
        self.written: dict[int, str] = {}
        self.engine = sa.create_engine(url)
        self._stop = threading.Event()
        self._running = threads.submit(self._run)

    def _run(self) -> None:
        model = self.model
        while not self._stop.is_set() and self.rounds < 5_000:
            number, text = self.first + self.rounds % 20, f"{self.first} {self.rounds}"
            with Session(self.engine) as session, session.begin():
                row = session.get(model, number)
                assert (row.label if row is not None else None) == self.written.get(number)
                if row is None:
                    session.add(model(id=number, label=text))
                elif self.rounds % 7 == 3:
                    session.delete(row)
                else:
                    row.label = text
            deleted = number in self.written and self.rounds % 7 == 3
            self.written |= {number: text}
            if deleted:
                del self.written[number]
            with Session(self.engine) as session, session.begin():
                counted = sa.cast(sa.cast(model.label, sa.Integer) + 1, sa.Text)
                session.execute(sa.update(model).where(model.id == 0).values(label=counted))
            self.rounds += 1

    def works(self, more: int = 3) -> None:
        wanted = self.rounds + more
        until(lambda: self.rounds >= wanted or self._running.done())
        if self._running.done():
            self.stop()

    def stop(self) -> int:
        self._stop.set()
        self._running.result()
        self.engine.dispose()
        return self.rounds


def test_both_versions_of_the_application_work_all_the_time(database: str, migrations: Callable[..., Scripts]) -> None:
    """No statement fails, and what each wrote last is there, while the column is renamed beneath them."""
    url, sqlite = database, database.startswith("sqlite")
    scripts = migrations(url, "pass", *(
        each[0].replace("people", "accounts") if isinstance(each, tuple) else each.replace("people", "accounts")
        for each in (RENAME if sqlite else WITHOUT_JOURNAL)
    ))  # fmt: skip
    series = (
        "(with recursive s (i) as (values (0) union all select i + 1 from s where i < 3000) select i from s)"
        if sqlite
        else "generate_series(0, 3000) as i"
    )
    run(
        url,
        "create table accounts (id integer primary key, name text not null, version integer not null default 1)",
        "create index accounts_name on accounts (name)",
        f"insert into accounts (id, name) select i, case i when 0 then '0' else 'row ' || i end from {series}",
    )
    protected = Protected(url)
    protected.protect({"accounts": [Audit(), Version()]})
    with ThreadPoolExecutor(3) as threads:
        old = [Application(url, OldAccount, first, threads) for first in (10_000, 20_000)]
        try:
            for revision in ("b", "c"):
                for each in old:
                    each.works()
                scripts.upgrade(revision)
            new = Application(url, NewAccount, 30_000, threads)
            try:
                for each in (*old, new):
                    each.works()
                scripts.upgrade("d")
                for each in (*old, new):
                    each.works()
                counted = sum(each.stop() for each in old)
                scripts.upgrade("e")
                new.works()
            finally:
                counted += new.stop()
        finally:
            for each in old:
                each.stop()
    written = {number: text for each in (*old, new) for number, text in each.written.items()}
    written[0] = str(counted)
    found = rows(url, "select id, full_name from accounts where id = 0 or id >= 10000 order by id")
    assert found == sorted(written.items())
    assert rows(url, "select count(*) from accounts where full_name = 'row ' || id") == [(3000,)]
    assert len(protected.log("accounts", key="0", limit=None)) == counted
    assert protected.drift() == []


@pytest.mark.parametrize("swap", [False, True], ids=["rename", "retype"])
def test_a_script_does_the_same(postgresql_database: str, migrations: Callable[..., Scripts], swap: bool) -> None:
    """Printed by ``--sql`` and run by psql; what it would have to know, it asks, and stops."""
    url = postgresql_database
    column, new = ("amount", "amount_new") if swap else ("name", "full_name")
    steps = (
        [each.format("amount") for each in RETYPE]
        if swap
        else [each[0] if isinstance(each, tuple) else each for each in RENAME]
    )
    scripts = migrations(url, "pass", *steps)
    with_default = TABLES.replace("not null default 'nobody'", "not null")
    run(url, with_default)
    scripts.upgrade("e")
    wanted = schema(url)
    run(url, "drop table people, teams", TABLES, "update alembic_version set version_num = 'a'")
    if not swap:
        with pytest.raises(PsqlError, match=r"HF466.*has a default"):
            psql(url, scripts.sql("a:b"))
    run(url, "drop table people, teams", with_default)
    psql(url, scripts.sql("a:c"))
    run(url, f"update people set {new} = {new} where id = 1", "insert into people (id, name) values (9, 'Nine')")
    assert rows(url, f"select count(*) from people where {column} is distinct from {new}") == [(0,)]
    with pytest.raises(PsqlError, match=r"HF466.*it lacks"):
        psql(url, scripts.sql("c:d"))
    run(url, "delete from people where id = 9")
    for statement in (
        ("alter table people add constraint people_amount_new_key unique (amount_new)",)
        if swap
        else (
            "create unique index people_full_name_key on people (lower(full_name)) where id > 0",
            "alter table people add constraint people_full_name_check check (full_name <> 'x')",
            "alter table people alter column full_name set not null",
        )
    ):
        run(url, statement)
    psql(url, scripts.sql("c:e"))
    assert schema(url) == wanted
    assert rows(url, "select version_num from alembic_version") == [("e",)]


def test_the_operations_can_be_printed() -> None:
    """As Alembic writes a revision: each operation, and what takes it back."""
    context = AutogenContext(MigrationContext.configure(dialect_name="postgresql"))
    context.opts |= {"alembic_module_prefix": "op.", "sqlalchemy_module_prefix": "sa.", "user_module_prefix": None}
    made = [
        ExpandColumnOp("people", "amount", "cents", sa.BigInteger(), up="amount * 100", schema="shop"),
        BackfillOp("people", "cents", sa.text("amount * 100"), batches=BatchSettings(rows=10)),
        FinalizeColumnOp("people", "amount", "cents"),
        ContractColumnOp("people", "amount", "cents", swap=True),
        RetireColumnOp("people", "fax"),
        DropColumnOp("people", "fax", quiet=timedelta(hours=1)),
    ]
    reversed_ = [each.reverse() for each in (made[0], made[3], made[4], made[5])]
    printed = render_python_code(UpgradeOps([*made, *reversed_]), migration_context=context.migration_context)
    assert [line.strip() for line in printed.splitlines() if "op." in line] == [
        "op.hf_expand_column('people', 'amount', 'cents', sa.BigInteger(), up='amount * 100', schema='shop')",
        "op.hf_backfill('people', 'cents', sa.text('amount * 100'), batches=holdfast.alembic.BatchSettings(rows=10))",
        "op.hf_finalize_column('people', 'amount', 'cents')",
        "op.hf_contract_column('people', 'amount', 'cents', swap=True)",
        "op.hf_retire_column('people', 'fax')",
        "op.hf_drop_column('people', 'fax', quiet=datetime.timedelta(seconds=3600))",
        "op.hf_collapse_column('people', 'cents', schema='shop')",
        "op.hf_restore_column('people', 'amount')",
        "op.hf_unretire_column('people', 'fax')",
        "op.hf_restore_column('people', 'fax')",
    ]


GOLDEN = Path(__file__).parents[1] / "golden" / "expanding.sql"


def test_the_sql_is_laid_out_for_people() -> None:
    table, expanding = Target("shop", "people"), PostgreSQLExpanding()
    worked_out = Expansion("amount", "cents", "amount * 100", "cents / 100", "0")
    statements = (
        *expanding.expand(table, Expansion("name", "full_name"), "TEXT"),
        *expanding.expand(table, worked_out, "BIGINT"),
        *expanding.retire(table, "fax"),
    )
    sql = "".join(f"{statement};\n\n" for statement in statements).rstrip("\n") + "\n"
    if os.environ.get("HOLDFAST_UPDATE_GOLDEN"):
        GOLDEN.write_text(sql)
    assert sql == GOLDEN.read_text()


def test_the_linter_finds_nothing_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sqlglot")
    scripts = Scripts(tmp_path / "migrations", "postgresql+psycopg:///nowhere")
    upgrades = [each if isinstance(each, str) else each[0] for each in RENAME]
    scripts.add(
        "a", "\n".join((*upgrades, 'op.hf_retire_column("people", "fax")', 'op.hf_drop_column("people", "fax")'))
    )
    monkeypatch.chdir(tmp_path)
    found = CliRunner().invoke(
        main, ["lint", "--no-env", "--strict", "--database", "postgresql", "--config", str(scripts.ini)]
    )
    assert found.exit_code == 0, found.output
