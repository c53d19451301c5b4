"""How SQLite will describe what is yet to be made, and what a migration runs beside our objects' own statements."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from holdfast.dialects.revising import FoundConstraint, Revising, SpelledType
from holdfast.dialects.sqlite.catalog import PRESENT_NAME
from holdfast.dialects.sqlite.definition import Clause
from holdfast.dialects.sqlite.journal import remove
from holdfast.dialects.sqlite.parser import parse
from holdfast.dialects.sqlite.sql import literal, quote
from holdfast.dialects.sqlite.statement import NOW
from holdfast.dialects.sqlite.tokens import tokens
from holdfast.journal import Relation
from holdfast.objects import DatabaseObject
from holdfast.tables import TableName


class SQLiteRevising(Revising):
    default_schema = "main"
    autoindexes = True
    verbatim = True

    # ------------------------------------------------------------------ how it will be described

    def type(self, written: str) -> SpelledType | None:
        # Kept as it was written.
        spelled = written.partition(" COLLATE ")[0].strip()
        return SpelledType(spelled, spelled.partition("(")[0].strip().lower())

    def primary_key_name(self, table: str) -> str:
        return "PRIMARY KEY"

    def unique_name(self, table: str, columns: Sequence[str], number: int) -> str:
        return f"sqlite_autoindex_{table}_{number}"

    def foreign_key_name(self, table: str, columns: Sequence[str], name: str | None) -> str:
        return f"{table}_{'_'.join(columns)}_fkey"

    # ------------------------------------------------------------------ what a migration does

    def in_the_way(self, each: DatabaseObject, table: TableName, columns: Iterable[str]) -> bool:
        # A table that is changed is mostly made anew, and every trigger and view that names it must stand meanwhile.
        return each.table == table or any(quote(table.name) in statement for statement in each.create)

    def expect(self, relation: Relation, known: Mapping[TableName, Iterable[tuple[int, str]]]) -> str:
        names = ", ".join(literal(name.name) for name in known)
        columns = ", ".join(
            f"({i}, {literal(n)})" for i, n in sorted({each for listed in known.values() for each in listed})
        )
        message = (
            f"HF451: The journal knows {relation.table} otherwise than this revision was written for. "
            "Hint: Upgrade to the revision before it and write it anew: alembic revision --autogenerate."
        )
        # The one way to say something in an error outside of a trigger: a path that is none.
        return (
            f"select json_extract('{{}}', {literal(message)} || substr(r.name, 1, 0))\n"
            "from main.holdfast_relation as r\n"
            "where r.protected and (\n"
            f"    r.id = {relation.id} and {PRESENT_NAME} not in ({names})\n"
            f"    or r.id <> {relation.id} and {PRESENT_NAME} = {literal(relation.table.name)}\n"
            f"    or r.id = {relation.id} and exists (\n"
            "        select 1 from main.holdfast_column as c\n"
            f"        where c.relation = r.id and not c.dropped and (c.id, c.name) not in (values {columns})))"
        )

    def lock(self, tables: Sequence[TableName], *, exclusive: bool) -> tuple[str, ...]:
        return ()

    def note(self, step: str, actions: Sequence[str]) -> str:
        return (
            "insert into main.holdfast_intervention (at, kind, details)\n"
            f"values ({NOW}, 'installation', json_object('step', {literal(step)}, 'found', json('[]'), 'xid', null,\n"
            f"    'actions', json({literal(json.dumps(list(actions), ensure_ascii=False))})))"
        )

    def remove_unused_journal(self) -> tuple[str, ...]:
        return remove()

    def journal_is_unused(self) -> str | None:
        return (
            "select not exists (select 1 from main.holdfast_change)\n"
            "    and not exists (select 1 from main.holdfast_relation where protected)"
        )

    def is_own(self, table: TableName) -> bool:
        return table.name.startswith("holdfast_")

    # ------------------------------------------------------------------ indexes and checks

    def indexes(self) -> str:
        return """\
select 'main' as schema_name, s.tbl_name as table_name, s.name, true as valid,
    case when l.partial then s.sql end as predicate, '[]' as included
from main.sqlite_schema as s, pragma_index_list(s.tbl_name, 'main') as l
where s.type = 'index' and s.sql is not null and l.name = s.name and s.name not glob 'holdfast_*'"""

    def constraints(self) -> str:
        return """\
select name, sql from main.sqlite_schema
where type = 'table' and sql like '%constraint%check%' and name not glob 'holdfast_*'"""

    def read_constraints(self, rows: Iterable[Any]) -> Iterator[FoundConstraint]:
        for name, sql in rows:
            table = TableName("main", name)
            for check in _checks(sql):
                if check.name is not None:
                    yield FoundConstraint(table, check.name, True, _condition(check.text))


def _checks(sql: str) -> list[Clause]:
    try:
        definition = parse(sql)
    except ValueError:
        # A virtual table says something else in these words.
        return []
    clauses = (*definition.constraints, *(clause for column in definition.columns for clause in column.clauses))
    return [each for each in clauses if each.kind == "CHECK"]


def _condition(check: str) -> str:
    """What stands between its parentheses."""
    words = tokens(check)
    opening = next(i for i, each in enumerate(words) if each.word == "CHECK") + 1
    return check[words[opening].end : words[-1].start].strip()
