"""The probes as items of pytest: below the conftest.py in which the fixture ``holdfast_leaks`` is."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Table
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

import holdfast.sqlalchemy as hs
from holdfast.testing.leaks import PROBES, LeakSubject, Probe, Stage, tried
from holdfast.testing.leaks.probe import Leaked, Result
from holdfast.testing.leaks.subject import tables_of

FIXTURE = "holdfast_leaks"


def leak_module(path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """The items of that conftest.py, if it has the fixture."""
    manager = parent.config.pluginmanager
    loaded = next((each for each in manager.get_plugins() if getattr(each, "__file__", None) == str(path)), None)
    if loaded is None or not hasattr(loaded, FIXTURE):
        return None
    module: LeakModule = LeakModule.from_parent(parent, path=path)
    module.obj = loaded
    return module


class LeakModule(pytest.Module):
    """A file of generated tests."""

    def collect(self) -> Iterator[pytest.Item]:
        for probe in PROBES:
            for table in tables_of(base_of(self.config)) if probe.each_table else (None,):
                yield LeakItem.of(self, probe, table)
                if table is not None and probe.by_session:
                    yield LeakItem.of(self, probe, table, asynchronous=True)


class LeakItem(pytest.Function):
    """One probe on one table, or on the database."""

    probe: Probe

    @classmethod
    def of(cls, parent: LeakModule, probe: Probe, table: Table | None, *, asynchronous: bool = False) -> LeakItem:
        def run(_holdfast_leak_stage: Stage) -> None:
            _tell(item, tried(probe, _holdfast_leak_stage, table))

        def run_asynchronously(holdfast_leaks: LeakSubject) -> None:
            if holdfast_leaks.asynchronous is None:
                pytest.skip("No asynchronous engine was given.")
            _tell(item, _tried_asynchronously(holdfast_leaks, holdfast_leaks.asynchronous, probe, table))

        names = [] if table is None else [table.fullname] + ["async"] * asynchronous
        title = probe.title + (f"[{'-'.join(names)}]" if names else "")
        item: LeakItem = cls.from_parent(parent, name=title, callobj=run_asynchronously if asynchronous else run)
        item.probe = probe
        return item

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, 0, self.name

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException]) -> Any:  # type: ignore[override]
        """A leak is told in its own words: where the probe is written is of no use to anybody."""
        if isinstance(excinfo.value, Leaked):
            return f"{self.probe.why}\n{excinfo.value}"
        return super().repr_failure(excinfo)


def base_of(config: pytest.Config) -> Any:
    """The declarative base that the ini option names."""
    named = str(config.getini(FIXTURE))
    module, _, name = named.partition(":")
    if not module or not name:
        raise pytest.UsageError(
            f"--holdfast-leaks needs to know your models: {FIXTURE} = shop.models:Base, in the configuration of pytest."
        )
    return getattr(importlib.import_module(module), name)


def _tell(item: LeakItem, result: Result) -> None:
    item.user_properties.append((FIXTURE, [item.name, result.outcome, result.sentence, result.mend]))
    if result.outcome == "does not apply":
        pytest.skip(result.sentence)
    if result.outcome == "leaks":
        raise Leaked(result.sentence, result.mend)


def _tried_asynchronously(subject: LeakSubject, given: AsyncEngine, probe: Probe, table: Table | None) -> Result:
    """The same by the driver of the application's asynchronous engine, on a stage of its own."""

    def on_stage(connection: Connection) -> Result:
        return tried(probe, Stage(connection, subject), table)

    async def run() -> Result:
        engine = create_async_engine(subject.owner.url.set(drivername=given.url.drivername))
        hs.bind(engine)
        try:
            async with engine.connect() as connection:
                return await connection.run_sync(on_stage)
        finally:
            await engine.dispose()

    return asyncio.run(run())


def summary(reports: list[Any]) -> Iterator[str]:
    """What the run found, probe by probe: those that leak last, each with the line that mends it."""
    told: dict[str, dict[str, list[tuple[str, str, str]]]] = {}
    for report in reports:
        for key, value in report.user_properties:
            if key == FIXTURE:
                name, outcome, sentence, mend = value
                title, _, where = name.partition("[")
                told.setdefault(outcome, {}).setdefault(title, []).append((where.rstrip("]"), sentence, mend))
    for outcome in ("holds", "does not apply", "leaks"):
        for title, found in sorted(told.get(outcome, {}).items()):
            where = ", ".join(each for each, _, _ in found if each)
            line = f"{outcome:<15}{title.removeprefix('leak-')}"
            if outcome == "holds":
                yield f"{line}: {where}" if where else line
                continue
            yield line
            for sentence, mend in dict.fromkeys((sentence, mend) for _, sentence, mend in found):
                yield f"{'':<18}{sentence}"
                if mend:
                    yield f"{'':<18}  {mend}"
    if told:
        counts = {outcome: sum(map(len, each.values())) for outcome, each in told.items()}
        yield ", ".join(f"{counts[each]} {each}" for each in ("holds", "does not apply", "leaks") if each in counts)
