"""Who works, why and for whom: how a transaction carries that."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from holdfast.dialects.query import Query


def bind_context(context: Mapping[str, Any]) -> tuple[Query, ...]:
    """One call for one transaction; ``allow`` goes to its own setting, which the guards read."""
    named = {name: context.get(name) for name in ("actor", "tenant", "reason")}
    more = {name: value for name, value in context.items() if name not in (*named, "allow")}
    call = "select holdfast.set_context(:actor, :tenant, :reason, cast(:context as jsonb))"
    parameters: dict[str, Any] = {**named, "context": json.dumps(more, default=str) if more else None}
    if context.get("allow"):
        call += ", set_config('holdfast.allow', :allow, true)"
        parameters["allow"] = str(context["allow"])
    return (Query(call, parameters),)


def rebind_context(context: Mapping[str, Any]) -> tuple[Query, ...]:
    return (Query("select set_config('holdfast.allow', '', true)", {}), *bind_context(context))
