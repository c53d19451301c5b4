"""An application with migrations, for tests of autogenerate: its models change, and revisions are written for it."""

from __future__ import annotations

import io
import re
import textwrap
import warnings
from pathlib import Path
from typing import Any

import alembic.command
import sqlalchemy as sa
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy.pool import NullPool

from tests.servers import pg_dump_schema

ENV = """\
from alembic import context
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

import holdfast.alembic

holdfast.alembic.setup()

config = context.config
url = config.get_main_option("sqlalchemy.url")
options = {"target_metadata": config.attributes["metadata"], **config.attributes["options"]}
if context.is_offline_mode():
    context.configure(url=url, literal_binds=True, **options)
    with context.begin_transaction():
        context.run_migrations()
else:
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        context.configure(connection=connection, render_as_batch=engine.name == "sqlite", **options)
        with context.begin_transaction():
            context.run_migrations()
"""
MAKO = '''\
"""${message}"""

from alembic import op
import sqlalchemy as sa
${imports if imports else ""}

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade():
    ${upgrades if upgrades else "pass"}


def downgrade():
    ${downgrades if downgrades else "pass"}
'''


class Project:
    """``options`` are those of ``context.configure()``."""

    def __init__(self, folder: Path, url: str, metadata: Any, *, env: str = ENV, **options: Any) -> None:
        self.url = url
        self.metadata = metadata
        self.folder = folder / "migrations"
        self.options = options
        (self.folder / "versions").mkdir(parents=True)
        (self.folder / "env.py").write_text(env)
        (self.folder / "script.py.mako").write_text(MAKO)
        self.count = 0
        self.execution: dict[str, Any] = {}
        """Execution options of the engine, where the env.py asks for them."""

    def config(self) -> Config:
        config = Config(stdout=io.StringIO(), output_buffer=io.StringIO())
        config.set_main_option("script_location", str(self.folder))
        config.set_main_option("sqlalchemy.url", self.url.replace("%", "%%"))
        config.attributes |= {"metadata": self.metadata, "options": self.options, "execution": self.execution}
        return config

    def revise(self, **options: Any) -> str:
        """Writes the next revision, and gives its text."""
        self.count += 1
        with _as_in_a_terminal():
            script = alembic.command.revision(
                self.config(), f"{self.count}", autogenerate=True, rev_id=f"r{self.count:03}", **options
            )
        assert script is not None
        assert not isinstance(script, list)
        return Path(script.path).read_text()

    def upgrade(self, revision: str = "head") -> None:
        with _as_in_a_terminal():
            alembic.command.upgrade(self.config(), revision)

    def downgrade(self, revision: str = "base") -> None:
        with _as_in_a_terminal():
            alembic.command.downgrade(self.config(), revision)

    def sql(self, revision: str = "head") -> str:
        config = self.config()
        alembic.command.upgrade(config, revision, sql=True)
        assert isinstance(config.output_buffer, io.StringIO)
        return config.output_buffer.getvalue()

    def sql_down(self, revisions: str) -> str:
        config = self.config()
        alembic.command.downgrade(config, revisions, sql=True)
        assert isinstance(config.output_buffer, io.StringIO)
        return config.output_buffer.getvalue()

    def drift(self) -> str:
        """What ``alembic check`` complains of; nothing where all is as declared."""
        try:
            with _as_in_a_terminal():
                alembic.command.check(self.config())
        except CommandError as error:
            return str(error)
        return ""

    def schema(self) -> str:
        """The whole schema, comparable between two moments of one database."""
        url = sa.make_url(self.url)
        if url.get_backend_name() == "postgresql":
            return pg_dump_schema(self.url)
        rows = self.rows("select type, name, sql from sqlite_schema where name not glob 'sqlite_*' order by 1, 2")
        return "\n".join(" ".join(f"{kind} {name} {sql}".split()) for kind, name, sql in rows)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        engine = sa.create_engine(self.url, poolclass=NullPool)
        with engine.connect() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(sql)]

    def run(self, *statements: str) -> None:
        engine = sa.create_engine(self.url, poolclass=NullPool)
        with engine.begin() as connection:
            for each in statements:
                connection.exec_driver_sql(each)

    def forget(self) -> None:
        """Goes back to before the last revision, and takes it away."""
        self.downgrade(f"r{self.count - 1:03}" if self.count > 1 else "base")
        for path in (self.folder / "versions").glob(f"r{self.count:03}_*.py"):
            path.unlink()
        self.count -= 1


class _as_in_a_terminal(warnings.catch_warnings):
    """What SQLAlchemy warns of in reflection is of no matter here."""

    def __enter__(self) -> Any:
        entered = super().__enter__()
        warnings.filterwarnings("ignore", category=sa.exc.SAWarning)
        return entered


def operations(revision: str, part: str = "upgrade") -> list[tuple[str, str]]:
    """The operations of a revision in their order, each with what it is about."""
    body = textwrap.dedent(revision[revision.index(f"def {part}()") :].partition("\n\n\ndef ")[0].partition("\n")[2])
    return re.findall(r"(?m)^(?:with )?op\.(\w+)\(\s*(?:op\.f\()?['\"]([^'\"]+)", body)
