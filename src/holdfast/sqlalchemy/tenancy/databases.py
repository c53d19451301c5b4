"""A database for each tenant: made whole or not at all, listed, dropped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.engine import URL, make_url

from holdfast.database import Database, execute
from holdfast.dialects import dialect_for
from holdfast.dialects.tenancy import Tenancy
from holdfast.errors import DeclarationError, RequestError
from holdfast.sqlalchemy.tenancy.building import build_tables
from holdfast.sqlalchemy.tenancy.names import TenantNames, unknown
from holdfast.sqlalchemy.tenancy.registry import TenantURLs

_BUILDING = "building_"


class DatabasePerTenant:
    """Makes, lists and drops the databases of tenants, on one server, or as SQLite files in one directory.

    ``url`` has ``{tenant}`` for the database, and is one as which databases may be made. ``models`` are a tenant's
    tables, or ``build(connection)`` makes them. A database is built under another name and gets the tenant's when it is
    complete, so what ``list`` gives is whole; ``create`` clears away what one that was interrupted has left.
    """

    def __init__(
        self,
        url: str | URL,
        models: Any = None,
        *,
        names: TenantNames | None = None,
        build: Callable[[Connection], object] | None = None,
        maintenance: str = "postgres",
        template: str = "template0",
    ) -> None:
        self.names = names or TenantNames()
        self.urls = TenantURLs(url, self.names)
        self.build = build or build_tables(models)
        self.maintenance = maintenance
        place = self.urls.template
        assert place is not None
        tenancy = dialect_for(make_url(place).get_backend_name()).tenancy
        self._kept: _Databases | _Files
        self._kept = _Files(self.urls) if tenancy is None else _Databases(self.urls, tenancy, maintenance, template)

    def list(self) -> list[str]:
        """The tenants that have a database."""
        found = [self.names.tenant(name) for name in self._kept.list(self.names.prefix)]
        return [tenant for tenant in found if tenant is not None]

    def create(self, tenant: str, *, build: Callable[[Connection], object] | None = None) -> None:
        """Makes the tenant's database with all its tables, protected as declared. HF494 where it is there already.

        ``build`` makes the tables of this one.
        """
        name = self.names.identifier(tenant)
        building = _BUILDING + name
        if name in self._kept.list(name):
            raise RequestError("HF494", f"The tenant {tenant!r} has a database already.", "Nothing was changed.")
        # One that is being built by somebody else has a connection, and then this is refused.
        if building in self._kept.list(building):
            self._kept.drop(building, force=False)
        self._kept.create(building)
        try:
            with Database(self.urls.named(building)).begin() as connection:
                (build or self.build)(connection)
        except BaseException:
            self._kept.drop(building, force=True)
            raise
        self._kept.rename(building, name)

    def drop(self, tenant: str, *, force: bool = False) -> None:
        """Drops the tenant's database, its journal with it; ``force`` ends the connections to it. HF494 if missing."""
        name = self.names.identifier(tenant)
        if name not in self._kept.list(name):
            raise unknown(tenant)
        self._kept.drop(name, force=force)

    @contextmanager
    def connection(self, tenant: str) -> Iterator[Connection]:
        """A connection of its own to the tenant's database. HF494 where there is none."""
        name = self.names.identifier(tenant)
        if name not in self._kept.list(name):
            raise unknown(tenant)
        with Database(self.urls.named(name)).connect() as connection:
            yield connection


class _Databases:
    """On a server."""

    def __init__(self, urls: TenantURLs, tenancy: Tenancy, maintenance: str, template: str) -> None:
        assert urls.template is not None
        self.tenancy = tenancy
        self.template = template
        self.maintenance = Database(urls.template.set(database=maintenance))

    def list(self, prefix: str) -> list[str]:
        with self.maintenance.begin() as connection:
            return [name for (name,) in execute(connection, self.tenancy.databases(prefix))]

    def create(self, name: str) -> None:
        self._run(self.tenancy.create_database(name, self.template))

    def rename(self, name: str, to: str) -> None:
        self._run(self.tenancy.rename_database(name, to))

    def drop(self, name: str, *, force: bool) -> None:
        self._run(self.tenancy.drop_database(name, force=force))

    def _run(self, statement: str) -> None:
        with self.maintenance.connect() as connection:
            execute(connection.execution_options(isolation_level="AUTOCOMMIT"), statement)


class _Files:
    """SQLite: a file each."""

    def __init__(self, urls: TenantURLs) -> None:
        assert urls.template is not None
        if "/" in urls.template.render_as_string().partition("{tenant}")[2]:
            raise DeclarationError(
                "HF490", "The name of a tenant's file has to come last.", "Write sqlite:////data/{tenant}.db."
            )
        self.urls = urls

    def list(self, prefix: str) -> list[str]:
        pattern = self._path("*")
        ending = pattern.name.removeprefix("*")
        found = (path.name.removesuffix(ending) for path in pattern.parent.glob(pattern.name))
        return sorted(name for name in found if name.startswith(prefix))

    def create(self, name: str) -> None:
        self._path(name).touch(exist_ok=False)

    def rename(self, name: str, to: str) -> None:
        # Never over a file that somebody else has finished meanwhile.
        self._path(to).hardlink_to(self._path(name))
        self._path(name).unlink()

    def drop(self, name: str, *, force: bool) -> None:
        path = self._path(name)
        for each in (path, *(path.with_name(path.name + ending) for ending in ("-wal", "-shm", "-journal"))):
            each.unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return Path(str(self.urls.named(name).database))
