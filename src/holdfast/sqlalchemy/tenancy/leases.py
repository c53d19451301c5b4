"""Which engine is whose, who is using it, and which one goes when there would be too many.

It opens and closes nothing itself: it says what is to be done next, and callers do it, awaiting or not.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from sqlalchemy import Engine, event
from sqlalchemy.ext.asyncio import AsyncEngine

from holdfast.errors import RetryableError
from holdfast.sqlalchemy.installing import sync_engine

E = TypeVar("E", Engine, AsyncEngine)


@dataclass(slots=True)
class Kept(Generic[E]):
    """An engine of the registry."""

    tenant: str
    engine: E
    leases: int = 0
    last_used: float = 0.0
    closing: bool = False

    @property
    def in_use(self) -> bool:
        """Leased, or with a connection that somebody took out of its lease."""
        pool = sync_engine(self.engine).pool
        return self.leases > 0 or getattr(pool, "checkedout", lambda: 0)() > 0


@dataclass(frozen=True, slots=True)
class Close(Generic[E]):
    """Dispose of this engine, then go on."""

    kept: Kept[E]


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait until this is done, or for so many seconds, then go on."""

    changed: Future[None]
    seconds: float


@dataclass
class Leases(Generic[E]):
    """At most ``limit`` engines at a time, those being closed included; none is closed that is in use."""

    limit: int
    idle: float
    timeout: float
    clock: Callable[[], float]
    make: Callable[[str], E]
    kept: OrderedDict[str, Kept[E]] = field(default_factory=OrderedDict)
    """The one that was used longest ago comes first."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    waiting: set[Future[None]] = field(default_factory=set)

    def taking(self, tenant: str) -> Generator[Close[E] | Wait, None, Kept[E]]:
        """The steps to an engine for the tenant, which is then leased."""
        ends = self.clock() + self.timeout
        yield from self.reaping()
        while True:
            with self.lock:
                found = self._step(tenant)
                if isinstance(found, Kept):
                    return found
                step = found or Wait(Future(), ends - self.clock())
                if isinstance(step, Wait):
                    if step.seconds <= 0:
                        raise self._full(tenant)
                    self.waiting.add(step.changed)
            try:
                yield step
            finally:
                if isinstance(step, Close):
                    self._closed(step.kept)
                else:
                    with self.lock:
                        self.waiting.discard(step.changed)

    def release(self, kept: Kept[E]) -> None:
        """The lease is over; the engine stays, for whoever is next."""
        with self.lock:
            kept.leases -= 1
            kept.last_used = self.clock()
        self._wake()

    def reaping(self, *, all_idle: bool = False) -> Generator[Close[E], None, int]:
        """The engines that nobody has used for ``idle`` seconds, or that nobody uses; gives how many they were."""
        closed = 0
        while True:
            with self.lock:
                before = self.clock() - (0 if all_idle else self.idle)
                due = (each for each in self.kept.values() if each.last_used <= before)
                kept = self._first_free(due)
                if kept is None:
                    return closed
                kept.closing = True
            closed += 1
            try:
                yield Close(kept)
            finally:
                self._closed(kept)

    def _step(self, tenant: str) -> Kept[E] | Close[E] | None:
        """The engine; or the one that has to go before; or None: there is nothing to do but wait."""
        kept = self.kept.get(tenant)
        if kept is None and len(self.kept) < self.limit:
            kept = self.kept[tenant] = Kept(tenant, self.make(tenant))
            _refuse_when_closed(kept)
        if kept is not None:
            if kept.closing:
                return None
            kept.leases += 1
            self.kept.move_to_end(tenant)
            return kept
        free = self._first_free(self.kept.values())
        if free is None:
            return None
        free.closing = True
        return Close(free)

    def _first_free(self, among: Iterable[Kept[E]]) -> Kept[E] | None:
        return next((each for each in among if not each.closing and not each.in_use), None)

    def _closed(self, kept: Kept[E]) -> None:
        with self.lock:
            if self.kept.get(kept.tenant) is kept:
                del self.kept[kept.tenant]
        self._wake()

    def _wake(self) -> None:
        """All who wait look again: whom one waits for may be gone, cancelled, and then nobody would be told."""
        with self.lock:
            waiting, self.waiting = self.waiting, set()
        for changed in waiting:
            if changed.set_running_or_notify_cancel():
                changed.set_result(None)

    def _full(self, tenant: str) -> RetryableError:
        return RetryableError(
            "HF493",
            f"No engine for tenant {tenant!r} within {self.timeout:g} s: all {self.limit} are in use.",
            "End leases sooner, allow more connections (max_connections), or fewer for each tenant (per_tenant).",
        )


def _refuse_when_closed(kept: Kept[E]) -> None:
    """An engine that was closed would open new connections for whoever still holds it, past the ceiling."""

    def connecting(*_: object) -> None:
        if kept.closing:
            raise RetryableError(
                "HF493",
                f"The engine of tenant {kept.tenant!r} was closed by its registry.",
                "Use an engine within its lease alone, and take it from the registry each time.",
            )

    event.listen(sync_engine(kept.engine), "do_connect", connecting)
