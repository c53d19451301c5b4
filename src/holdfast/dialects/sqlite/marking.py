"""The mark of a deleted row: what SQLite's clock shows the trigger that deletes it."""

from __future__ import annotations

from holdfast.dialects.marking import Marking
from holdfast.dialects.query import Query
from holdfast.dialects.sqlite.statement import MICROSECONDS


class SQLiteMarking(Marking):
    def present(self) -> str:
        return "CURRENT_TIMESTAMP"

    def begin_shared(self) -> tuple[Query, ...]:
        """The mark is taken from the clock of the statements, so that no other statement has it."""
        return (
            Query(f"update main.holdfast_statement set clock = max(clock + 1, {MICROSECONDS})", {}),
            Query(
                "insert into main.holdfast_context (id, mark) select 1, s.clock from main.holdfast_statement as s where true\n"
                "on conflict (id) do update set mark = excluded.mark",
                {},
            ),
        )

    def shared(self) -> str:
        return "CURRENT_TIMESTAMP"

    def end_shared(self) -> tuple[Query, ...]:
        """A row that says nothing else goes away again: it must not outlive the transaction."""
        return (
            Query(
                "delete from main.holdfast_context where mark is not null and not undo and not maintenance\n"
                "    and coalesce(actor, tenant, reason, context, allow) is null",
                {},
            ),
            Query("update main.holdfast_context set mark = null where mark is not null", {}),
        )
