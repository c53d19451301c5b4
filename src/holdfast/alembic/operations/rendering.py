"""An operation as it is written into a revision."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import _repr_type
from sqlalchemy.sql.elements import ColumnElement, TextClause
from sqlalchemy.types import TypeEngine

from holdfast.migrating import BatchSettings


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
    if isinstance(value, TypeEngine) or (isinstance(value, type) and issubclass(value, TypeEngine)):
        return str(_repr_type(sa.types.to_instance(value), context))
    if isinstance(value, timedelta):
        context.imports.add("import datetime")
        return repr(value)
    if isinstance(value, BatchSettings):
        usual = BatchSettings()
        given = {each.name: getattr(value, each.name) for each in fields(value)}
        named = [f"{name}={_value(context, one)}" for name, one in given.items() if one != getattr(usual, name)]
        return f"holdfast.alembic.BatchSettings({', '.join(named)})"
    if isinstance(value, str):
        return repr(str(value))
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(context, each) for each in value)}]"
    return repr(value)
