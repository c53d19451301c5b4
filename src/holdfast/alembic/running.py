"""Alembic's revisions, carried out by a ``MigrationRun``: for ``env.py``."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from alembic import context as alembic_context
from sqlalchemy import Connection

from holdfast.alembic.applied import AppliedRevisions, edited
from holdfast.dialects.migrating import KEPT
from holdfast.errors import MigrationError
from holdfast.migrating import MigrationRun, MigrationSettings

SETTINGS = "holdfast.settings"
SAY = "holdfast.say"
DONE = "holdfast.done"
RUNNING = "holdfast.running"
"""Of ``Config.attributes``: what the command line gives; where to go what is said meanwhile, and each revision done;
and that env.py does as ``run_migrations`` says."""


def run_migrations(
    connection: Connection,
    *,
    settings: MigrationSettings | None = None,
    arguments: Mapping[str, Any] | None = None,
    **options: Any,
) -> None:
    """Runs what Alembic was asked for, so that nobody waits for a lock of the migration longer than its lock timeout.

    To be called by ``env.py`` in place of ``context.configure(…)``, whose options it takes, and
    ``context.run_migrations(…)``, whose arguments are ``arguments``. One transaction for each revision; a revision
    that does not get its lock is rolled back and tried again; one migrator at a time. With an asynchronous engine:
    ``await connection.run_sync(run_migrations, target_metadata=…)``.

    Raises HF455 where another run migrates, HF456 behind a pooler, HF457 after the deadline, HF458 where a revision
    failed that was committed in part, HF459 where an index is invalid and HF463 where the connection is in a
    transaction.
    """
    context: Any = alembic_context
    options = {**options, "include_name": _without_ours(options.get("include_name"))}
    _configure(context, connection, options)
    attributes = context.config.attributes
    attributes[RUNNING] = True
    revisions = Revisions(context, connection, options, arguments or {})
    try:
        if not revisions.asked_for():
            return
        migrations = context.get_context()
        run = MigrationRun(
            connection,
            attributes.get(SETTINGS) or settings or MigrationSettings(),
            (migrations.version_table_schema, migrations.version_table),
            attributes.get(SAY) or _say,
        )
        for each in edited(migrations.script, revisions.applied.read()):
            run.say(each)
        connection.rollback()
        with run.running():
            revisions.carry_out(run)
    finally:
        del attributes[RUNNING]
        revisions.give_back()


class Revisions:
    """The revisions that a command of Alembic asks for, one after the other, each once."""

    def __init__(
        self, context: Any, connection: Connection, options: Mapping[str, Any], arguments: Mapping[str, Any]
    ) -> None:
        self.context = context
        self.connection = connection
        self.options = options
        self.arguments = arguments
        found = context.get_context().opts
        self._command: Callable[..., Any] = found["fn"]
        self._mutates = not found.get("dont_mutate", False)
        self._steps: deque[Any] | None = None
        self._heads: set[str] = set()
        self._after: set[str] = set()
        self._carrying_out: MigrationRun | None = None
        migrations = context.get_context()
        self.applied = AppliedRevisions(connection, migrations.version_table_schema, migrations.version_table)

    def asked_for(self) -> list[Any]:
        """The steps, none of them carried out; what compares or shows is done with this."""
        if self.connection.in_transaction():
            raise MigrationError(
                "HF463",
                "The connection is in a transaction, so no revision could be committed by itself.",
                "In env.py connect with engine.connect(), not engine.begin(), and commit what was sent before.",
            )
        found: list[Any] = []

        def look(heads: Any, context: Any) -> tuple[()]:
            found.extend(self._command(heads, context))
            return ()

        self._run(look, dont_mutate=True)
        if found:
            self.connection.rollback()
        else:
            self.connection.commit()
        return found

    def carry_out(self, run: MigrationRun) -> None:
        """All of them: what failed for want of a lock begins again where it stopped."""
        self._carrying_out = run
        while True:
            try:
                run.carry_out(lambda: self._run(lambda heads, context: self._following(run, heads, context)))
            except _HeadsMovedError:
                self.connection.rollback()
                self._steps = None
                continue
            self.connection.commit()
            return

    def _following(self, run: MigrationRun, heads: Any, context: Any) -> Iterator[Any]:
        """Alembic comes back for the next when one is committed."""
        if self._steps is None:
            # Of "+2" one may be done: asked again, Alembic would count from there.
            self._steps = deque(self._command(heads, context))
            self._heads = set(heads)
        while self._steps:
            if set(context.get_current_heads()) != self._heads:
                raise _HeadsMovedError
            run.begin_step(str(self._steps[0]))
            yield self._steps[0]
            run.end_step()
            if (done := context.config.attributes.get(DONE)) is not None:
                done(str(self._steps[0]))
            self._steps.popleft()
            self._heads = self._after
            run.finish()

    def _version_applied(self, *, ctx: Any, step: Any, heads: Any, **_told: Any) -> None:
        self._after = set(heads)
        self.applied.note(step, ctx.script)
        if self._carrying_out is not None:
            self._carrying_out.check_keys()

    def _run(self, command: Callable[..., Any], *, dont_mutate: bool | None = None) -> None:
        told = self.options.get("on_version_apply") or ()
        callbacks = (*(told if isinstance(told, Iterable) else (told,)), self._version_applied)
        self._configure(command, not self._mutates if dont_mutate is None else dont_mutate, on_version_apply=callbacks)
        self.context.run_migrations(**self.arguments)

    def give_back(self) -> None:
        """Alembic keeps options for the next time it is configured, for another database maybe."""
        self._configure(self._command, not self._mutates)

    def _configure(self, command: Callable[..., Any], dont_mutate: bool, **options: Any) -> None:
        _configure(
            self.context, self.connection, {**self.options, **options, "fn": command, "dont_mutate": dont_mutate}
        )


class _HeadsMovedError(Exception):
    """Somebody else migrated meanwhile, so what is to be done has to be found out anew."""


def _configure(context: Any, connection: Connection, options: Mapping[str, Any]) -> None:
    context.configure(**{**options, "connection": connection, "transaction_per_migration": True})


def _without_ours(theirs: Callable[..., bool] | None) -> Callable[..., bool]:
    """Autogenerate would drop what is in no model."""

    def include_name(name: str | None, kind: Any, parents: Any) -> bool:
        return not (kind == "table" and name in KEPT) and (theirs is None or theirs(name, kind, parents))

    return include_name


def _say(text: str) -> None:
    # Alembic's own configuration of logging silences every logger that it does not name, or that is not below one.
    logging.getLogger("alembic.holdfast").warning("%s", text)
