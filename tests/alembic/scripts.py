"""A folder of migrations for a test: an env.py, and revisions that are a few lines each."""

from __future__ import annotations

import contextlib
import io
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import alembic.command
import sqlalchemy as sa
from alembic.config import Config
from sqlalchemy import Connection
from sqlalchemy.pool import NullPool

from holdfast.alembic.running import DONE, SAY, SETTINGS

STOCK = """\
from alembic import context
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

config = context.config
url = config.get_main_option("sqlalchemy.url")
if context.is_offline_mode():
    context.configure(url=url, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        context.configure(connection=connection)
        with context.begin_transaction():
            context.run_migrations()
"""
SAFE = """\
from alembic import context
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from holdfast.alembic import run_migrations

config = context.config
url = config.get_main_option("sqlalchemy.url")
if context.is_offline_mode():
    context.configure(url=url, literal_binds=True, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        run_migrations(connection)
"""
ASYNC = """\
import asyncio

from alembic import context
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from holdfast.alembic import run_migrations

config = context.config


async def main():
    engine = create_async_engine(config.get_main_option("sqlalchemy.url"), poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(run_migrations)
    await engine.dispose()


asyncio.run(main())
"""
_REVISION = '''\
"""{name}"""

import sqlalchemy as sa
from alembic import op

import holdfast.alembic

revision = "{name}"
down_revision = {down!r}


def upgrade():
    {upgrade}


def downgrade():
    {downgrade}
'''


class Scripts:
    """Revisions named in their order; ``first`` is made of the text that was given for it."""

    def __init__(self, folder: Path, url: str, env: str = SAFE) -> None:
        self.folder = folder
        self.url = url
        (folder / "versions").mkdir(parents=True)
        (folder / "env.py").write_text(env)
        self.ini = folder / "alembic.ini"
        self.ini.write_text(
            f"[alembic]\nscript_location = {folder}\nsqlalchemy.url = {url.replace('%', '%%')}\npath_separator = os\n"
        )
        self._last: str | None = None
        self._before: dict[str, str | None] = {}

    def add(self, name: str, upgrade: str, downgrade: str = "pass") -> None:
        self._write(name, self._last, upgrade, downgrade)
        self._before[name], self._last = self._last, name

    def replace(self, name: str, upgrade: str, downgrade: str = "pass") -> None:
        """Another revision in its place; compiled, the first may be of the same second and size."""
        shutil.rmtree(self.folder / "versions" / "__pycache__", ignore_errors=True)
        self._write(name, self._before[name], upgrade, downgrade)

    def _write(self, name: str, down: str | None, upgrade: str, downgrade: str) -> None:
        text = {"upgrade": upgrade.replace("\n", "\n    "), "downgrade": downgrade.replace("\n", "\n    ")}
        (self.folder / "versions" / f"{name}.py").write_text(_REVISION.format(name=name, down=down, **text))

    def config(self, attributes: Mapping[str, object] | None = None) -> Config:
        config = Config(str(self.ini))
        names = {"settings": SETTINGS, "say": SAY, "done": DONE}
        config.attributes.update({names[name]: value for name, value in (attributes or {}).items()})
        return config

    def upgrade(self, revision: str = "head", **attributes: object) -> None:
        """``settings``: how long to wait; ``say``, ``done``: where it goes what is said, and each revision done."""
        alembic.command.upgrade(self.config(attributes), revision)

    def downgrade(self, revision: str, **attributes: object) -> None:
        alembic.command.downgrade(self.config(attributes), revision)

    def sql(self, revision: str) -> str:
        """The script that ``--sql`` prints."""
        config = self.config()
        config.output_buffer = io.StringIO()
        alembic.command.upgrade(config, revision, sql=True)
        return config.output_buffer.getvalue()


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    """Waits for what another thread or process is about to do."""
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, "it did not come to that"
        time.sleep(0.01)


@contextlib.contextmanager
def connected(url: str) -> Iterator[Connection]:
    """A connection of somebody else."""
    engine = sa.create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        yield connection


def rows(url: str, sql: str) -> list[tuple[object, ...]]:
    with connected(url) as connection:
        return [tuple(row) for row in connection.exec_driver_sql(sql)]


def run(url: str, *statements: str) -> None:
    with connected(url) as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
        connection.commit()


def schema(url: str) -> list[tuple[object, ...]]:
    """Columns, constraints, indexes and enums, as the catalog spells them."""
    return rows(url, _SQLITE if url.startswith("sqlite") else _SCHEMA)


_SQLITE = """\
select 'column', s.name, x.name, x.type || x."notnull" || coalesce(x.dflt_value, '') || x.pk
    from sqlite_schema as s, pragma_table_xinfo(s.name) as x where s.type = 'table'
union all
select 'constraint', s.name, f."from", f."table" || f."to" || f.on_delete
    from sqlite_schema as s, pragma_foreign_key_list(s.name) as f where s.type = 'table'
union all
select 'index', i.tbl_name, i.name, coalesce(i.sql, (select group_concat(name) from pragma_index_info(i.name)))
    from sqlite_schema as i where i.type = 'index'
union all
select type, tbl_name, name, '' from sqlite_schema where type in ('trigger', 'view')
order by 1, 2, 3"""
_SCHEMA = """\
select 'column', attrelid::regclass::text, attname::text, attnotnull::text from pg_attribute
    join pg_class on pg_class.oid = attrelid and relnamespace = 'public'::regnamespace and relkind = 'r'
    where attnum > 0 and not attisdropped
union all
select 'constraint', conrelid::regclass::text, conname, convalidated || pg_get_constraintdef(oid) from pg_constraint
    where connamespace = 'public'::regnamespace
union all
select 'index', indrelid::regclass::text, indexrelid::regclass::text, indisvalid || pg_get_indexdef(indexrelid)
    from pg_index join pg_class on pg_class.oid = indexrelid and relnamespace = 'public'::regnamespace
union all
select 'value', enumtypid::regtype::text, enumlabel, rank() over (order by enumsortorder)::text from pg_enum
order by 1, 2, 3"""
