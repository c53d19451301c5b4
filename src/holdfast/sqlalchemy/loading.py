"""What a query must load by itself."""

from __future__ import annotations

from sqlalchemy.orm import raiseload
from sqlalchemy.orm.strategy_options import _AbstractLoad


def strict(*, sql_only: bool = True) -> _AbstractLoad:
    """A statement option: what the statement returns, and what it loads beside, loads nothing more by itself.

    What is used must be named, ``.options(strict(), selectinload(Order.lines))``, also where the mapping says
    ``lazy="selectin"``. To touch another relationship raises SQLAlchemy's own ``InvalidRequestError``, which names
    it. A row that the session has already may be touched, since that sends nothing; with ``sql_only=False`` it may
    not. Columns (deferred, expired) are not part of it.
    """
    return raiseload("*", sql_only=sql_only)
