"""A column is renamed, retyped or removed step by step, back again until the last, and never by halves."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa

from holdfast.errors import MigrationError
from tests.alembic.expand_contract.people import KEYS_ON, ON_SQLITE, RENAME, RETYPE, TABLES, both, tables
from tests.alembic.scripts import Scripts, rows, run, schema


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
