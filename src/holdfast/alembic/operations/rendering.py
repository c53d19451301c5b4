"""An operation as it is written into a revision."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext
from sqlalchemy.sql.elements import ColumnElement, TextClause


def call(context: AutogenContext, name: str, *positional: Any, **named: Any) -> str:
    """The call of ``op.<name>``; what is None is left out."""
    context.imports.add("import holdfast.alembic")
    prefix = context.opts["alembic_module_prefix"]
    parts = [_value(context, each) for each in positional]
    parts += [f"{key}={_value(context, each)}" for key, each in named.items() if each is not None]
    return f"{prefix}{name}({', '.join(parts)})"


def _value(context: AutogenContext, value: Any) -> str:
    if isinstance(value, sa.Column):
        return repr(str(value.name))
    if isinstance(value, ColumnElement | TextClause):
        compiled = value.compile(
            dialect=context.dialect, compile_kwargs={"literal_binds": True, "include_table": False}
        )
        text = str(compiled).replace("%%", "%").replace(":", "\\:").replace("\\:\\:", "::")
        return f"{context.opts['sqlalchemy_module_prefix']}text({text!r})"
    if isinstance(value, str):
        return repr(str(value))
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(context, each) for each in value)}]"
    return repr(value)
