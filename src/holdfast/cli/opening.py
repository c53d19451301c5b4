"""Which database: ``--url``, else ``HOLDFAST_URL``, else ``holdfast.toml``."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
from sqlalchemy import Connection

from holdfast.database import Database
from holdfast.dialects.base import Dialect
from holdfast.inspector import inspect
from holdfast.inventory import Inventory
from holdfast.toml import NAME, Configuration, read

F = TypeVar("F", bound=Callable[..., Any])


class Settings:
    """What every command may ask: the file's declarations, and the database."""

    def __init__(self) -> None:
        self.url: str | None = None
        self.password: str | None = None
        self._configuration: Configuration | None = None

    @property
    def configuration(self) -> Configuration:
        if self._configuration is None:
            self._configuration = read(Path(NAME))
        return self._configuration

    def database(self) -> Database:
        url = self.url or os.environ.get("HOLDFAST_URL") or self.configuration.url
        if not url:
            raise click.UsageError(f'Which database? Give --url, set HOLDFAST_URL, or write url = "…" into {NAME}.')
        database = Database(url)
        if isinstance(database.url.password, str):
            self.password = database.url.password
        return database


def url_option(command: F) -> F:
    """``--url``, before or after the command's name."""

    def keep(ctx: click.Context, _parameter: click.Parameter, value: str | None) -> None:
        settings = ctx.ensure_object(Settings)
        if value is not None:
            settings.url = value

    return click.option(
        "--url",
        metavar="URL",
        callback=keep,
        expose_value=False,
        help="The database: postgresql://user@host/name or sqlite:///path/to/file.db. Default: $HOLDFAST_URL, "
        f"then url in {NAME}.",
    )(command)


config_option = click.option(
    "--config",
    "-c",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("alembic.ini"),
    show_default=True,
    metavar="FILE",
    help="Alembic's configuration.",
)
settings_of = click.make_pass_decorator(Settings, ensure=True)


@contextmanager
def reading(database: Database, *, journal: bool = True) -> Iterator[tuple[Connection, Dialect, Inventory]]:
    """One state of the database to read from, and what is there; HF303 where there is no journal to read.

    Who needs the journal reads it alone, and not what is installed.
    """
    with database.snapshot() as connection:
        dialect, inventory = inspect(connection, database.dialect, objects=not journal)
        if journal:
            inventory.check_journal("holdfast protect --all")
        yield connection, dialect, inventory
