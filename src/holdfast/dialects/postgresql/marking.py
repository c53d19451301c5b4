"""The mark of a deleted row: the moment of the statement that deletes it."""

from __future__ import annotations

from holdfast.dialects.marking import Marking
from holdfast.dialects.query import Query


class PostgreSQLMarking(Marking):
    def present(self) -> str:
        return "statement_timestamp()"

    def begin_shared(self) -> tuple[Query, ...]:
        return (Query("select set_config('holdfast.mark', statement_timestamp()::text, true)", {}),)

    def shared(self) -> str:
        return "current_setting('holdfast.mark')::timestamptz"
