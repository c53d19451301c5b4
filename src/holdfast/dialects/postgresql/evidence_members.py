"""Evidence, the members: the rows of the journal that are sealed, spelled so that no two of them are alike."""

from __future__ import annotations

TIME = """to_char({0} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
MOMENT = "encode(timestamptz_send({0}), 'hex')"
"""To the microsecond, whatever the session's settings."""


def _spelled(*values: str) -> str:
    """An expression: each value after its length; NULL has no length, so no two rows spell the same."""
    return "concat(" + ", ".join(f"length({each}), ':', {each}" for each in values) + ")"


HEAD = {
    "change": f"concat_ws(',', m.id, m.xid, {MOMENT.format('m.at')}, m.relation, m.operation, m.tenant)",
    "transaction": f"concat_ws(',', m.id, m.xid, {MOMENT.format('m.at')})",
    "intervention": f"concat_ws(',', m.id, {MOMENT.format('m.at')})",
}
BODY = {
    "change": _spelled("m.key", "m.key_last::text", "m.before", "m.after"),
    "transaction": _spelled(
        MOMENT.format("m.committed"),
        "m.actor",
        "m.tenant",
        "m.reason",
        "m.context::text",
        "m.session_user_name",
        "m.application_name",
        "m.client_address::text",
    ),
    # With what stands in by it for what is gone: nothing can be added to it later.
    "intervention": _spelled(
        "m.kind",
        "m.actor",
        "m.reason",
        "m.details::text",
        "m.session_user_name",
        "(select string_agg(concat_ws(',', s.change, encode(s.digest, 'hex'), encode(s.remaining, 'hex')), ';'"
        " order by s.change) from holdfast.stand_in as s where s.intervention = m.id)",
        "(select string_agg(concat_ws(',', r.what, r.first, r.last), ';' order by r.what, r.first)"
        " from holdfast.removed as r where r.intervention = m.id)",
    ),
}
XID = {"change": "m.xid::text", "transaction": "m.xid::text", "intervention": "null::text"}
