"""The same pages through the asynchronous drivers, whose values are others."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from holdfast.errors import InvalidCursorError
from holdfast.sqlalchemy.paging import async_keyset_page, async_offset_page
from tests.sqlalchemy.paging import SECRET, Base, Book, library
from tests.sqlalchemy.test_paging import TYPES


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg", "aiosqlite"])
def test_pages_of_every_type(request: pytest.FixtureRequest, driver: str) -> None:
    kind = "sqlite" if driver == "aiosqlite" else "postgresql"
    url = sa.make_url(request.getfixturevalue(f"{kind}_database")).set(drivername=f"{kind}+{driver}")

    async def work() -> None:
        engine = create_async_engine(url)
        try:
            async with engine.connect() as connection, connection.begin():
                await connection.run_sync(Base.metadata.create_all)
                async with AsyncSession(connection) as session:
                    session.add_all(library())
                    await session.flush()
                    await pages(session)
        finally:
            await engine.dispose()

    asyncio.run(work())


async def pages(session: AsyncSession) -> None:
    for column in TYPES:
        expected = list(await session.scalars(select(Book.id).order_by(column.desc().nulls_first(), Book.id.desc())))
        listing: dict[str, Any] = {"order_by": [column.desc()], "size": 7, "secret": SECRET}
        found: list[int] = []
        cursor = None
        while True:
            page = await async_keyset_page(session, select(Book.id), cursor=cursor, **listing)
            found += page.items
            cursor = page.next
            if cursor is None:
                break
        assert found == expected, column.key
        assert page.previous is not None
        back = await async_keyset_page(session, select(Book), cursor=page.previous, **listing)
        assert [book.id for book in back] == expected[-len(page) - 7 : -len(page)]
        with pytest.raises(InvalidCursorError):
            await async_keyset_page(session, select(Book), cursor=page.previous[:-1], **listing)
    numbered = await async_offset_page(session, select(Book), order_by=[Book.id], number=2, size=3, total="capped")
    assert ([book.id for book in numbered], numbered.total) == ([4, 5, 6], 23)
