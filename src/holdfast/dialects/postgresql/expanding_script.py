"""Expand and contract as a script: what has to be asked of the database, the script asks by itself, and stops."""

from __future__ import annotations

from holdfast.dialects.changing import Target
from holdfast.dialects.expanding import ExpandingInSteps, ExpandingScript, bounded
from holdfast.dialects.postgresql.changing import name_of
from holdfast.dialects.postgresql.expanding_trigger import MARK, function_name, trigger_name
from holdfast.dialects.postgresql.sql import dollar, literal, quote
from holdfast.tables import Expansion

_BLOCKS = 100
"""Pages of 8 kB that one batch of a backfill goes over."""


class PostgreSQLExpandingScript(ExpandingScript):
    def __init__(self, steps: ExpandingInSteps) -> None:
        self.steps = steps

    def expand(self, table: Target, expansion: Expansion, type_: str) -> tuple[str, ...]:
        what = f"Column {expansion.new} beside {table}.{expansion.old}"
        return (
            _refuse_unless_plain(table, expansion.old, what),
            *self.steps.expand(table, expansion, type_),
        )

    def fill(self, table: Target, column: str, value: str | None) -> str:
        """A backfill of the rows in which the column is NULL, page by page, each batch a transaction of its own.

        Without a value it is the one that the column of ``hf_expand_column`` follows from.
        """
        said = f"obj_description({literal(function_name(table, column) + '()')}::regprocedure, 'pg_proc')"
        given = (
            literal(f"({value})")
            if value is not None
            else f"(select coalesce('(' || (s.said ->> 'up') || ')', quote_ident(s.said ->> 'old'))\n"
            f"        from (select substr({said}, {len(MARK) + 1})::json as said) as s)"
        )
        body = f"""\
declare
    v_table constant regclass := {literal(name_of(table))};
    v_value constant text := {given};
    v_block bigint := 0;
begin
    while v_block < pg_relation_size(v_table) / current_setting('block_size')::bigint loop
        perform set_config('lock_timeout', '0', true);
        execute format(
            'update %s set %I = %s where %I is null and %s is not null and ctid >= %L::tid and ctid < %L::tid',
            v_table, {literal(column)}, v_value, {literal(column)}, v_value,
            format('(%s,0)', v_block), format('(%s,0)', v_block + {_BLOCKS}));
        commit;
        perform pg_sleep(0.05);
        v_block := v_block + {_BLOCKS};
    end loop;
end"""
        return f"do {dollar(body)}"

    def finalize(self, table: Target, old: str, new: str) -> str:
        return _refuse_unfinished(table, old, new, f"Column {table}.{new} made as {old}")

    def contract(
        self, table: Target, old: str, new: str, *, swap: bool, default: str | None
    ) -> tuple[str | tuple[str, ...], ...]:
        name, check = name_of(table), bounded(f"hf_{table.name}_{new}_same")
        kept = quote(old if swap else new)
        return (
            self.finalize(table, old, new),
            _add_same(table, old, new, check),
            f"alter table {name} validate constraint {quote(check)}",
            (
                f"lock table {name} in access exclusive mode",
                _contract(table, old, new, swap=swap),
                *((f"alter table {name} alter column {kept} set default {default}",) if default is not None else ()),
            ),
        )


def _refusing(table: Target, said: str, found: str) -> str:
    """A block that stops the script with HF466 where the query ``found`` gives a reason."""
    body = f"""\
declare
    v_table constant regclass := {literal(name_of(table))};
    v_why text;
begin
    if exists (select from pg_class where oid = to_regclass('holdfast.relation')) then
        execute 'select ''its protection has to follow the column'' from holdfast.relation as r'
            ' where r.protected and r.schema_name = $1 and r.table_name = $2'
        into v_why
        using (select n.nspname from pg_class as c join pg_namespace as n on n.oid = c.relnamespace where c.oid = v_table),
            {literal(table.name)};
    end if;
    if v_why is null then
        {found}
    end if;
    if v_why is not null then
        raise exception using errcode = 'HF466', message = {literal(said)} || ': ' || v_why || '.',
            hint = 'A script cannot do this here: run the migration on the database itself.';
    end if;
end"""
    return f"do {dollar(body)}"


def _refuse_unless_plain(table: Target, column: str, what: str) -> str:
    """Stops where the column cannot have a successor, or has a default, which only the database knows."""
    return _refusing(
        table,
        what,
        f"""\
select case when a.attname is null then 'there is no such column'
            when c.relkind = 'p' then 'the table has partitions'
            when a.atthasdef or a.attidentity <> '' then 'the column has a default, or the database gives its values'
            when exists (select from pg_index as x where x.indrelid = c.oid and x.indisprimary
                         and a.attnum = any (x.indkey)) then 'it is part of the primary key'
            when exists (select from pg_constraint as f where f.confrelid = c.oid and f.contype = 'f'
                         and a.attnum = any (f.confkey)) then 'foreign keys refer to it' end
        into v_why
        from pg_class as c
        left join pg_attribute as a on a.attrelid = c.oid and a.attname = {literal(column)} and not a.attisdropped
        where c.oid = v_table;""",
    )


def _standing(old: str, new: str) -> str:
    """A query on ``v_table``: name, copy of each index and constraint on the old column."""
    copied = (
        f"left(case when position({literal(old)} in o.name) > 0\n"
        f"                then overlay(o.name placing {literal(new)} from position({literal(old)} in o.name)\n"
        f"                    for length({literal(old)}))\n                else o.name || '_' || {literal(new)} end, 63)"
    )
    return f"""\
(
            select o.name, {copied} as copy
            from (
                select i.relname::text as name
                from pg_attribute as a
                join pg_index as x on x.indrelid = v_table
                join pg_class as i on i.oid = x.indexrelid
                where a.attrelid = v_table and a.attname = {literal(old)}
                    and (a.attnum = any (x.indkey) or exists (
                        select from pg_depend as d
                        where d.classid = 'pg_class'::regclass and d.objid = x.indexrelid
                            and d.refobjid = v_table and d.refobjsubid = a.attnum))
                union
                select k.conname::text
                from pg_attribute as a join pg_constraint as k on k.conrelid = v_table and a.attnum = any (k.conkey)
                where a.attrelid = v_table and a.attname = {literal(old)} and k.contype in ('c', 'f', 'u', 'x')
                    and k.conname not like 'hf\\_%'
            ) as o
        )"""


def _refuse_unfinished(table: Target, old: str, new: str, what: str) -> str:
    """Stops where the new column lacks what the old one has."""
    return _refusing(
        table,
        what,
        f"""\
select case when count(*) filter (where a.attname = {literal(new)}) = 0 then 'there is no such column'
            when bool_or(a.attname = {literal(old)} and a.attnotnull)
                and not bool_or(a.attname = {literal(new)} and a.attnotnull) then 'it lacks NOT NULL' end
        into v_why
        from pg_attribute as a
        where a.attrelid = v_table and a.attname in ({literal(old)}, {literal(new)}) and not a.attisdropped;
    end if;
    if v_why is null then
        select 'it lacks ' || string_agg(o.name, ', ' order by o.name) into v_why
        from {_standing(old, new)} as o
        where not exists (select from pg_class as c where c.relname = o.copy)
            and not exists (select from pg_constraint as c where c.conrelid = v_table and c.conname = o.copy);""",
    )


def _add_same(table: Target, old: str, new: str, check: str) -> str:
    """The check that both columns say the same, of what ``hf_expand_column`` wrote down."""
    body = f"""\
declare
    v_text constant text := obj_description({literal(function_name(table, new) + "()")}::regprocedure, 'pg_proc');
    v_said json;
begin
    if v_text is null or v_text not like {literal(MARK + "%")} then
        raise exception using errcode = 'HF466', message = {literal(f"{table}.{new} is not beside {old}.")};
    end if;
    v_said := substr(v_text, {len(MARK) + 1})::json;
    execute format(
        'alter table %s add constraint %I check (%I is not distinct from cast(%s as %s)'
            ' or %I is not distinct from cast(%s as %s)) not valid',
        {literal(name_of(table))}, {literal(check)},
        {literal(new)}, coalesce(v_said ->> 'up', quote_ident({literal(old)})), t.new_type,
        {literal(old)}, coalesce(v_said ->> 'down', quote_ident({literal(new)})), t.old_type)
    from (
        select max(format_type(a.atttypid, a.atttypmod)) filter (where a.attname = {literal(old)}) as old_type,
            max(format_type(a.atttypid, a.atttypmod)) filter (where a.attname = {literal(new)}) as new_type
        from pg_attribute as a where a.attrelid = {literal(name_of(table))}::regclass and not a.attisdropped
    ) as t;
end"""
    return f"do {dollar(body)}"


def _contract(table: Target, old: str, new: str, *, swap: bool) -> str:
    """The old column goes; with ``swap`` the new one, and what was copied for it, take the names of before."""
    name = name_of(table)
    renamed = ""
    if swap:
        renamed = f"""\
    alter table {name} rename column {quote(new)} to {quote(old)};
    foreach v_rename in array v_renames loop
        execute v_rename;
    end loop;
"""
    body = f"""\
declare
    v_table constant regclass := {literal(name)};
    v_renames text[];
    v_rename text;
begin
    v_renames := array(
        select case when k.oid is not null then format('alter table %s rename constraint %I to %I', v_table, o.copy, o.name)
            else format('alter index %s rename to %I', i.oid::regclass, o.name) end
        from {_standing(old, new)} as o
        left join pg_constraint as k on k.conrelid = v_table and k.conname = o.copy
        left join (pg_class as i join pg_index as x on x.indexrelid = i.oid) on x.indrelid = v_table
            and i.relname = o.copy
        where coalesce(k.oid, i.oid) is not null);
    drop trigger {quote(trigger_name(new))} on {name};
    drop function {function_name(table, new)}();
    alter table {name} drop column {quote(old)};
{renamed}\
end"""
    return f"do {dollar(body)}"
