"""What protects the table goes along, and counts each write once."""

from __future__ import annotations

from collections.abc import Callable

from holdfast import Audit, Guard, SoftDelete, Tenant, Timestamps, Version
from tests.alembic.expand_contract.people import KEYS_ON, RENAME, RETYPE, TABLES, WITHOUT_JOURNAL, both, tables
from tests.alembic.scripts import ASYNC, Scripts, rows, run
from tests.harness import Protected
from tests.suite.test_tenant import login

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
