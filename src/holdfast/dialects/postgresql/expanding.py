"""A column that is replaced by another one while both are written: what is there of it, and the steps."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.dialects.changing import Target
from holdfast.dialects.expanding import Copied, ExpandingInSteps
from holdfast.dialects.postgresql.changing import ACTION, index_definition, key_columns, name_of
from holdfast.dialects.postgresql.expanding_script import PostgreSQLExpandingScript
from holdfast.dialects.postgresql.expanding_trigger import (
    MARK,
    function_name,
    sequence_name,
    synchronise,
    trigger_name,
    watch,
)
from holdfast.dialects.postgresql.sql import dollar, literal, quote
from holdfast.dialects.query import Query
from holdfast.tables import Expansion


class PostgreSQLExpanding(ExpandingInSteps):
    # ------------------------------------------------------------------ what is there

    def schema(self, table: Target) -> Query:
        return Query(
            "select n.nspname from pg_class as c join pg_namespace as n on n.oid = c.relnamespace\n"
            "where c.oid = to_regclass(:table)",
            {"table": name_of(table)},
        )

    def column(self, table: Target, column: str) -> Query:
        return Query(
            "select format_type(a.atttypid, a.atttypmod), a.attnotnull, pg_get_expr(d.adbin, d.adrelid),\n"
            "    a.attidentity <> '' or a.attgenerated <> '',\n"
            "    exists (select from pg_index as x\n"
            "            where x.indrelid = a.attrelid and x.indisprimary and a.attnum = any (x.indkey)),\n"
            "    exists (select from pg_constraint as f\n"
            "            where f.confrelid = a.attrelid and f.contype = 'f' and a.attnum = any (f.confkey))\n"
            "from pg_attribute as a\n"
            "left join pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum\n"
            "where a.attrelid = to_regclass(:table) and a.attname = :column and not a.attisdropped",
            {"table": name_of(table), "column": column},
        )

    def synchronised(self, table: Target, new: str) -> Query:
        return Query(
            f"select substring(obj_description(t.tgfoid, 'pg_proc') from {len(MARK) + 1}), t.tgenabled in ('O', 'A')\n"
            "from pg_trigger as t\n"
            "where t.tgrelid = to_regclass(:table) and t.tgname = :name\n"
            f"    and obj_description(t.tgfoid, 'pg_proc') like '{MARK}{{%'",
            {"table": name_of(table), "name": trigger_name(new)},
        )

    def last_write(self, table: Target, column: str) -> Query:
        return Query(
            "select case when s.last_value is not null\n"
            "    then extract(epoch from clock_timestamp())::float8 - s.last_value / 1000.0::float8 end,\n"
            "    t.tgenabled in ('O', 'A')\n"
            "from pg_trigger as t\n"
            "join pg_sequences as s\n"
            "    on format('%I.%I', s.schemaname, s.sequencename)::regclass = to_regclass(:sequence)\n"
            "where t.tgrelid = to_regclass(:table) and t.tgname = :name",
            {"table": name_of(table), "name": trigger_name(column), "sequence": sequence_name(table, column)},
        )

    def indexes(self, table: Target, column: str) -> Query:
        return Query(
            "select i.relname, x.indisunique, k.oid is not null,\n"
            "    case when k.condeferrable then ' DEFERRABLE' else '' end\n"
            "        || case when k.condeferred then ' INITIALLY DEFERRED' else '' end,\n"
            f"    {index_definition('x.indexrelid')}\n"
            "from pg_attribute as a\n"
            "join pg_index as x on x.indrelid = a.attrelid and x.indisvalid\n"
            "join pg_class as i on i.oid = x.indexrelid\n"
            "left join pg_constraint as k on k.conindid = x.indexrelid and k.contype in ('p', 'u', 'x')\n"
            "where a.attrelid = to_regclass(:table) and a.attname = :column\n"
            "    and (a.attnum = any (x.indkey) or exists (\n"
            "        select from pg_depend as d\n"
            "        where d.classid = 'pg_class'::regclass and d.objid = x.indexrelid\n"
            "            and d.refclassid = 'pg_class'::regclass and d.refobjid = a.attrelid and d.refobjsubid = a.attnum))\n"
            "order by i.relname",
            {"table": name_of(table), "column": column},
        )

    def checks(self, table: Target, column: str) -> Query:
        return Query(
            "select k.conname, pg_get_constraintdef(k.oid)\n"
            "from pg_attribute as a\n"
            "join pg_constraint as k on k.conrelid = a.attrelid and k.contype = 'c' and k.convalidated\n"
            "    and a.attnum = any (k.conkey)\n"
            "where a.attrelid = to_regclass(:table) and a.attname = :column and k.conname not like 'hf\\_%'\n"
            "order by k.conname",
            {"table": name_of(table), "column": column},
        )

    def foreign_keys(self, table: Target, column: str) -> Query:
        return Query(
            f"select k.conname, n.nspname, r.relname,\n    {key_columns('k', 'conkey', 'conrelid')},\n"
            f"    {key_columns('k', 'confkey', 'confrelid')},\n"
            f"    {ACTION.format('k.confupdtype')},\n    {ACTION.format('k.confdeltype')},\n"
            "    k.condeferrable, k.condeferred, k.confmatchtype = 'f'\n"
            "from pg_attribute as a\n"
            "join pg_constraint as k on k.conrelid = a.attrelid and k.contype = 'f' and a.attnum = any (k.conkey)\n"
            "join pg_class as r on r.oid = k.confrelid\n"
            "join pg_namespace as n on n.oid = r.relnamespace\n"
            "where a.attrelid = to_regclass(:table) and a.attname = :column\norder by k.conname",
            {"table": name_of(table), "column": column},
        )

    @property
    def script(self) -> PostgreSQLExpandingScript:
        return PostgreSQLExpandingScript(self)

    # ------------------------------------------------------------------ expand

    def expand(self, table: Target, expansion: Expansion, type_: str) -> tuple[str, ...]:
        name, old = name_of(table), quote(expansion.old)
        moved = () if expansion.default is None else (f"alter table {name} alter column {old} drop default",)
        return (
            f"alter table {name} add column {quote(expansion.new)} {type_}",
            *moved,
            *synchronise(table, expansion),
        )

    def collapse(self, table: Target, expansion: Expansion) -> tuple[str, ...]:
        name, old = name_of(table), quote(expansion.old)
        default = expansion.default
        back = () if default is None else (f"alter table {name} alter column {old} set default {default}",)
        return (
            f"drop trigger {quote(trigger_name(expansion.new))} on {name}",
            f"drop function {function_name(table, expansion.new)}()",
            *back,
            f"alter table {name} drop column {quote(expansion.new)}",
        )

    def unfilled(self, expansion: Expansion) -> tuple[str, str]:
        value = quote(expansion.old) if expansion.up is None else f"({expansion.up})"
        return value, f"{quote(expansion.new)} is null and {value} is not null"

    # ------------------------------------------------------------------ finalize

    def on_twin(self, twin: Target, expansion: Expansion) -> tuple[str, ...]:
        name, old, new = name_of(twin), quote(expansion.old), quote(expansion.new)
        return (f"alter table {name} drop column {new}", f"alter table {name} rename column {old} to {new}")

    def create_index(self, table: Target, name: str, definition: str, *, concurrently: bool) -> str:
        unique = "unique " if definition.startswith("UNIQUE ") else ""
        how = "concurrently " if concurrently else ""
        return f"create {unique}index {how}{quote(name)} on {name_of(table)} using {definition.removeprefix('UNIQUE ')}"

    def add_check(self, table: Target, name: str, definition: str, *, valid: bool) -> str:
        return f"alter table {name_of(table)} add constraint {quote(name)} {definition}" + (
            "" if valid else " not valid"
        )

    # ------------------------------------------------------------------ contract

    def same(self, expansion: Expansion, old_type: str, new_type: str) -> str:
        old, new = quote(expansion.old), quote(expansion.new)
        up = f"cast({expansion.up or old} as {new_type})"
        down = f"cast({expansion.down or new} as {old_type})"
        return f"check ({new} is not distinct from {up} or {old} is not distinct from {down})"

    def contract(
        self,
        table: Target,
        expansion: Expansion,
        *,
        swap: bool,
        default: str | None,
        renamed: Sequence[tuple[Copied, bool]],
        before: Sequence[str],
        after: Sequence[str],
    ) -> tuple[str, ...]:
        name, old, new = name_of(table), quote(expansion.old), quote(expansion.new)
        statements = [
            f"lock table {name} in access exclusive mode",
            *before,
            f"drop trigger {quote(trigger_name(expansion.new))} on {name}",
            f"drop function {function_name(table, expansion.new)}()",
        ]
        if default is not None:
            # A sequence of a serial column belongs to the column, and would go with it.
            statements += [
                _own_sequences(table, expansion),
                f"alter table {name} alter column {new} set default {default}",
            ]
        statements.append(f"alter table {name} drop column {old}")
        if swap:
            statements.append(f"alter table {name} rename column {new} to {old}")
            for each, is_index in renamed:
                if is_index and not each.constraint:
                    index = name_of(Target(table.schema, each.copy))
                    statements.append(f"alter index {index} rename to {quote(each.name)}")
                else:
                    statements.append(f"alter table {name} rename constraint {quote(each.copy)} to {quote(each.name)}")
        return (*statements, *after)

    # ------------------------------------------------------------------ remove

    def retire(self, table: Target, column: str) -> tuple[str, ...]:
        name = name_of(table)
        return (
            f"alter table {name} alter column {quote(column)} drop not null",
            f"alter table {name} alter column {quote(column)} drop default",
            *watch(table, column),
        )

    def unretire(self, table: Target, column: str) -> tuple[str, ...]:
        return (
            f"drop trigger {quote(trigger_name(column))} on {name_of(table)}",
            f"drop function {function_name(table, column)}()",
            f"drop sequence {sequence_name(table, column)}",
        )

    def remove(self, table: Target, column: str, before: Sequence[str], after: Sequence[str]) -> tuple[str, ...]:
        name = name_of(table)
        return (
            f"lock table {name} in access exclusive mode",
            *before,
            *self.unretire(table, column),
            f"alter table {name} drop column {quote(column)}",
            *after,
        )


def _own_sequences(table: Target, expansion: Expansion) -> str:
    name, new = name_of(table), quote(expansion.new)
    body = f"""\
declare
    v_sequence text := pg_get_serial_sequence({literal(name)}, {literal(expansion.old)});
begin
    if v_sequence is not null then
        execute format('alter sequence %s owned by %s', v_sequence, {literal(f"{name}.{new}")});
    end if;
end"""
    return f"do {dollar(body)}"
