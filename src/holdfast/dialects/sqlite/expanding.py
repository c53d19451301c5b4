"""A column that is replaced by another one while both are written: AFTER triggers keep them the same."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.dialects.changing import Target
from holdfast.dialects.expanding import Expanding
from holdfast.dialects.query import Query
from holdfast.dialects.sqlite.catalog import EXPAND, EXPANSION, WRITTEN
from holdfast.dialects.sqlite.pairs import Event, Pair, affinity
from holdfast.dialects.sqlite.sql import literal, quote, refusal, row_is
from holdfast.tables import Expansion, TableInfo

EVENTS: tuple[Event, ...] = ("insert", "update")
AGAINST_NULL = frozenset(("NULL", "ISNULL", "NOTNULL", "COALESCE", "IFNULL", "IIF", "TYPEOF", "CASE"))
"""Words of a check that NULL may not meet."""


class SQLiteExpanding(Expanding):
    def schema(self, table: Target) -> Query:
        return Query(
            "select 'main' from main.sqlite_schema where type = 'table' and name = :name", {"name": table.name}
        )

    def column(self, table: Target, column: str) -> Query:
        return Query(
            'select x.type, x."notnull", x.dflt_value, x.hidden > 1, x.pk > 0, exists (\n'
            "    select 1 from main.sqlite_schema as s, pragma_foreign_key_list(s.name, 'main') as f\n"
            '    where s.type = \'table\' and f."table" = :table collate nocase and f."to" = x.name collate nocase)\n'
            "from pragma_table_xinfo(:table, 'main') as x where x.name = :column",
            {"table": table.name, "column": column},
        )

    def synchronised(self, table: Target, new: str) -> Query:
        return Query(
            f"select {EXPANSION.format('s.sql')}, true from main.sqlite_schema as s\n"
            "where s.type = 'trigger' and s.tbl_name = :table and s.name = :name",
            {"table": table.name, "name": trigger_name(table.name, new, "update")},
        )

    def last_write(self, table: Target, column: str) -> Query:
        return Query(
            "select (select (julianday('now') - julianday(w.at)) * 86400.0\n"
            f"        from {WRITTEN} as w where w.name = s.name), true\n"
            "from main.sqlite_schema as s where s.type = 'trigger' and s.tbl_name = :table and s.name = :name",
            {"table": table.name, "name": trigger_name(table.name, column, "update")},
        )

    def retired(self, table: Target, column: str) -> Query:
        """One row where the column is retired: only then there is anything to ask for its last write."""
        return Query(
            "select 1 from main.sqlite_schema where type = 'trigger' and tbl_name = :table and name = :name\n"
            f"    and instr(sql, '{WRITTEN}')",
            {"table": table.name, "name": trigger_name(table.name, column, "update")},
        )

    def unfilled(self, expansion: Expansion) -> tuple[str, str]:
        value = quote(expansion.old) if expansion.up is None else f"({expansion.up})"
        return value, f"{quote(expansion.new)} is null and {value} is not null"

    def indexes(self, table: Target) -> Query:
        """name, SQL (NULL for that of a constraint), unique, and the columns of the table's indexes."""
        return Query(
            'select i.name, s.sql, i."unique", (\n'
            "    select json_group_array(x.name) from pragma_index_info(i.name, 'main') as x)\n"
            "from pragma_index_list(:table, 'main') as i\n"
            "join main.sqlite_schema as s on s.type = 'index' and s.name = i.name\n"
            "where i.origin <> 'pk' order by s.rowid",
            {"table": table.name},
        )

    # ------------------------------------------------------------------ keeping them the same

    def synchronise(self, table: TableInfo, pair: Pair) -> tuple[str, ...]:
        expansion = pair.expansion
        both = [f"new.{quote(name)}" for name in pair.columns]
        differing = refusal(
            "HF465",
            f"{expansion.old} and {expansion.new} of {pair.table} were written with values that differ.",
            "Write one of them: the other follows.",
        )
        unkept = refusal(
            "HF465",
            f"{expansion.old} and {expansion.new} of {pair.table} cannot be kept the same: one of them keeps the value "
            "as another type.",
            "Give op.hf_expand_column an up and a down that cast it.",
        )
        statements = []
        for event in EVENTS:
            values = [pair.after(name, event) for name in pair.columns]
            moved = " or ".join(
                f"{raw} is not ({value}) or typeof({raw}) <> typeof({value})"
                for raw, value in zip(both, values, strict=True)
            )
            conflict = pair.conflict(event)
            assigned = ",\n    ".join(
                f"{quote(name)} = {value}" for name, value in zip(pair.columns, values, strict=True)
            )
            statements.append(
                self._trigger(
                    table, pair, event, f"after {event}", f"{moved}\n    or {conflict}",
                    [
                        f"-- {EXPAND}{expansion.as_text()}",
                        f"select {differing} where {conflict};",
                        f"update {quote(pair.table)}\nset {assigned}\nwhere {row_is(table, 'new')};",
                        f"select {unkept}\nwhere exists (select 1 from {quote(pair.table)} as t where {row_is(table, 'new')}\n"
                        f"    and not {pair.consistent('t')});",
                    ],
                )
            )  # fmt: skip
            if expansion.not_null:
                failed = f"raise(abort, {literal(f'NOT NULL constraint failed: {pair.table}.{expansion.old}')})"
                statements.append(
                    self._trigger(
                        table, pair, f"null_{event}", f"before {event}", f"({values[0]}) is null", [f"select {failed};"]
                    )
                )
        return tuple(statements)

    def _trigger(self, table: TableInfo, pair: Pair, name: str, event: str, when: str, steps: Sequence[str]) -> str:
        called = quote(trigger_name(pair.table, pair.expansion.new, name))
        return "\n".join(
            (
                f"create trigger main.{called}",
                f"{event} on {quote(pair.table)}",
                "for each row",
                f"when {when}",
                "begin",
                *steps,
                "end",
            )
        )

    def let_go(self, table: str, new: str) -> tuple[str, ...]:
        """The columns are not kept the same any more."""
        return tuple(
            f"drop trigger if exists main.{quote(trigger_name(table, new, name))}"
            for event in EVENTS
            for name in (event, f"null_{event}")
        )

    def differing(self, pair: Pair) -> str:
        """One row for each row, up to a hundred, in which neither column follows from the other."""
        return f"select 1 from main.{quote(pair.table)} as t where not {pair.consistent('t')} limit 100"

    def unlike(self, expansion: Expansion, old_type: str, new_type: str) -> str | None:
        """Why values do not stay the same on their way from one column into the other."""
        kinds = affinity(old_type), affinity(new_type)
        if "text" not in kinds or kinds[0] == kinds[1]:
            return None
        if expansion.up is not None and expansion.down is not None:
            return None
        return (
            f"{old_type or 'no type'} and {new_type or 'no type'} keep a value differently, and up or down is missing"
        )

    # ------------------------------------------------------------------ removing

    def retire(self, table: str, column: str) -> tuple[str, ...]:
        """Who still writes the column is written down."""
        name = f"new.{quote(column)}"
        conditions = {
            "insert": f"{name} is not null",
            "update": f"{name} is not old.{quote(column)} or typeof({name}) <> typeof(old.{quote(column)})",
        }
        return (
            f"create table if not exists main.{WRITTEN} (name text primary key, at text not null)",
            *(
                f"create trigger main.{quote(trigger_name(table, column, event))}\nafter {event} on {quote(table)}\n"
                f"for each row\nwhen {condition}\nbegin\n"
                # Not INSERT OR REPLACE, which would take the conflict clause of whoever writes.
                f"insert into {WRITTEN} (name, at)\n"
                f"values ({literal(trigger_name(table, column, 'update'))}, strftime('%Y-%m-%d %H:%M:%f', 'now'))\n"
                "on conflict (name) do update set at = excluded.at;\nend"
                for event, condition in conditions.items()
            ),
        )

    def unretire(self, table: str, column: str) -> tuple[str, ...]:
        return (
            *self.let_go(table, column),
            f"delete from main.{WRITTEN} where name = {literal(trigger_name(table, column, 'update'))}",
        )


def trigger_name(table: str, column: str, event: str) -> str:
    return f"hf_expand_{table}_{column}_{event}"
