"""Who works, why and for whom: how a transaction carries that."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from holdfast.dialects.query import Query


def bind_context(context: Mapping[str, Any]) -> tuple[Query, ...]:
    """One call for one transaction; ``allow`` goes to its own setting, which the guards read.

    All that the server only keeps is one document, made here: to put it together there would cost each transaction more.
    The arguments are given by their places, for names would cost it as much again where no statement is prepared.
    """
    said = {
        name: value
        for name, value in context.items()
        if name not in ("tenant", "allow") and not (value is None and name in ("actor", "reason"))
    }
    call = "select holdfast.set_context(null, :tenant, null, cast(:context as jsonb))"
    parameters: dict[str, Any] = {
        "tenant": context.get("tenant"),
        "context": json.dumps(said, default=str, ensure_ascii=False) if said else None,
    }
    if context.get("allow"):
        call += ", set_config('holdfast.allow', :allow, true)"
        parameters["allow"] = str(context["allow"])
    return (Query(call, parameters),)


def rebind_context(context: Mapping[str, Any]) -> tuple[Query, ...]:
    return (Query("select set_config('holdfast.allow', '', true)", {}), *bind_context(context))
