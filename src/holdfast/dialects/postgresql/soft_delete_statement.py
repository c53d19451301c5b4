"""A raw DELETE turned as a whole: rows are noted one by one, and marked by one UPDATE when the statement is done."""

from __future__ import annotations

from holdfast.dialects.postgresql.renamed import is_named
from holdfast.dialects.postgresql.soft_delete_family import invokers_function, owners_function
from holdfast.dialects.postgresql.soft_delete_refuse import ALLOWED, hidden, limit
from holdfast.dialects.postgresql.sql import indent, literal, qualified, quote, trigger
from holdfast.objects import DatabaseObject, Protection
from holdfast.policies import SoftDelete


def by_statement(policy: SoftDelete, protection: Protection) -> list[DatabaseObject]:
    table = protection.table
    relation = protection.relation.id
    collect, check, flush = (f"soft_delete_{part}_{relation}" for part in ("collect", "check", "flush"))
    return [
        invokers_function(collect, _collect(policy, protection), f"Keeps a row of {table.name} and notes where it is."),
        trigger(
            "zz_holdfast_soft_delete", table.name, collect, "before delete", "row",
            when="not row_security_active(old.tableoid)", policy="SoftDelete",
        ),
        invokers_function(
            check,
            f"""\
declare
    v_noted text;
begin
    if pg_catalog.row_security_active(tg_relid) then
        -- Only the row triggers know which rows this user may delete; what stands in the settings is not theirs.
    {_forget(relation)}
    end if;
    return null;
end""",
            f"Keeps row security whole for a DELETE of {table.name}.",
        ),
        trigger("holdfast_soft_delete_1_check", table.name, check, "after delete", "statement", policy="SoftDelete"),
        owners_function(flush, _flush(policy, protection), f"Marks the rows that a DELETE of {table.name} is about.", table),
        trigger("holdfast_soft_delete_2_flush", table.name, flush, "after delete", "statement", policy="SoftDelete"),
    ]  # fmt: skip


def _settings(relation: int) -> tuple[str, str, str]:
    return tuple(f"holdfast.deleted_{relation}_{tier}" for tier in ("c", "b", "a"))  # type: ignore[return-value]


def _forget(relation: int) -> str:
    """An assignment is evaluated at once, where PERFORM would run a query."""
    return "\n    ".join(f"v_noted := pg_catalog.set_config('{name}', '', true);" for name in _settings(relation))


def _collect(policy: SoftDelete, protection: Protection) -> str:
    """Notes in settings, three tiers of them: appending to one long text would copy all of it for each row."""
    table = protection.table.name
    third, second, first = _settings(protection.relation.id)
    column = quote(policy.column)
    return f"""\
declare
    v_rows text := coalesce(current_setting('{first}', true), '');
    v_more text;
begin
    if {ALLOWED} then
        return old;
    end if;
    if old.{column} is not null then
        return null;
    end if;
    if v_rows = '' then
        -- The first row. An IF of its own: a condition that holds a query is a query for each row.
        if exists (select from pg_catalog.pg_inherits as i where i.inhrelid = tg_relid) then
            -- Nothing would mark what is noted here, for that is done where the statement was aimed at.
            raise exception using errcode = 'HF201',
                message = {literal(f"{table} has become part of another table since it was protected.")},
                hint = 'Protect the other table: holdfast protect.';
        end if;
    end if;
    if octet_length(v_rows) > 300 then
        v_more := coalesce(current_setting('{second}', true), '') || v_rows;
        v_rows := '';
        if octet_length(v_more) > 50000 then
            v_more := set_config('{third}', coalesce(current_setting('{third}', true), '') || v_more, true);
            v_more := '';
        end if;
        v_more := set_config('{second}', v_more, true);
    end if;
    v_rows := set_config('{first}', v_rows || ',' || old.ctid::text, true);
    return null;
end"""


def _next_mark() -> str:
    """The statements of one DO block or function share a time, and yet are deletes of their own: each is marked a
    microsecond after the one before it, which the transaction remembers."""
    return """\
v_mark := to_timestamp(nullif(current_setting('holdfast.last_mark', true), '')::bigint / 1000000.0);
    v_mark := greatest(statement_timestamp(), case
        when v_mark < statement_timestamp() + interval '1 second' then v_mark + interval '1 microsecond'
    end);
    v_noted := v_noted || left(
        set_config('holdfast.last_mark', (extract(epoch from v_mark) * 1000000)::bigint::text, true), 0);"""


def _flush(policy: SoftDelete, protection: Protection) -> str:
    table = qualified(protection.table.name)
    column = quote(policy.column)
    third, second, first = _settings(protection.relation.id)
    refused = limit(protection, rows="v_rows", meant="v_rows")
    return f"""\
declare
    v_noted text := current_setting('{first}', true);
    v_places tid[];
    v_rows bigint := 1;
    v_marked bigint := 0;
    v_more bigint;
    v_mark timestamptz;
begin
    if v_noted <> '' then
        v_noted := concat(current_setting('{third}', true), current_setting('{second}', true), v_noted);
    else
        return null;
    end if;
    {_next_mark()}
    v_places := ('{{' || replace(replace(substr(v_noted, 2), '(', '"('), ')', ')"') || '}}')::tid[];
    {_forget(protection.relation.id)}
    if v_places[2] is not null then
        v_rows := cardinality(v_places);{indent(refused, "    ")}
    end if;
    if {is_named(protection.table)} then
        if v_rows = 1 then
            -- One row needs no plan that depends on how many there are.
            update {table} as t
            set {column} = v_mark
            where t.ctid = v_places[1] and t.{column} is null;
        else
            update {table} as t
            set {column} = v_mark
            where t.ctid = any (v_places) and t.{column} is null;
        end if;
        get diagnostics v_marked = row_count;
    end if;
    if v_marked < v_rows then
        -- Another trigger of this very statement has updated some of them: find where they are now. Or the table was renamed.
        execute format(
            'update only %1$s as t set %2$I = $1 where t.%2$I is null and t.ctid = any (array('
            'select currtid2(%1$L, place) from unnest($2) as place))', tg_relid::regclass, {literal(policy.column)})
        using v_mark, v_places;
        get diagnostics v_more = row_count;
        if v_marked + v_more = 0 and row_security_active(tg_relid) then
            {hidden(protection.table)}
        end if;
    end if;
    return null;
end"""
