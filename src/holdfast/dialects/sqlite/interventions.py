"""What was done to the journal itself, by whom and why; and what stands for a change whose content is gone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from holdfast.dialects.base import Query
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
    # digest: of the values that an erasure took away (change stays), or of the whole change that retention dropped.
    "holdfast_stand_in": """\
create table if not exists main.holdfast_stand_in (
    change integer primary key,
    intervention integer not null,
    digest blob not null
)""",
}


def record(kind: str, actor: str | None, reason: str | None, details: Mapping[str, Any]) -> Query:
    """Writes the intervention down; one row, its id."""
    return Query(
        "insert into main.holdfast_intervention (at, kind, actor, reason, details)\n"
        f"values ({NOW}, :kind, :actor, :reason, :details)\nreturning id",
        {"kind": kind, "actor": actor, "reason": reason, "details": json.dumps(details, default=str)},
    )
