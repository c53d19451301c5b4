"""Who works, why and for whom: how a transaction carries that."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from holdfast.dialects.query import Query

_NAMED = ("actor", "tenant", "reason", "allow")


def bind_context(context: Mapping[str, Any]) -> tuple[Query, ...]:
    """The context's row. Bound again within one transaction it keeps its token: it is the same transaction."""
    more = {name: value for name, value in context.items() if name not in _NAMED}
    parameters = {name: None if context.get(name) is None else str(context[name]) for name in _NAMED}
    return (
        Query(
            "insert into main.holdfast_context (id, actor, tenant, reason, allow, context)\n"
            "values (1, :actor, :tenant, :reason, :allow, :context)\n"
            "on conflict (id) do update set actor = excluded.actor, tenant = excluded.tenant,\n"
            "    reason = excluded.reason, allow = excluded.allow, context = excluded.context",
            {**parameters, "context": json.dumps(more, default=str) if more else None},
        ),
    )


def unbind_context() -> tuple[Query, ...]:
    return (Query("delete from main.holdfast_context", {}),)


def announced() -> Query:
    return Query("select max(allow) from main.holdfast_context", {})


def announce(words: str | None) -> tuple[Query, ...]:
    """A row that says nothing else goes away again: it must not outlive the transaction."""
    if words:
        return (
            Query(
                "insert into main.holdfast_context (id, allow) values (1, :words)\n"
                "on conflict (id) do update set allow = excluded.allow",
                {"words": words},
            ),
        )
    return (
        Query(
            "delete from main.holdfast_context where not undo and not maintenance\n"
            "    and coalesce(actor, tenant, reason, context, mark) is null",
            {},
        ),
        Query("update main.holdfast_context set allow = null", {}),
    )
