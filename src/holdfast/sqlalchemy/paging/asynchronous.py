"""The same pages for asynchronous sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple, Unpack, overload

from sqlalchemy import Row, Select

from holdfast.sqlalchemy.paging.keyset import KeysetOptions, keyset_page
from holdfast.sqlalchemy.paging.offset import OffsetOptions, offset_page
from holdfast.sqlalchemy.paging.pages import OffsetPage, Page

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

    AnyAsyncSession = AsyncSession | AsyncConnection

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


@overload
async def async_keyset_page(  # type: ignore[overload-overlap]
    session: AnyAsyncSession, statement: Select[tuple[T]], **options: Unpack[KeysetOptions]
) -> Page[T]: ...
@overload
async def async_keyset_page(
    session: AnyAsyncSession, statement: Select[T], **options: Unpack[KeysetOptions]
) -> Page[T]: ...
@overload
async def async_keyset_page(  # type: ignore[overload-cannot-match]
    session: AnyAsyncSession, statement: Select[*Ts], **options: Unpack[KeysetOptions]
) -> Page[Row[*Ts]]: ...
async def async_keyset_page(
    session: AnyAsyncSession, statement: Select[*tuple[Any, ...]], **options: Unpack[KeysetOptions]
) -> Page[Any]:
    """``keyset_page`` on an asynchronous session or connection: the same arguments, page and errors."""
    page: Page[Any] = await session.run_sync(lambda sync: keyset_page(sync, statement, **options))
    return page


@overload
async def async_offset_page(  # type: ignore[overload-overlap]
    session: AnyAsyncSession, statement: Select[tuple[T]], **options: Unpack[OffsetOptions]
) -> OffsetPage[T]: ...
@overload
async def async_offset_page(
    session: AnyAsyncSession, statement: Select[T], **options: Unpack[OffsetOptions]
) -> OffsetPage[T]: ...
@overload
async def async_offset_page(  # type: ignore[overload-cannot-match]
    session: AnyAsyncSession, statement: Select[*Ts], **options: Unpack[OffsetOptions]
) -> OffsetPage[Row[*Ts]]: ...
async def async_offset_page(
    session: AnyAsyncSession, statement: Select[*tuple[Any, ...]], **options: Unpack[OffsetOptions]
) -> OffsetPage[Any]:
    """``offset_page`` on an asynchronous session or connection: the same arguments, page and errors.

    >>> import asyncio
    >>> from sqlalchemy import Column, Integer, MetaData, Table, select
    >>> from sqlalchemy.ext.asyncio import create_async_engine
    >>> numbers = Table("numbers", MetaData(), Column("n", Integer, primary_key=True))
    >>> async def second_page():
    ...     engine = create_async_engine("sqlite+aiosqlite://")
    ...     async with engine.begin() as connection:
    ...         await connection.run_sync(numbers.create)
    ...         await connection.execute(numbers.insert(), [{"n": n} for n in range(1, 6)])
    ...         wanted = select(numbers.c.n)
    ...         page = await async_offset_page(connection, wanted, order_by=[numbers.c.n], number=2, size=2)
    ...     await engine.dispose()
    ...     return [row.n if hasattr(row, "n") else row for row in page.items]
    >>> asyncio.run(second_page())
    [3, 4]
    """
    page: OffsetPage[Any] = await session.run_sync(lambda sync: offset_page(sync, statement, **options))
    return page
