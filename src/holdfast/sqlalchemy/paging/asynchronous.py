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
    """``offset_page`` on an asynchronous session or connection: the same arguments, page and errors."""
    page: OffsetPage[Any] = await session.run_sync(lambda sync: offset_page(sync, statement, **options))
    return page
