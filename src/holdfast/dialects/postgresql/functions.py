"""The journal's functions: the context, the record of a transaction, refusals, and the marks of what is ours."""

from __future__ import annotations

from holdfast.dialects.postgresql import signing, tenant, tenant_original
from holdfast.dialects.postgresql.installed import ONE
from holdfast.dialects.postgresql.sql import indent, journal_function
from holdfast.dialects.postgresql.tenant_journal import IN_PART
from holdfast.objects import SCHEMA_VERSION

_REFUSE_ANOTHER = """\
if tenant = '' or tenant <> nullif(current_setting('holdfast.tenant', true), '') then
    -- What the transaction has read of the one must not be written to the other.
    raise exception using errcode = 'HF203',
        message = case when tenant = '' then 'An empty text names no tenant.'
                       else format('This transaction is of tenant %s, and cannot go over to %s.',
                                   current_setting('holdfast.tenant', true), tenant) end,
        hint = 'Begin another transaction for another tenant.';
end if;"""

# An array would swallow the actor, and nobody would have done it.
_TAKE_TOGETHER = """\
if jsonb_typeof(context) <> 'object' then
    raise exception using errcode = 'invalid_parameter_value',
        message = 'The context of a transaction is a JSON object, with names and values.',
        hint = 'Give it as in context => ''{"request": "r-17"}''.';
end if;
context := coalesce(context, '{}')
    || jsonb_strip_nulls(jsonb_build_object('actor', actor, 'reason', reason));"""

# Any client calls this once in its transaction; what it sets ends with the transaction. Each transaction pays for it, and
# makes each expression that it comes to ready anew, with every function in it: so most come to one with few.
SET_CONTEXT = f"""\
begin
    if actor is not null or reason is not null then
        -- Who says it in SQL. From Python it comes as the one document that is kept.
{indent(_TAKE_TOGETHER, " " * 8)}
    end if;
    if (case
        when set_config('holdfast.context', coalesce(context::text, ''), true) is null then false
        when tenant is null then true
        when current_setting('holdfast.tenant', true) <> '' then false
        else set_config('holdfast.tenant', tenant, true) <> ''
    end) then
        return;
    end if;
{indent(_REFUSE_ANOTHER, "    ")}
end"""

# SET LOCAL is what a distributed PostgreSQL passes on to its workers, where a bare set_config() is not.
SET_CONTEXT_DISTRIBUTED = f"""\
begin
{indent(_REFUSE_ANOTHER, "    ")}
    if tenant is not null then
        execute format('set local holdfast.tenant = %L', tenant);
    end if;
{indent(_TAKE_TOGETHER, "    ")}
    execute format('set local holdfast.context = %L', context);
end"""

RECORD_TRANSACTION = """\
declare
    v_context jsonb := nullif(current_setting('holdfast.context', true), '');
    v_tenant text := coalesce(nullif(current_setting('holdfast.tenant', true), ''), v_context ->> 'tenant');
begin
    insert into holdfast.transaction
        (xid, at, actor, tenant, reason, context, session_user_name, application_name, client_address)
    values (
        pg_current_xact_id(), now(), v_context ->> 'actor', v_tenant, v_context ->> 'reason',
        nullif(v_context - array['actor', 'tenant', 'reason'], '{}'),
        session_user, nullif(current_setting('application_name'), ''), inet_client_addr()
    )
    on conflict (xid, at) do nothing;
    return set_config('holdfast.xid', pg_current_xact_id()::text, true)::xid8;
end"""

NOTE_COMMIT = """\
begin
    if new.at <> statement_timestamp() then
        -- Nobody else has written the row since it was made, so it is where it was.
        update holdfast.transaction as t set committed = clock_timestamp() where t.ctid = new.ctid;
    end if;
    return null;
end"""

# Refuses unless the transaction said first that it means it.
REFUSE_UNLESS_ALLOWED = """\
declare
    v_allowed text[] := string_to_array(nullif(current_setting('holdfast.allow', true), ''), ',');
    v_each text;
begin
    foreach v_each in array coalesce(v_allowed, '{}') loop
        if trim(v_each) = what or trim(v_each) ~ '^[0-9]+$' and trim(v_each)::numeric >= number then
            return;
        end if;
    end loop;
    raise exception using errcode = code, message = complaint, hint = advice;
end"""

# Writes the marker: the checksum of the SQL that was rendered, and of what the catalog makes of it.
MARK = f"""\
declare
    v_definition text;
    v_target text;
    v_grantee text;
begin
    if kind = 'function' then
        -- What the default privileges of whoever installs would give away.
        for v_grantee in
            select quote_ident(r.rolname)
            from pg_proc as p
            cross join lateral aclexplode(p.proacl) as a
            join pg_roles as r on r.oid = a.grantee
            where p.proname = mark.name and p.pronamespace = 'holdfast'::regnamespace and a.grantee <> p.proowner
                and not (mark.name in ('all_tenants', 'across_tenants') and exists (
                    select from holdfast.role as h where h.duty = 'all_tenants' and h.name = r.rolname))
        loop
            execute format('revoke all on function holdfast.%I from %s', mark.name, v_grantee);
        end loop;
    end if;
{ONE}
    execute format(
        'comment on %s is %L', v_target,
        concat('holdfast:', version, case when kind = 'schema' then ' schema={SCHEMA_VERSION}' end,
               ' src=', source, ' cat=', left(md5(v_definition), 12))
    );
end"""

# A document with column ids, as one with the present column names.
NAMED = """\
select coalesce(
    json_object_agg(
        -- The name of a dropped column may have been given to another one.
        case when c.dropped and exists (
                select from holdfast.relation_column as n
                where n.relation = c.relation and n.name = c.name and not n.dropped)
            then c.name || ' (dropped)' else coalesce(c.name, '?' || d.key) end,
        d.value order by d.key::integer),
    case when document is not null then '{}'::json end)
from json_each(document::json) as d
left join holdfast.relation_column as c on c.relation = relation_id and c.id = d.key::integer"""

# For analysts: select * from holdfast.as_of(null::public.orders, '2026-11-20 12:00'). Runs with the rights of who asks.
AS_OF = f"""\
declare
    v_relation record;
begin
    select r.id, r.since, c.oid::regclass as name, p.prosrc as query,
        -- Where the columns lie in the table is for the table to say.
        (select string_agg(format('p.%I', a.attname), ', ' order by a.attnum)
         from pg_attribute as a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns
    into v_relation
    from pg_type as t
    join pg_class as c on c.oid = t.typrelid
    join pg_namespace as n on n.oid = c.relnamespace
    join holdfast.relation as r on r.schema_name = n.nspname and r.table_name = c.relname and r.since is not null
    join pg_proc as p on p.pronamespace = 'holdfast'::regnamespace and p.proname = 'past_' || r.id
    where t.oid = pg_typeof(of);
    if not found then
        raise exception using errcode = 'HF303',
            message = format('%s is no table that is recorded.', pg_typeof(of)),
            hint = 'Name one: holdfast.as_of(null::schema.table, time). Protect it with: holdfast protect.';
    end if;
    if at is null or at < v_relation.since or at > clock_timestamp() then
        raise exception using errcode = 'HF435',
            message = format('%s is recorded since %s; %s is not between that and now.',
                             v_relation.name, v_relation.since, coalesce(at::text, 'NULL')),
            hint = 'Ask for a time in between.';
    end if;
    if {IN_PART} then
        raise exception using errcode = 'HF435',
            message = 'This role sees the journal of one tenant alone, and a past from a part of it may be wrong.',
            hint = 'Ask as a role that reads all of it.';
    end if;
    perform set_config('holdfast.as_of', at::text, true);
    return query execute format(E'select %s from (%s\n) as p', v_relation.columns, v_relation.query);
end"""


def _setting_context(body: str) -> str:
    head = "actor text default null, tenant text default null, reason text default null, context jsonb default null"
    return journal_function(f"set_context({head})", "void", body, pinned=False)


FUNCTIONS = {
    "set_signed_context(text)": journal_function("set_signed_context(signed text)", "void", signing.SET_SIGNED_CONTEXT),
    "set_context(text, text, text, jsonb)": _setting_context(SET_CONTEXT),
    "record_transaction()": journal_function("record_transaction()", "xid8", RECORD_TRANSACTION, definer=True),
    "note_commit()": journal_function("note_commit()", "trigger", NOTE_COMMIT, definer=True),
    "refuse_unless_allowed(text, numeric, text, text, text)": journal_function(
        "refuse_unless_allowed(what text, number numeric, code text, complaint text, advice text)",
        "void",
        REFUSE_UNLESS_ALLOWED,
    ),
    "mark(text, text, text, text, text, text)": journal_function(
        "mark(kind text, name text, schema_name text, table_name text, version text, source text)",
        "void",
        MARK,
        # Planned once for a connection: the plan takes longer to make than to run.
        options="\nset plan_cache_mode = force_generic_plan",
    ),
    "as_of(anyelement, timestamptz)": journal_function(
        "as_of(of anyelement, at timestamptz)",
        "setof anyelement",
        AS_OF,
        options=" stable\nset datestyle = 'ISO, YMD'",
        # A column may be of a type of the user's.
        pinned=False,
    ),
    "keep(integer, text, text, text, text)": journal_function(
        "keep(relation integer, part text, kind text, name text, target text)", "void", tenant_original.KEEP
    ),
    "put_back(integer, text, text, text, text)": journal_function(
        "put_back(relation integer, part text, kind text, name text, target text)", "void", tenant_original.PUT_BACK
    ),
    "across_tenants()": journal_function(
        "across_tenants()", "boolean", tenant.ACROSS_TENANTS, language="sql", definer=True, options=" stable"
    ),
    "all_tenants(text)": journal_function("all_tenants(reason text)", "void", tenant.ALL_TENANTS, definer=True),
    "named(integer, text)": journal_function(
        "named(relation_id integer, document text)", "json", NAMED, language="sql", options=" stable"
    ),
}

# What takes the place of the functions above where the tables may be spread over several servers.
DISTRIBUTED_FUNCTIONS = {"set_context(text, text, text, jsonb)": _setting_context(SET_CONTEXT_DISTRIBUTED)}

_VERIFYING = " stable parallel safe"
# What takes the place of the functions above, and comes beside them, where a context counts only with a signature.
SIGNED_FUNCTIONS = {
    "signed_context()": journal_function(
        "signed_context()", "jsonb", signing.SIGNED_CONTEXT, definer=True, options=_VERIFYING
    ),
    "signed_tenant()": journal_function(
        "signed_tenant()", "text", signing.SIGNED_TENANT, definer=True, options=_VERIFYING
    ),
    "record_transaction()": journal_function(
        "record_transaction()",
        "xid8",
        signing.RECORD_TRANSACTION + RECORD_TRANSACTION.partition("begin\n")[2],
        definer=True,
    ),
    "all_tenants(text)": journal_function(
        "all_tenants(reason text)",
        "void",
        tenant.ALL_TENANTS.replace(signing.CLAIMED_ACTOR, signing.SIGNED_ACTOR),
        definer=True,
    ),
}
