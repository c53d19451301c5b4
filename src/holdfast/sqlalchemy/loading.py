"""What a query must load by itself."""

from __future__ import annotations

from sqlalchemy.orm import raiseload
from sqlalchemy.orm.strategy_options import _AbstractLoad


def strict(*, sql_only: bool = False) -> _AbstractLoad:
    """A statement option: nothing may be loaded lazily afterwards, of what the statement returns or loads beside it.

    What is used must be named, ``.options(strict(), selectinload(Order.lines))``; touching another relationship
    raises SQLAlchemy's own ``InvalidRequestError``, which names it. With ``sql_only=True`` a row that the session
    happens to have already may be touched. Columns (deferred, expired) are not part of it.
    """
    return raiseload("*", sql_only=sql_only)
