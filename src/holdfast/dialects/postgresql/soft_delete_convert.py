"""What becomes of a raw DELETE: it is turned into the mark, or refused.

A DELETE of a plain table is turned in two steps: a row trigger notes where each row is and keeps it from being
deleted; when the statement is done, one UPDATE marks them all. So a statement may delete a row and its parent
in any order, and other triggers see one UPDATE of many rows. Where a trigger for the whole statement would not
see everything (partitions, inheritance), and under row security, each row is marked at once.
"""

from __future__ import annotations

from holdfast.dialects.postgresql.guard import MEANT
from holdfast.dialects.postgresql.soft_delete_family import owners_function
from holdfast.dialects.postgresql.sql import function, indent, literal, qualified, quote, trigger
from holdfast.dialects.postgresql.values import differs
from holdfast.objects import DatabaseObject, Protection
from holdfast.policies import Guard, SoftDelete
from holdfast.tables import TableInfo

# The first half is cheap and says no for almost every row.
ALLOWED = """\
current_setting('holdfast.allow', true) like '%hard_delete%'
        and 'hard_delete' = any (string_to_array(replace(current_setting('holdfast.allow', true), ' ', ''), ','))"""


def converting(policy: SoftDelete, protection: Protection) -> list[DatabaseObject]:
    table = protection.table
    if table.kind == "ordinary" and not table.inherits:
        return [
            *_by_statement(policy, protection),
            *_by_row(policy, protection, "row_security_active(old.tableoid)"),
        ]
    objects = _by_row(policy, protection, "")
    return [*objects, *_moving(protection)] if table.kind == "partitioned" else objects


def refusing(policy: SoftDelete, protection: Protection) -> list[DatabaseObject]:
    table = protection.table
    name = f"soft_delete_refuse_{protection.relation.id}"
    message = f"Rows of {table.name} are not deleted but marked."
    hint = (
        f"UPDATE {table.name} SET {policy.column} = now() WHERE …; for a real delete say first: "
        "SET LOCAL holdfast.allow = 'hard_delete'"
    )
    body = f"""\
begin
    if {ALLOWED} then
        return old;
    end if;
    raise exception using errcode = 'HF201',
        message = {literal(message)},
        hint = {literal(hint)};
end"""
    return [
        owners_function(name, body, f"Refuses a DELETE of {table.name}.", table),
        trigger("zz_holdfast_soft_delete", table.name, name, "before delete", "row", policy="SoftDelete"),
    ]


def _invoker(name: str, body: str, purpose: str) -> DatabaseObject:
    return function(name, body, policy="SoftDelete", purpose=purpose, owner=None, definer=False)


def _limit(protection: Protection) -> str:
    """Refuses ``v_rows`` rows as the guard would: it looks at deleted rows, and these are not."""
    guard = protection.get(Guard)
    if guard is None or guard.max_rows is None:
        return ""
    complaint = literal(f"DELETE of {protection.table.name} would touch ")
    return f"""
    if v_rows > {guard.max_rows} and not exists (
        select from unnest(string_to_array(replace(current_setting('holdfast.allow', true), ' ', ''), ',')) as a (word)
        where a.word = 'mass' or case when a.word ~ '^[0-9]+$' then a.word::numeric >= v_rows end
    ) then
        raise exception using errcode = 'HF204',
            message = concat({complaint}, {{rows}}, ' rows; up to {guard.max_rows} are expected.'),
            hint = concat({literal(MEANT + "'")}, {{meant}}, '''');
    end if;"""


# ---------------------------------------------------------------------- a whole statement at once


def _by_statement(policy: SoftDelete, protection: Protection) -> list[DatabaseObject]:
    table = protection.table
    relation = protection.relation.id
    collect, check, flush = (f"soft_delete_{part}_{relation}" for part in ("collect", "check", "flush"))
    return [
        _invoker(collect, _collect(policy, protection), f"Keeps a row of {table.name} and notes where it is."),
        trigger(
            "zz_holdfast_soft_delete", table.name, collect, "before delete", "row",
            when="not row_security_active(old.tableoid)", policy="SoftDelete",
        ),
        _invoker(
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
    limit = _limit(protection).replace("{rows}", "v_rows").replace("{meant}", "v_rows")
    return f"""\
declare
    v_noted text := current_setting('{first}', true);
    v_places tid[];
    v_rows bigint := 1;
    v_marked bigint;
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
    if v_places[2] is null then
        -- One row needs no plan that depends on how many there are.
        update {table} as t
        set {column} = v_mark
        where t.ctid = v_places[1] and t.{column} is null;
    else
        v_rows := cardinality(v_places);{indent(limit, "    ")}
        update {table} as t
        set {column} = v_mark
        where t.ctid = any (v_places) and t.{column} is null;
    end if;
    get diagnostics v_marked = row_count;
    if v_marked < v_rows then
        -- Another trigger of this very statement has updated some of them: find where they are now.
        update {table} as t
        set {column} = v_mark
        where t.{column} is null and t.ctid = any (array(
            select currtid2({literal(table)}, place) from unnest(v_places) as place
        ));
        if v_marked = 0 and not found and row_security_active({literal(table)}) then
            {_hidden(protection.table)}
        end if;
    end if;
    return null;
end"""


def _hidden(table: TableInfo) -> str:
    """The function has the rights of the table's owner, to whom row security shows nothing either."""
    return (
        "raise exception using errcode = 'HF203',\n"
        f"                message = {literal(f'Rows of {table.name} are to be marked, and row security hides them from its owner.')},\n"
        "                hint = 'Name the tenant first: select holdfast.set_context(tenant => …). What is for all tenants "
        "asks for roles of their own: holdfast roles.';"
    )


# ---------------------------------------------------------------------- row by row


def _by_row(policy: SoftDelete, protection: Protection, when: str) -> list[DatabaseObject]:
    table = protection.table
    column = quote(policy.column)
    relation = protection.relation.id
    name = f"soft_delete_convert_{relation}"
    limit = _limit(protection).replace("{rows}", "'at least ', v_rows").replace("{meant}", "'mass'")
    counting = ""
    if limit:
        counting = f"""
    v_rows := coalesce(nullif(current_setting('holdfast.converted_{relation}', true), '')::bigint, 0) + 1;
    perform set_config('holdfast.converted_{relation}', v_rows::text, true);{limit}"""
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
begin{moving}
    if {ALLOWED} then
        return old;
    end if;
    if old.{column} is not null then
        return null;
    end if;{counting}
    update {qualified(table.name)} as t
    set {column} = statement_timestamp()
    where t.tableoid = tg_relid and t.ctid = old.ctid;
    if not found and row_security_active(tg_relid) then
        {_hidden(table)}
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
        _invoker(
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
        _invoker(
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
