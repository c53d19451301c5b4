"""The repository for asyncio: the same one, run by ``AsyncSession.run_sync``."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ParamSpec, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from holdfast.sqlalchemy.bulk.updating import Missing
from holdfast.sqlalchemy.bulk.upserting import Duplicates, Update
from holdfast.sqlalchemy.declaring_fields import Declared, M
from holdfast.sqlalchemy.eager import Load
from holdfast.sqlalchemy.fields import Fields, Where
from holdfast.sqlalchemy.lists import Limit, Ordering
from holdfast.sqlalchemy.paging import OffsetPage, Page
from holdfast.sqlalchemy.paging.pages import Total
from holdfast.sqlalchemy.repository import Repository
from holdfast.sqlalchemy.selecting import Rows

P = ParamSpec("P")
T = TypeVar("T")


class AsyncRepository(Declared[M]):
    """``Repository`` over an ``AsyncSession``: the same methods, awaited, with the same arguments and errors.

    ``class Orders(AsyncRepository[Order])``, then ``await Orders(session).get(7)``. A method of your own awaits
    ``self.session``.
    """

    def __init__(self, session: AsyncSession, model: type[M] | None = None) -> None:
        self.session = session
        self._model = model

    async def get(self, key: Any, *, load: Load = (), rows: Rows = "live", strict: bool | None = None) -> M | None:
        """As ``Repository.get``."""
        return await self._run(self._sync.get, key, load=load, rows=rows, strict=strict)

    async def get_or_raise(self, key: Any, *, load: Load = (), rows: Rows = "live", strict: bool | None = None) -> M:
        """As ``Repository.get_or_raise``."""
        return await self._run(self._sync.get_or_raise, key, load=load, rows=rows, strict=strict)

    async def one(self, *where: Where, load: Load = (), rows: Rows = "live", strict: bool | None = None) -> M:
        """As ``Repository.one``."""
        return await self._run(self._sync.one, *where, load=load, rows=rows, strict=strict)

    async def list(
        self,
        *where: Where,
        limit: Limit,
        order_by: Ordering = None,
        load: Load = (),
        rows: Rows = "live",
        strict: bool | None = None,
    ) -> builtins.list[M]:
        """As ``Repository.list``."""
        return await self._run(
            self._sync.list, *where, limit=limit, order_by=order_by, load=load, rows=rows, strict=strict
        )

    async def page(
        self,
        *where: Where,
        order_by: Ordering = None,
        size: int = 20,
        cursor: str | None = None,
        scope: Any = None,
        load: Load = (),
        rows: Rows = "live",
        strict: bool | None = None,
    ) -> Page[M]:
        """As ``Repository.page``."""
        return await self._run(
            self._sync.page,
            *where,
            order_by=order_by,
            size=size,
            cursor=cursor,
            scope=scope,
            load=load,
            rows=rows,
            strict=strict,
        )

    async def numbered_page(
        self,
        *where: Where,
        order_by: Ordering = None,
        number: int = 1,
        size: int = 20,
        total: Total | None = None,
        load: Load = (),
        rows: Rows = "live",
        strict: bool | None = None,
    ) -> OffsetPage[M]:
        """As ``Repository.numbered_page``."""
        return await self._run(
            self._sync.numbered_page,
            *where,
            order_by=order_by,
            number=number,
            size=size,
            total=total,
            load=load,
            rows=rows,
            strict=strict,
        )

    async def count(self, *where: Where, rows: Rows = "live") -> int:
        """As ``Repository.count``."""
        return await self._run(self._sync.count, *where, rows=rows)

    async def exists(self, *where: Where, rows: Rows = "live") -> bool:
        """As ``Repository.exists``."""
        return await self._run(self._sync.exists, *where, rows=rows)

    async def create(self, given: M | Mapping[str, Any] | None = None, /, **values: Any) -> M:
        """As ``Repository.create``."""
        return await self._run(self._sync.create, given, **values)

    async def update(self, key: Any, values: Mapping[Any, Any], *, version: int | None = None) -> M:
        """As ``Repository.update``."""
        return await self._run(self._sync.update, key, values, version=version)

    async def delete(self, key: Any, *, version: int | None = None, hard: bool = False) -> None:
        """As ``Repository.delete``."""
        await self._run(self._sync.delete, key, version=version, hard=hard)

    async def restore(self, key: Any) -> M:
        """As ``Repository.restore``."""
        return await self._run(self._sync.restore, key)

    async def create_many(self, rows: Iterable[Mapping[str, Any] | M]) -> int:
        """As ``Repository.create_many``."""
        return await self._run(self._sync.create_many, rows)

    async def update_many(self, rows: Iterable[Mapping[str, Any]], *, missing: Missing = "raise") -> int:
        """As ``Repository.update_many``."""
        return await self._run(self._sync.update_many, rows, missing=missing)

    async def delete_many(self, keys: Iterable[Any], *, hard: bool = False) -> int:
        """As ``Repository.delete_many``."""
        return await self._run(self._sync.delete_many, keys, hard=hard)

    async def upsert(self, values: Mapping[str, Any], *, on: Iterable[str] | str, update: Update) -> M:
        """As ``Repository.upsert``."""
        return await self._run(self._sync.upsert, values, on=on, update=update)

    async def upsert_many(
        self,
        rows: Iterable[Mapping[str, Any]],
        *,
        on: Iterable[str] | str,
        update: Update,
        duplicates: Duplicates = "refuse",
    ) -> int:
        """As ``Repository.upsert_many``."""
        return await self._run(self._sync.upsert_many, rows, on=on, update=update, duplicates=duplicates)

    async def update_where(self, *where: Where, values: Mapping[Any, Any], all_rows: bool = False) -> int:
        """As ``Repository.update_where``."""
        return await self._run(self._sync.update_where, *where, values=values, all_rows=all_rows)

    async def delete_where(self, *where: Where, all_rows: bool = False, hard: bool = False) -> int:
        """As ``Repository.delete_where``."""
        return await self._run(self._sync.delete_where, *where, all_rows=all_rows, hard=hard)

    # ------------------------------------------------------------------ parts

    @property
    def _sync(self) -> Repository[M]:
        return _Core(self)

    async def _run(self, method: Callable[P, T], /, *arguments: P.args, **options: P.kwargs) -> T:
        return await self.session.run_sync(lambda _: method(*arguments, **options))


class _Core(Repository[M]):
    """The synchronous repository that does the work, with what the asynchronous one declares."""

    def __init__(self, declaring: AsyncRepository[M]) -> None:
        super().__init__(declaring.session.sync_session)
        self._declaring = declaring

    def _find(self) -> Fields[M]:
        return self._declaring._fields
