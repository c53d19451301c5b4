"""What was done to the journal itself, by whom and why; and what stands for a change whose content is gone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from holdfast.dialects.query import Query

TABLES = {
    # kind: erasure, retention, fork, … Written in the transaction that does it, and sealed like a change.
    "intervention": """\
create table if not exists holdfast.intervention (
    id bigint generated always as identity primary key,
    at timestamptz not null default clock_timestamp(),
    kind text not null,
    actor text,
    reason text,
    details jsonb not null,
    session_user_name text not null default session_user
)""",
    # For a change that an erasure took values from: the digest of what was sealed (or of what the erasure before left),
    # and of what remains, made with a salt of its own.
    "stand_in": """\
create table if not exists holdfast.stand_in (
    change bigint not null,
    intervention bigint not null references holdfast.intervention,
    digest bytea not null,
    remaining bytea,
    salt bytea,
    primary key (change, intervention)
)""",
}


LOCK = "hashtextextended('holdfast.erase', 0)"
"""An erasure has it for itself; whoever writes values back that it read from the journal shares it."""
SHARE = f"select pg_advisory_xact_lock_shared({LOCK})"


def record(kind: str, actor: str | None, reason: str | None, details: Mapping[str, Any]) -> Query:
    """Writes the intervention down; one row, its id."""
    return Query(
        "insert into holdfast.intervention (kind, actor, reason, details)\n"
        "values (:kind, :actor, :reason, cast(:details as jsonb))\nreturning id",
        {"kind": kind, "actor": actor, "reason": reason, "details": json.dumps(details, default=str)},
    )
