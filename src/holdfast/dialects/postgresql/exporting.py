"""A change as the line of JSON that it is exported as."""

from __future__ import annotations


def exported(*more: str) -> str:
    """Of the change ``c`` and its transaction ``t``, which may be missing; ``more``: other pairs, as SQL."""
    pairs = "".join(f"\n    {each}," for each in more)
    return f"""\
json_build_object(
    'id', c.id, 'transaction', coalesce(t.id::text, 'x' || c.xid::text), 'at', c.at, 'committed', t.committed,
    'actor', t.actor, 'tenant', t.tenant, 'reason', t.reason, 'context', t.context,{pairs}
    'table', (select concat(r.schema_name, '.', r.table_name) from holdfast.relation as r where r.id = c.relation),
    'operation', case c.operation
        when 'I' then 'insert' when 'U' then 'update' when 'D' then 'delete' when 'S' then 'delete'
        when 'R' then 'restore' when 'T' then 'truncate' end,
    'key', c.key::json, 'last_key', c.key_last,
    'before', holdfast.named(c.relation, c.before), 'after', holdfast.named(c.relation, c.after)
)::text"""
