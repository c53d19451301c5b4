"""Tells Alembic to compare protection too."""

from __future__ import annotations

from functools import cache
from typing import Any

import alembic.util
from alembic.autogenerate import comparators

from holdfast.alembic.comparing import compare


@cache
def setup() -> None:
    """From here on ``alembic revision --autogenerate`` and ``alembic check`` compare protection too.

    One line of ``env.py``, before ``context.configure()``. Said again it does nothing more.
    """
    options: dict[str, Any] = {}
    if hasattr(alembic.util, "DispatchPriority"):
        # Since Alembic 1.18 what is registered here would run before the tables are compared; until then after it.
        options["priority"] = alembic.util.DispatchPriority.LAST
    comparators.dispatch_for("schema", **options)(compare)
