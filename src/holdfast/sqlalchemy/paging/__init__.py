"""Pages of a list: by keyset, whose cost does not grow with the depth, or by number; synchronous and asynchronous."""

from __future__ import annotations

from holdfast.sqlalchemy.paging.asynchronous import async_keyset_page, async_offset_page
from holdfast.sqlalchemy.paging.keyset import keyset_page
from holdfast.sqlalchemy.paging.offset import offset_page
from holdfast.sqlalchemy.paging.pages import OffsetPage, Page

__all__ = ["OffsetPage", "Page", "async_keyset_page", "async_offset_page", "keyset_page", "offset_page"]
