"""What ``holdfast migrate`` asks of Alembic."""

from __future__ import annotations

import configparser
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import alembic.command
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError

from holdfast.alembic.running import DONE, RUNNING, SAY, SETTINGS
from holdfast.errors import MigrationError
from holdfast.migrating import MigrationSettings


def configuration(path: Path, settings: MigrationSettings, say: Callable[[str], None], x: Sequence[str] = ()) -> Config:
    """Alembic's configuration, with what the command line says of waiting."""
    config = Config(str(path), cmd_opts=Namespace(x=list(x)))
    config.attributes[SETTINGS] = settings
    config.attributes[SAY] = say
    return config


def upgrade(config: Config, revision: str) -> list[str]:
    """Runs the revisions up to that one; what was run."""
    done: list[str] = []
    config.attributes[DONE] = done.append
    _run(config, revision)
    return done


def pending(config: Config, revision: str) -> list[str]:
    """What ``upgrade`` would run; changes nothing."""
    return [str(step) for step in _run(config, revision, dont_mutate=True)]


def print_sql(config: Config, revision: str) -> None:
    with _errors():
        alembic.command.upgrade(config, revision, sql=True)


def _run(config: Config, revision: str, *, dont_mutate: bool = False) -> list[Any]:
    with _errors():
        script = ScriptDirectory.from_config(config)
        found: list[Any] = []

        def steps(heads: Any, _context: Any) -> list[Any]:
            if RUNNING not in config.attributes:
                raise MigrationError(
                    "HF464",
                    "env.py does not run the revisions in holdfast's way, so none was run.",
                    "In run_migrations_online replace context.configure(connection=connection, …) and the block after "
                    "it by holdfast.alembic.run_migrations(connection, …).",
                )
            # The same call as alembic.command.upgrade makes: there is no other way to ask.
            found[:] = script._upgrade_revs(revision, heads)
            return [] if dont_mutate else found

        with EnvironmentContext(config, script, fn=steps, destination_rev=revision, dont_mutate=dont_mutate):
            script.run_env()
        return found


@contextmanager
def _errors() -> Iterator[None]:
    """Alembic's refusals as ours."""
    try:
        yield
    except CommandError as error:
        raise MigrationError("HF464", f"Alembic: {error}.", "Look at the revisions: alembic history.") from error
    except (configparser.Error, UnicodeDecodeError) as error:
        what = str(error).splitlines()[0].rstrip(".")
        raise MigrationError(
            "HF464", f"Alembic's configuration cannot be read: {what}.", "Look at the file."
        ) from error
