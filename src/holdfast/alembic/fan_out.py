"""The same migration for every tenant: in waves, written down as it goes, and resumed where it stopped."""

from __future__ import annotations

import configparser
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import URL

from holdfast.alembic.ledger import Ledger, TenantMigration
from holdfast.alembic.tenant_upgrade import Tenants, described, error_text, upgrade
from holdfast.errors import MigrationError

Progress = Callable[[TenantMigration], object]


@dataclass(frozen=True, slots=True)
class FanOut:
    """What became of each tenant."""

    revision: str
    done: tuple[str, ...]
    """Migrated by this run."""
    skipped: tuple[str, ...]
    """Done before."""
    failed: Mapping[str, str]
    """Tenant to error."""
    pending: tuple[str, ...]
    """Not begun, since a wave before failed, or since it was a dry run."""
    waves: tuple[tuple[str, ...], ...] = field(default=(), repr=False)


class FanOutError(MigrationError):
    """HF498: some tenants were not migrated; ``result`` says which, and what of the others."""

    def __init__(self, code: str, message: str, hint: str, result: FanOut) -> None:
        super().__init__(code, message, hint)
        self.result = result


class TenantMigrations:
    """Brings every tenant to a revision of Alembic, and keeps a ledger of it in the ``control`` database.

    ``config`` is Alembic's, or the path of its file. Its ``env.py`` must take the connection from
    ``config.attributes["connection"]``, and its ``version_table_schema`` from there as well where each tenant has a
    schema. The ledger is the table ``holdfast_tenant_migrations``.
    """

    def __init__(self, tenants: Tenants, config: Config | str | Path, control: str | URL) -> None:
        self.tenants = tenants
        self.config = config if isinstance(config, Config) else Config(str(config))
        self.ledger = Ledger(control)

    def migrate(
        self,
        revision: str = "head",
        *,
        waves: Sequence[int] = (1, 10),
        parallel: int = 1,
        allowed_failures: int = 0,
        dry_run: bool = False,
        recheck: bool = False,
        progress: Progress | None = None,
    ) -> FanOut:
        """Migrates first one tenant, then ten at a time; the last number of ``waves`` repeats.

        A wave is brought to its end; where more than ``allowed_failures`` tenants failed no other begins. What the
        ledger calls done is skipped, so a second run goes on where the first one stopped; ``recheck`` asks every tenant
        again. ``parallel`` processes work on a wave. ``progress`` is told of each tenant when it is through.

        Raises ``FanOutError`` (HF498) at the end where a tenant failed, and HF304 while another run is under way.
        """
        target = self._target(revision)
        states = self.ledger.read(target, self.tenants.list())
        skipped = tuple(each.tenant for each in states if each.state == "done" and not recheck)
        due = [each.tenant for each in states if recheck or each.state != "done"]
        planned = tuple(_in_waves(due, waves))
        if dry_run:
            return FanOut(target, (), skipped, {}, tuple(due), planned)
        with self.ledger.locked(), _Workers(self, parallel) as workers:
            done, failed = self._run(planned, target, workers, allowed_failures, progress)
        begun = {*done, *failed}
        pending = tuple(tenant for tenant in due if tenant not in begun)
        result = FanOut(target, tuple(done), skipped, failed, pending, planned)
        if failed:
            raise _failed(result)
        return result

    def status(self, revision: str = "head") -> list[TenantMigration]:
        """How each tenant stands, as the ledger has it."""
        return self.ledger.read(self._target(revision), self.tenants.list())

    def create(self, tenant: str, revision: str = "head") -> None:
        """Makes the tenant's schema or database by running all migrations; on an error it is dropped again.

        A run that was killed meanwhile leaves a tenant that ``migrate`` brings to its end.
        """
        target = self._target(revision)
        self.tenants.create(tenant, build=lambda _connection: None)
        self.ledger.forget(tenant)
        self.ledger.start(tenant, target)
        try:
            upgrade(self.tenants, self.config, tenant, target)
        except BaseException:
            self.tenants.drop(tenant)
            self.ledger.forget(tenant)
            raise
        self.ledger.finish(tenant, target, None)

    def drop(self, tenant: str) -> None:
        """Drops the tenant's schema or database, and what the ledger says of it."""
        self.tenants.drop(tenant)
        self.ledger.forget(tenant)

    def _run(
        self,
        waves: Sequence[Sequence[str]],
        target: str,
        workers: _Workers,
        allowed: int,
        progress: Progress | None,
    ) -> tuple[list[str], dict[str, str]]:
        done: list[str] = []
        failed: dict[str, str] = {}
        for wave in waves:
            for tenant, error in workers.upgrade(wave, target):
                if error is None:
                    done.append(tenant)
                else:
                    failed[tenant] = error
                if progress is not None:
                    progress(self.ledger.read(target, [tenant])[0])
            if len(failed) > allowed:
                break
        return done, failed

    def _target(self, revision: str) -> str:
        """The revision by its own name: ``head`` is another one next week."""
        if re.match(r".*[+-]\d+$", revision):
            raise MigrationError(
                "HF497", f"{revision!r} is another revision for each tenant.", "Name a revision, or head."
            )
        try:
            found = ScriptDirectory.from_config(self.config).get_revisions(revision)
        except CommandError as error:
            raise MigrationError("HF497", f"Alembic: {error}.", "Look at the revisions: alembic history.") from error
        except (configparser.Error, UnicodeDecodeError) as error:
            what = str(error).splitlines()[0].rstrip(".")
            raise MigrationError(
                "HF497", f"Alembic's configuration cannot be read: {what}.", "Look at the file."
            ) from error
        names = sorted(each.revision for each in found)
        if len(names) != 1:
            raise MigrationError(
                "HF497", f"{revision!r} stands for {len(names)} revisions.", "Name one: several heads are merged first."
            )
        return names[0]


class _Workers:
    """Migrates the tenants of a wave: one after the other here, or in processes that are kept for the whole run."""

    def __init__(self, migrations: TenantMigrations, parallel: int) -> None:
        if parallel < 1:
            raise ValueError(f"parallel={parallel}: there has to be one at least.")
        self.migrations = migrations
        self.parallel = parallel
        self.idle: SimpleQueue[subprocess.Popen[str] | None] = SimpleQueue()
        self.started: list[subprocess.Popen[str]] = []

    def __enter__(self) -> _Workers:
        for _ in range(self.parallel):
            self.idle.put(None)
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.started:
            worker.communicate()

    def upgrade(self, wave: Sequence[str], target: str) -> Iterator[tuple[str, str | None]]:
        """Each tenant with its error, as they are through."""
        if self.parallel == 1:
            for tenant in wave:
                yield tenant, self._one(tenant, target, self._here)
            return
        with ThreadPoolExecutor(self.parallel) as threads:
            tasks = [
                threads.submit(lambda each: (each, self._one(each, target, self._elsewhere)), each) for each in wave
            ]
            for task in as_completed(tasks):
                yield task.result()

    def _one(self, tenant: str, target: str, how: Callable[[str, str], str | None]) -> str | None:
        self.migrations.ledger.start(tenant, target)
        error = how(tenant, target)
        self.migrations.ledger.finish(tenant, target, error)
        return error

    def _here(self, tenant: str, target: str) -> str | None:
        try:
            upgrade(self.migrations.tenants, self.migrations.config, tenant, target)
        except Exception as error:
            return error_text(error)
        return None

    def _elsewhere(self, tenant: str, target: str) -> str | None:
        worker = self.idle.get()
        try:
            if worker is None:
                worker = self._start()
            answer = _ask(worker, {"tenant": tenant, "revision": target})
        finally:
            self.idle.put(worker if worker is not None and worker.poll() is None else None)
        if answer is None:
            return f"The process that migrated it ended with {worker.wait()}."
        error: str | None = answer["error"]
        return error

    def _start(self) -> subprocess.Popen[str]:
        worker = subprocess.Popen(
            [sys.executable, "-m", "holdfast.alembic.tenant_upgrade"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self.started.append(worker)
        _say(worker, described(self.migrations.tenants, self.migrations.config))
        return worker


def _say(worker: subprocess.Popen[str], document: Mapping[str, Any]) -> None:
    assert worker.stdin is not None
    worker.stdin.write(json.dumps(document) + "\n")
    worker.stdin.flush()


def _ask(worker: subprocess.Popen[str], work: Mapping[str, Any]) -> dict[str, Any] | None:
    """Its answer; None where it ended without one."""
    assert worker.stdout is not None
    try:
        _say(worker, work)
    except BrokenPipeError:
        return None
    line = worker.stdout.readline()
    answer: dict[str, Any] | None = json.loads(line) if line else None
    return answer


def _in_waves(tenants: Sequence[str], sizes: Sequence[int]) -> Iterator[tuple[str, ...]]:
    if not sizes or min(sizes) < 1:
        raise ValueError(f"waves={sizes!r}: each has one tenant at least.")
    start = number = 0
    while start < len(tenants):
        size = sizes[min(number, len(sizes) - 1)]
        yield tuple(tenants[start : start + size])
        start, number = start + size, number + 1


def _failed(result: FanOut) -> FanOutError:
    first, error = next(iter(result.failed.items()))
    return FanOutError(
        "HF498",
        f"{len(result.failed)} of {len(result.done) + len(result.failed)} tenants failed, and {len(result.pending)} "
        f"were not begun. {first}: {error.splitlines()[0]}",
        "Mend the cause and run it again: what is done is skipped.",
        result,
    )
