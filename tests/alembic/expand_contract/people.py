"""A table whose columns are renamed, retyped and removed, and the steps that do it."""

from __future__ import annotations

from tests.alembic.scripts import SAFE, rows

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
ON_SQLITE = TABLES.replace("alter table people add constraint people_amount_key unique (amount);\n", "").replace(
    "amount integer,", "amount integer constraint people_amount_key unique,"
)
KEYS_ON = SAFE.replace(
    "        run_migrations(connection)",
    "        connection.exec_driver_sql('pragma foreign_keys = on')\n        connection.commit()\n"
    "        run_migrations(connection)",
)
"""An env.py under which SQLite keeps foreign keys."""
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
UPGRADES = tuple(each if isinstance(each, str) else each[0] for each in RENAME)
WITHOUT_JOURNAL = (
    UPGRADES[0],
    'op.hf_backfill("people", "full_name", without_journal="follows from name")',
    *UPGRADES[2:],
)
RETYPE = (
    'op.hf_expand_column("people", "{0}", "{0}_new", sa.BigInteger())',
    'op.hf_backfill("people", "{0}_new")',
    'op.hf_finalize_column("people", "{0}", "{0}_new")',
    'op.hf_contract_column("people", "{0}", "{0}_new", swap=True)',
)


def tables(url: str) -> list[str]:
    return ON_SQLITE.split(";\n") if url.startswith("sqlite") else [TABLES]


def both(url: str, which: str = "id = 9") -> list[tuple[object, ...]]:
    return rows(url, f"select name, full_name from people where {which}")
