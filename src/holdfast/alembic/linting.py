"""The revisions of an Alembic environment as migrations to lint: upgrade() is run without a database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import alembic.op
from alembic.config import Config
from alembic.operations import Operations
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection

from holdfast.alembic.annotations import annotated, edited_header, header
from holdfast.alembic.applied import Applied, AppliedRevisions, is_edited
from holdfast.alembic.recording import Record, Recorder
from holdfast.errors import HoldfastError
from holdfast.lint.checking import Migration
from holdfast.lint.servers import Server, server_for


@dataclass(frozen=True, slots=True)
class Asked:
    """Which revisions, and how they will be run."""

    targets: tuple[str, ...] = ()
    server: Server | None = None
    """None: what env.py configures."""
    applied: tuple[str, ...] | None = None
    """The revisions that the database has; None where none was given."""
    run_here: Mapping[str, Applied] = field(default_factory=dict)
    """Those that were run on the database, each as it was then."""
    run_env: bool = True
    transaction_each: bool = False
    """Whether the runner gives each revision a transaction, whatever env.py says."""


def applied_in(connection: Connection) -> tuple[tuple[str, ...], dict[str, Applied]]:
    """The revisions at which the database stands, and each that was run there, as it was then."""
    return MigrationContext.configure(connection).get_current_heads(), AppliedRevisions(connection).read()


def read_revisions(config: Path, asked: Asked) -> tuple[Server, list[Migration]]:
    """What each revision would send, oldest first, and for which server. Those before the ones asked for are not
    checked: they tell what is there.

    Raises HF445 where the environment or the revisions cannot be read.
    """
    pyproject = Path("pyproject.toml")
    recorder = Recorder(asked.server or Server())
    settings = Config(
        str(config) if config.is_file() else None,
        toml_file=str(pyproject) if pyproject.is_file() else None,
        output_buffer=recorder,
    )
    try:
        scripts = ScriptDirectory.from_config(settings)
        wanted, chosen, checked = _chosen(scripts, asked)
        run = Run(scripts, recorder, asked, chosen, checked)
        if asked.run_env:
            _through_env(settings, scripts, run, wanted)
        else:
            _without_env(recorder, run, wanted)
    except HoldfastError:
        raise
    except Exception as error:
        # Whatever a revision does when it is imported.
        message = next(iter(str(error).splitlines()), "").rstrip(".")
        if not isinstance(error, CommandError | FileNotFoundError):
            message = f"{type(error).__name__}: {message}"
        raise HoldfastError(
            "HF445", f"The revisions cannot be read: {message}.", "Give --config alembic.ini."
        ) from error
    return recorder.server, [*run.migrations, *run.edited]


class Run:
    """Alembic runs the revisions; each becomes a migration."""

    def __init__(
        self,
        scripts: ScriptDirectory,
        recorder: Recorder,
        asked: Asked,
        chosen: frozenset[str],
        checked: frozenset[str],
    ) -> None:
        self.scripts = scripts
        self.recorder = recorder
        self.asked = asked
        self.chosen = chosen
        self.checked = checked
        self.heads = len(scripts.get_heads()) > 1
        self.migrations: list[Migration] = []
        self.edited: list[Migration] = []
        """Of those that were run long ago there is nothing else to say."""

    def steps(self, wanted: Sequence[str], context: MigrationContext) -> Iterator[Any]:
        """The steps that Alembic takes; around each of them what is sent is kept."""
        recorder = self.recorder
        if self.asked.server is None:
            recorder.server = server_for(context.dialect.name)
        alembic.op.invoke(Record(recorder))
        for step in self.scripts._upgrade_revs(tuple(wanted), ()):  # type: ignore[arg-type]
            script: Script = step.revision
            step.migration_fn = self._guarded(step.migration_fn)
            recorder.begin(script.revision, str(script.path), transaction_each=self.asked.transaction_each)
            # What Alembic notes in its own table is none of the revision's.
            recorder.own = True
            yield step
            recorder.own = False
            self._keep(script)
            recorder.revision = ""

    def _guarded(self, upgrade: Callable[..., Any]) -> Callable[..., None]:
        """One revision that fails does not keep the others from being read."""

        def run(**arguments: Any) -> None:
            self.recorder.own = False
            try:
                upgrade(**arguments)
            except Exception as error:
                self.recorder.cannot(error)
            self.recorder.own = True

        return run

    def _keep(self, script: Script) -> None:
        statements = annotated(script, self.recorder.statements)
        if any(each.name == script.revision for each in self.migrations):
            # An env.py that runs the revisions once for each schema.
            return
        if (head := header(script, several_heads=self.heads and script.is_head)) is not None:
            statements = [head, *statements]
        self.migrations.append(Migration(script.revision, tuple(statements), script.revision in self.checked))
        if script.revision in self.chosen and is_edited(script, self.asked.run_here):
            note = edited_header(script, self.asked.run_here[script.revision].at.date())
            self.edited.append(Migration(script.revision, (note,)))


def _chosen(scripts: ScriptDirectory, asked: Asked) -> tuple[tuple[str, ...], frozenset[str], frozenset[str]]:
    """Up to where the revisions are read, which of them were asked for, and which of these are checked."""
    before: tuple[str, ...] = ()
    upper: list[str] = []
    only: set[str] = set()
    for target in asked.targets:
        if target.endswith(".py"):
            script = _by_path(scripts, Path(target))
            upper.append(script)
            only.add(script)
            continue
        lower, colon, last = target.partition(":")
        if colon and lower and lower != "base":
            before = (*before, *(each.revision for each in scripts.get_revisions(lower)))
        upper += [each.revision for each in scripts.get_revisions((last if colon else lower) or "heads")]
    wanted = tuple(upper) or tuple(scripts.get_heads())
    chosen = frozenset(only) or _up_to(scripts, wanted) - _up_to(scripts, before)
    return wanted, chosen, chosen if only else chosen - _up_to(scripts, asked.applied or ())


def _up_to(scripts: ScriptDirectory, upper: Iterable[str]) -> frozenset[str]:
    upper = tuple(upper)
    return frozenset(each.revision for each in scripts.iterate_revisions(upper, "base")) if upper else frozenset()


def _by_path(scripts: ScriptDirectory, path: Path) -> str:
    for script in scripts.walk_revisions():
        if Path(script.path).resolve() == path.resolve():
            return str(script.revision)
    raise HoldfastError("HF445", f"{path} is no revision of this environment.", "Give --config alembic.ini.")


def _through_env(settings: Config, scripts: ScriptDirectory, run: Run, wanted: tuple[str, ...]) -> None:
    """As ``alembic upgrade --sql`` does: env.py says for which database, and how transactions are made."""
    if (settings.get_main_option("sqlalchemy.url") or "driver://").startswith("driver://"):
        settings.set_main_option("sqlalchemy.url", f"{run.recorder.server.kind}://")

    def migrations(_heads: Any, context: MigrationContext) -> Iterator[Any]:
        return run.steps(wanted, context)

    with EnvironmentContext(settings, scripts, fn=migrations, as_sql=True, destination_rev="head"):
        try:
            scripts.run_env()
        except (CommandError, HoldfastError):
            raise
        except Exception as error:
            raise HoldfastError(
                "HF445",
                f"env.py cannot be run without a database: {type(error).__name__}: {error}",
                "Give it run_migrations_offline(), or leave it out with --no-env.",
            ) from error


def _without_env(recorder: Recorder, run: Run, wanted: tuple[str, ...]) -> None:
    def migrations(_heads: Any, context: MigrationContext) -> Iterator[Any]:
        return run.steps(wanted, context)

    context = MigrationContext.configure(
        dialect_name=recorder.server.kind,
        opts={
            "as_sql": True,
            "output_buffer": recorder,
            "literal_binds": True,
            "fn": migrations,
            "transaction_per_migration": run.asked.transaction_each,
        },
    )
    with Operations.context(context), context.begin_transaction():
        context.run_migrations()
