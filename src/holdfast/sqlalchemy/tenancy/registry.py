"""An engine for each tenant's database: made when asked for, closed when idle, never more than a ceiling allows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from holdfast.database import at_begin
from holdfast.errors import DeclarationError
from holdfast.sqlalchemy.installing import sync_engine
from holdfast.sqlalchemy.session import bind
from holdfast.sqlalchemy.tenancy.leases import Close, E, Leases, Wait
from holdfast.sqlalchemy.tenancy.names import TenantNames
from holdfast.sqlalchemy.tenancy.switching import bind_tenant, refuse_switching

T = TypeVar("T")
PLACE = "{tenant}"
"""Stands in a URL for the name of the tenant's database."""


class TenantURLs:
    """The URL of each tenant's database: of a template whose database is called ``{tenant}``, or by a function.

    >>> urls = TenantURLs("postgresql+psycopg://shop@db.internal/{tenant}", TenantNames())
    >>> urls("acme").database
    'tenant_acme'
    """

    def __init__(self, url: str | URL | Callable[[str], str | URL], names: TenantNames) -> None:
        self.names = names
        self._function = url if callable(url) else None
        self.template = None if callable(url) else make_url(url)
        if self.template is not None and PLACE not in (self.template.database or ""):
            raise DeclarationError(
                "HF490",
                "All tenants would have one database: the URL does not say where the tenant's name goes.",
                "Write {tenant} for the database: postgresql+psycopg://user@host/{tenant}; or give a function.",
            )

    def __call__(self, tenant: str) -> URL:
        identifier = self.names.identifier(tenant)
        if self._function is not None:
            return make_url(self._function(tenant))
        return self.named(identifier)

    def named(self, identifier: str) -> URL:
        """The URL of the database that is called so. Only the part of the URL that names the database is filled in."""
        assert self.template is not None
        return self.template.set(database=(self.template.database or "").replace(PLACE, identifier))


class _Registry(Generic[E]):
    """What both registries are: which engine is whose. They differ in how an engine is made and closed."""

    _create: Callable[..., E]

    def __init__(
        self,
        url: str | URL | Callable[[str], str | URL],
        *,
        max_connections: int = 100,
        per_tenant: int = 5,
        idle: float = 300.0,
        timeout: float = 30.0,
        names: TenantNames | None = None,
        prepare: Callable[[Engine | AsyncEngine], object] = bind,
        clock: Callable[[], float] = time.monotonic,
        **options: Any,
    ) -> None:
        if not 1 <= per_tenant <= max_connections:
            raise ValueError(f"per_tenant={per_tenant} has to be between 1 and max_connections={max_connections}.")
        self.urls = TenantURLs(url, names or TenantNames())
        self._prepare = prepare
        self._options = {**options, "pool_size": per_tenant, "max_overflow": 0}
        self._leases: Leases[E] = Leases(max_connections // per_tenant, idle, timeout, clock, self._make)

    def tenants(self) -> list[str]:
        """Whose engines are kept, the one that was used longest ago first."""
        with self._leases.lock:
            return list(self._leases.kept)

    def _named(self, tenant: str | None) -> str:
        return self.urls.names.present() if tenant is None else self.urls.names.check(tenant)

    def _make(self, tenant: str) -> E:
        engine = self._create(self.urls(tenant), **self._options)
        self._prepare(engine)
        _keep_to(sync_engine(engine), tenant)
        return engine


class EngineRegistry(_Registry[Engine]):
    """Leases an engine for a tenant's database; together they have ``max_connections`` connections at most.

    Each tenant's engine has up to ``per_tenant``, so ``max_connections // per_tenant`` engines are kept. The one that
    was used longest ago goes for a new one, and one that nobody has used for ``idle`` seconds goes with the next lease
    or with ``reap``; one that is in use never goes. Where all are in use a lease waits, and raises HF493 after
    ``timeout`` seconds.

    ``url`` has ``{tenant}`` for the database, or is a function of the tenant. ``prepare(engine)`` is called once for
    each new engine (``holdfast.sqlalchemy.bind`` by default); more arguments go to ``create_engine``. A statement in
    the context of another tenant raises HF203. Safe to share between threads.
    """

    _create = staticmethod(create_engine)

    @contextmanager
    def lease(self, tenant: str | None = None) -> Iterator[Engine]:
        """The engine of the tenant, of the context's where none is named (HF491); use it in the block alone."""
        kept = _run(self._leases.taking(self._named(tenant)))
        try:
            yield kept.engine
        finally:
            self._leases.release(kept)

    def reap(self) -> int:
        """Closes the engines that nobody has used for ``idle`` seconds; how many they were."""
        return _run(self._leases.reaping())

    def close(self) -> int:
        """Closes every engine that nobody uses; how many they were."""
        return _run(self._leases.reaping(all_idle=True))


class AsyncEngineRegistry(_Registry[AsyncEngine]):
    """The same with asynchronous engines, for one event loop; a task that is cancelled leaves no lease behind."""

    _create = staticmethod(create_async_engine)

    @asynccontextmanager
    async def lease(self, tenant: str | None = None) -> AsyncIterator[AsyncEngine]:
        """As ``EngineRegistry.lease``."""
        kept = await _arun(self._leases.taking(self._named(tenant)))
        try:
            yield kept.engine
        finally:
            self._leases.release(kept)

    async def reap(self) -> int:
        """As ``EngineRegistry.reap``."""
        return await _arun(self._leases.reaping())

    async def close(self) -> int:
        """As ``EngineRegistry.close``."""
        return await _arun(self._leases.reaping(all_idle=True))


def _run(steps: Generator[Close[Engine] | Wait, None, T] | Generator[Close[Engine], None, T]) -> T:
    try:
        while True:
            step = next(steps)
            if isinstance(step, Close):
                step.kept.engine.dispose()
            else:
                _await_future(step.changed, step.seconds)
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        steps.close()


async def _arun(steps: Generator[Close[AsyncEngine] | Wait, None, T] | Generator[Close[AsyncEngine], None, T]) -> T:
    try:
        while True:
            step = next(steps)
            if isinstance(step, Close):
                # Closed to the end, so that what is counted is what there is.
                await asyncio.shield(step.kept.engine.dispose())
            else:
                await asyncio.wait([asyncio.wrap_future(step.changed)], timeout=step.seconds)
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        steps.close()


def _await_future(changed: Future[None], seconds: float) -> None:
    try:
        changed.result(seconds)
    except TimeoutError:
        return


def _keep_to(engine: Engine, tenant: str) -> None:
    """Whatever its transactions do is refused in the context of another tenant."""

    def begun(connection: Connection) -> None:
        bind_tenant(connection, tenant)

    at_begin(engine, begun)
    refuse_switching(engine)
