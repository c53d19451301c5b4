"""The statements by which a table is made anew with all that hangs on it, as SQLite's page on ALTER TABLE says."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.dialects.query import Query
from holdfast.dialects.sqlite.sql import literal, quote

BEGIN = "savepoint holdfast_batch"
ROLL_BACK = "rollback to holdfast_batch"
END = "release holdfast_batch"

ENFORCED = "pragma foreign_keys"
# Renaming does not look into other objects then: those that name the table go on doing so.
LEGACY = "pragma legacy_alter_table"


def set_legacy(on: bool) -> str:
    return f"pragma legacy_alter_table = {'on' if on else 'off'}"


def described(table: str) -> Query:
    """Its name as it was written, and its SQL."""
    return Query(
        "select name, sql from main.sqlite_schema where type = 'table' and name = :name collate nocase", {"name": table}
    )


def hanging(table: str) -> Query:
    """type, name, SQL of the indexes and triggers that go with the table."""
    return Query(
        "select type, name, sql from main.sqlite_schema\n"
        "where tbl_name = :name collate nocase and type in ('index', 'trigger') and sql is not null order by rowid",
        {"name": table},
    )


def naming(word: str) -> Query:
    """type, name, table, SQL of all whose SQL has that word."""
    return Query(
        "select type, name, tbl_name, sql from main.sqlite_schema where instr(sql, :word) order by rowid",
        {"word": word},
    )


def rename_column(table: str, column: str, name: str) -> str:
    return f"alter table main.{quote(table)} rename column {quote(column)} to {quote(name)}"


def rename(table: str, name: str) -> str:
    return f"alter table main.{quote(table)} rename to {quote(name)}"


def drop(table: str) -> str:
    return f"drop table main.{quote(table)}"


def copy(table: str, new: str, columns: Sequence[str], sources: Sequence[str]) -> str:
    return f"insert into main.{quote(new)} ({', '.join(columns)})\nselect {', '.join(sources)} from main.{quote(table)}"


# ------------------------------------------------------------------ what goes with a table beside its schema


def has_sequence() -> str:
    return "select 1 from main.sqlite_schema where name = 'sqlite_sequence'"


def sequence(table: str) -> str:
    return f"select seq from main.sqlite_sequence where name = {literal(table)}"


def set_sequence(table: str, number: int) -> tuple[str, ...]:
    return (
        f"delete from main.sqlite_sequence where name = {literal(table)}",
        f"insert into main.sqlite_sequence (name, seq) values ({literal(table)}, {number})",
    )


def has_statistics() -> str:
    return "select 1 from main.sqlite_schema where name = 'sqlite_stat1'"


def statistics(table: str) -> str:
    return f"select 1 from main.sqlite_stat1 where tbl = {literal(table)} limit 1"


def analyze(table: str) -> str:
    return f"analyze main.{quote(table)}"


def check(table: str) -> str:
    """One row, 'ok', or what is wrong with the table."""
    return f"pragma main.integrity_check({quote(table)})"


# ------------------------------------------------------------------ the journal


def column_renamed(relation: int, column: str, name: str) -> str:
    return (
        f"update main.holdfast_column set name = {literal(name)}\n"
        f"where relation = {relation} and not dropped and name = {literal(column)} collate nocase"
    )


def column_dropped(relation: int, column: str) -> str:
    return (
        "update main.holdfast_column set dropped = 1\n"
        f"where relation = {relation} and not dropped and name = {literal(column)} collate nocase"
    )
