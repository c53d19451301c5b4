"""What becomes of a raw DELETE: it is turned into the mark.

A DELETE of a plain table is turned in two steps: a row trigger notes where each row is and keeps it from being
deleted; when the statement is done, one UPDATE marks them all. So a statement may delete a row and its parent
in any order, and other triggers see one UPDATE of many rows. Where a trigger for the whole statement would not
see everything (partitions, inheritance), and under row security, each row is marked at once.
"""

from __future__ import annotations

from holdfast.dialects.postgresql.renamed import is_named, is_within
from holdfast.dialects.postgresql.soft_delete_family import invokers_function, owners_function
from holdfast.dialects.postgresql.soft_delete_refuse import ALLOWED, hidden, limit
from holdfast.dialects.postgresql.soft_delete_statement import by_statement
from holdfast.dialects.postgresql.sql import literal, qualified, quote, trigger
from holdfast.dialects.postgresql.values import differs
from holdfast.objects import DatabaseObject, Protection
from holdfast.policies import SoftDelete


def converting(policy: SoftDelete, protection: Protection) -> list[DatabaseObject]:
    table = protection.table
    if table.kind == "ordinary" and not table.inherits:
        return [
            *by_statement(policy, protection),
            *_by_row(policy, protection, "row_security_active(old.tableoid)"),
        ]
    objects = _by_row(policy, protection, "")
    return [*objects, *_moving(protection)] if table.kind == "partitioned" else objects


def _by_row(policy: SoftDelete, protection: Protection, when: str) -> list[DatabaseObject]:
    table = protection.table
    column = quote(policy.column)
    relation = protection.relation.id
    name = f"soft_delete_convert_{relation}"
    refused = limit(protection, rows="'at least ', v_rows", meant="'mass'")
    counting = ""
    if refused:
        counting = f"""
    v_rows := coalesce(nullif(current_setting('holdfast.converted_{relation}', true), '')::bigint, 0) + 1;
    perform set_config('holdfast.converted_{relation}', v_rows::text, true);{refused}"""
    moving = ""
    if table.kind == "partitioned":
        moving = """
    if current_setting('holdfast.moving', true) = concat(tg_relid, old.ctid) then
        -- An UPDATE moves the row to another partition, which is a DELETE here and an INSERT there.
        perform set_config('holdfast.moving', '', true);
        return old;
    end if;"""
    body = f"""\
declare
    v_rows bigint;
    v_marked bigint := 0;
begin{moving}
    if {ALLOWED} then
        return old;
    end if;
    if old.{column} is not null then
        return null;
    end if;{counting}
    if {is_named(table)} then
        update {qualified(table.name)} as t
        set {column} = statement_timestamp()
        where t.tableoid = tg_relid and t.ctid = old.ctid;
        get diagnostics v_marked = row_count;
    end if;
    if v_marked = 0 then
        -- An IF of its own: a condition that holds a query is a query for each row.
        if not {is_within(table)} then
            execute format(
                'update only %s as t set %I = statement_timestamp() where t.ctid = $1',
                tg_relid::regclass, {literal(policy.column)}) using old.ctid;
            get diagnostics v_marked = row_count;
        end if;
        if v_marked = 0 and row_security_active(tg_relid) then
            {hidden(table)}
        end if;
    end if;
    return null;
end"""
    objects = [
        owners_function(name, body, f"Turns a DELETE of a row of {table.name} into the mark.", table),
        trigger(
            "zz_holdfast_soft_delete_row", table.name, name, "before delete", "row", when=when, policy="SoftDelete"
        ),
    ]
    return [*objects, *_starting_to_count(protection)] if counting else objects


def _starting_to_count(protection: Protection) -> list[DatabaseObject]:
    table, relation = protection.table, protection.relation.id
    name = f"soft_delete_reset_{relation}"
    return [
        invokers_function(
            name,
            f"begin\n    perform pg_catalog.set_config('holdfast.converted_{relation}', '0', true);\n    return null;\nend",
            f"Starts counting the rows that a DELETE of {table.name} marks.",
        ),
        *(
            trigger("holdfast_soft_delete_reset", target, name, "before delete", "statement", policy="SoftDelete")
            for target in (table.name, *table.partitions)
        ),
    ]


def _moving(protection: Protection) -> list[DatabaseObject]:
    """Tells the converter apart from a row that an UPDATE moves to another partition."""
    table = protection.table
    relation = protection.relation.id
    moves = differs(
        (column, f"old.{quote(column.name)}", f"new.{quote(column.name)}")
        for column in table.columns
        if column.name in table.partition_columns
    )
    name = f"soft_delete_moving_{relation}"
    return [
        invokers_function(
            name,
            "begin\n    perform pg_catalog.set_config('holdfast.moving', pg_catalog.concat(tg_relid, old.ctid), true);\n"
            "    return new;\nend",
            f"Announces a row of {table.name} that may move to another partition.",
        ),
        # One that stays gets another place, so that the announcement is for nobody.
        trigger(
            "zz_holdfast_soft_delete_moving", table.name, name, "before update", "row", when=moves,
            policy="SoftDelete",
        ),
    ]  # fmt: skip
