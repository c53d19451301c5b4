"""What was done to the journal itself, by whom and why; and what stands for a change whose content is gone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from holdfast.dialects.query import Query
from holdfast.dialects.sqlite.statement import NOW

TABLES = {
    # kind: erasure, retention, fork, … Written in the transaction that does it, and sealed like a change.
    "holdfast_intervention": """\
create table if not exists main.holdfast_intervention (
    id integer primary key,
    at text not null,
    kind text not null,
    actor text,
    reason text,
    details text not null
)""",
    # For a change that an erasure took values from: the digest of what was sealed (or of what the erasure before left),
    # and of what remains, made with a salt of its own.
    "holdfast_stand_in": """\
create table if not exists main.holdfast_stand_in (
    change integer not null,
    intervention integer not null,
    digest blob not null,
    remaining blob,
    salt blob,
    primary key (change, intervention)
) without rowid""",
}


def record(kind: str, actor: str | None, reason: str | None, details: Mapping[str, Any]) -> Query:
    """Writes the intervention down; one row, its id."""
    return Query(
        "insert into main.holdfast_intervention (at, kind, actor, reason, details)\n"
        f"values ({NOW}, :kind, :actor, :reason, :details)\nreturning id",
        {"kind": kind, "actor": actor, "reason": reason, "details": json.dumps(details, default=str)},
    )
