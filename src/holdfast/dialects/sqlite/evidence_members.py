"""Evidence, the members: the rows of the journal that are sealed, spelled so that no two of them are alike."""

from __future__ import annotations


def _exact(value: str) -> str:
    """An expression: the value with its type, so that no two values are spelled the same."""
    return (
        f"case typeof({value}) when 'null' then '-' when 'integer' then 'i' || {value}"
        f" when 'real' then 'r' || printf('%!.17g', {value})"
        f" when 'text' then 't' || hex({value}) else 'b' || hex({value}) end"
    )


def _spelled(*values: str) -> str:
    return " || ',' || ".join(_exact(each) for each in values)


HEAD = {
    "change": _spelled(
        "m.id", "m.transaction_id", "m.statement", "m.relation", "m.operation", "m.side", "m.late", "m.place"
    ),
    "transaction": _spelled("m.id", "m.at"),
    "intervention": _spelled("m.id", "m.at"),
}
BODY = {
    "change": _exact("m.key")
    + " || ';' || coalesce((\n        select group_concat("
    + _spelled("v.column_id", "v.before", "v.after", "v.masked")
    + ", ';')\n        from (select * from main.holdfast_value as v where v.change = m.id order by v.column_id) as v), '')",
    "transaction": _spelled("m.statement", "m.token", "m.actor", "m.tenant", "m.reason", "m.context"),
    # With what stands in by it for what is gone: nothing can be added to it later.
    "intervention": _spelled("m.kind", "m.actor", "m.reason", "m.details")
    + " || ';' || coalesce((select group_concat(s.change || ',' || hex(s.digest) || ',' || hex(s.remaining), ';')\n"
    "        from (select * from main.holdfast_stand_in as s where s.intervention = m.id order by s.change) as s), '')"
    " || ';' || coalesce((select group_concat(r.what || ',' || r.first || ',' || r.last, ';')\n"
    "        from (select * from main.holdfast_removed as r where r.intervention = m.id order by r.what, r.first) as r), '')",
}
# What stands for the number of a change whose table's history was purged has no content.
REAL = {"change": "m.relation <> 0", "transaction": "true", "intervention": "true"}
