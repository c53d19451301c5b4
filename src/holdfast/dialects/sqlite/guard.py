"""Guards: a statement that touches more rows than expected is refused unless it was announced.

SQLite has row triggers alone, so the rows of a statement are counted one by one; the one too many is refused, and
with it the statement: RAISE(ABORT) takes back all that it wrote.
"""

from __future__ import annotations

from holdfast.dialects.sqlite.pairs import makes_pairs_agree
from holdfast.dialects.sqlite.sql import literal, refusal, trigger
from holdfast.dialects.sqlite.statement import BEGIN, NOT_KEEPING, NOT_UNDOING, SETTLE, allowed_rows
from holdfast.objects import DatabaseObject, Protection
from holdfast.policies import Guard


def guarding(policy: Guard, protection: Protection) -> tuple[DatabaseObject, ...]:
    """Nothing for ``truncate``: SQLite has none, and a DELETE of all rows fires the row triggers."""
    if policy.max_rows is None:
        return ()
    table = protection.table
    relation = protection.relation.id
    agreeing = makes_pairs_agree(table)
    objects = []
    for event in ("update", "delete"):
        refused = refusal(
            "HF204",
            f"{event.upper()} of {table.name.name} would touch more than {policy.max_rows} rows.",
            "If it is meant, say so first in the same transaction: "
            "INSERT INTO holdfast_context (allow) VALUES ('mass'), and DELETE FROM holdfast_context before the commit.",
        )
        touched = f"(select touched from holdfast_count where relation = {relation})"
        objects.append(
            trigger(
                f"holdfast_guard_{event}_{relation}",
                table.name,
                f"after {event}",
                [
                    BEGIN,
                    "insert into holdfast_count (relation, statement, touched)\n"
                    f"select {relation}, 0, 0 where not exists (select 1 from holdfast_count where relation = {relation});",
                    "update holdfast_count\n"
                    "set touched = case when statement is s.number then touched + 1 else 1 end, statement = s.number\n"
                    f"from (select number from holdfast_statement) as s\nwhere relation = {relation};",
                    f"select {refused}\nwhere {touched} > {policy.max_rows}\n    and not {allowed_rows(touched)};",
                    SETTLE,
                ],
                when=f"{NOT_KEEPING} and {NOT_UNDOING}"
                + (f" and not {agreeing}" if agreeing and event == "update" else ""),
                policy="Guard",
                purpose=f"refuses an {event} of more than {policy.max_rows} rows of {literal(table.name.name)}",
            )
        )
    return tuple(objects)
