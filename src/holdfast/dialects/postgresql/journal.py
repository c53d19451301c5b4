"""The journal itself: the schema holdfast, its tables, its view, its functions, and who may do what."""

from __future__ import annotations

from collections.abc import Iterator

from holdfast.dialects.postgresql import (
    erasure,
    evidence,
    feed,
    feed_origin,
    holds,
    interventions,
    partitions,
    permissions,
    signing,
    tenant,
    tenant_journal,
    tenant_original,
)
from holdfast.dialects.postgresql.functions import DISTRIBUTED_FUNCTIONS, FUNCTIONS, SIGNED_FUNCTIONS
from holdfast.dialects.postgresql.isolation import Isolation
from holdfast.dialects.postgresql.sql import literal, mark, quote
from holdfast.objects import DatabaseObject, Kind
from holdfast.tables import TableName

ROLE = "holdfast"
ROLE_COMMENT = "holdfast: owns the journal"

SEQUENCE = "create sequence if not exists holdfast.change_id"
TABLES = {
    # Who, when and why. The actor is the application's claim; what the server knows itself stands beside it.
    "transaction": """\
create table if not exists holdfast.transaction (
    id bigint generated always as identity primary key,
    xid xid8 not null,
    at timestamptz not null,
    -- When it began to commit; of a statement that is a transaction by itself, when its first change was recorded.
    committed timestamptz not null default clock_timestamp(),
    actor text,
    tenant text,
    reason text,
    context jsonb,
    session_user_name text not null,
    application_name text,
    client_address inet,
    unique (xid, at)
)""",
    # What. Joined to the transaction on (xid, at): a restored cluster counts xid from anew. before and after are
    # JSON texts with column ids for names; key is JSON too, and key_last ends a run of inserted integer keys.
    "change": """\
create table if not exists holdfast.change (
    id bigint not null default nextval('holdfast.change_id'),
    xid xid8 not null,
    at timestamptz not null,
    relation integer not null,
    operation "char" not null,
    key_last bigint,
    key text collate "C",
    before text,
    after text,
    -- Whose row it is, where the table has tenants.
    tenant text
) partition by range (at)""",
    "change_default": """\
create table if not exists holdfast.change_default partition of holdfast.change default""",
    # What the journal calls a table, and what was declared for it. oid finds it again after a rename.
    "relation": """\
create table if not exists holdfast.relation (
    id integer primary key,
    oid oid not null,
    -- Where that oid means this table: the oid of this very table, and the cluster.
    journal_oid oid not null,
    system bigint not null,
    schema_name text not null,
    table_name text not null,
    key_columns text[] not null,
    policies jsonb not null,
    added_columns text[] not null default '{}',
    protected boolean not null default true,
    -- From when on every change is here: since it was protected, or since older history was dropped.
    since timestamptz,
    -- What was dropped last: number of the intervention, highest change and transaction that ever were.
    dropped text
)""",
    "relation_column": """\
create table if not exists holdfast.relation_column (
    relation integer not null references holdfast.relation on delete cascade,
    id integer not null,
    name text not null,
    position integer not null,
    type text not null,
    dropped boolean not null default false,
    primary key (relation, id)
)""",
    **interventions.TABLES,
    **evidence.TABLES,
    **holds.TABLES,
    **erasure.TABLES,
    **feed.TABLES,
    **tenant_original.TABLES,
    **tenant.TABLES,
    **permissions.TABLES,
}
INDEXES = {
    # No two entries are equal, so to look for duplicates in a full page is in vain.
    "change_row": """\
create index if not exists change_row on holdfast.change (relation, key, id) with (deduplicate_items = off)""",
    "change_run": """\
create index if not exists change_run on holdfast.change (relation, key_last) where key_last is not null""",
    # Times and numbers both grow as rows are written, so a span of either lies together. One index for the two: each
    # costs every change that is written.
    "change_at": """\
create index if not exists change_at on holdfast.change using brin (at, id)
    with (pages_per_range = 16, autosummarize = on)""",
    # An actor's day; a tree by actor and time would cost each transaction that writes.
    "transaction_at": """\
create index if not exists transaction_at on holdfast.transaction using brin (at)
    with (pages_per_range = 16, autosummarize = on)""",
    **tenant.INDEXES,
    **permissions.INDEXES,
}

# What a statement outside of any transaction block writes is committed as soon as it is written; all else waits for
# its commit to know the time. The function tells the two apart: a condition of the trigger would be planned anew for
# each transaction, which takes as long as the call. Triggers of this kind cannot be replaced.
COMMITTED = """\
do $holdfast$
begin
    if not exists (select from pg_trigger as t
                   where t.tgrelid = 'holdfast.transaction'::regclass and t.tgname = 'holdfast_committed') then
        create constraint trigger holdfast_committed after insert on holdfast.transaction
            deferrable initially deferred
            for each row execute function holdfast.note_commit();
    end if;
    alter table holdfast.transaction enable trigger holdfast_committed;
end
$holdfast$"""

# For people and BI tools: one row for each row that was changed, under the present names.
TIMELINE = """\
create or replace view holdfast.timeline as
select
    c.id,
    coalesce(t.id::text, 'x' || c.xid::text) as transaction,
    c.at,
    t.actor,
    t.tenant,
    t.reason,
    r.schema_name,
    r.table_name,
    k.key,
    case c.operation
        when 'I' then 'insert' when 'U' then 'update' when 'D' then 'delete' when 'S' then 'delete'
        when 'R' then 'restore' when 'T' then 'truncate'
    end as operation,
    holdfast.named(c.relation, c.before) as before,
    holdfast.named(c.relation, c.after) as after,
    t.context,
    t.session_user_name,
    t.application_name,
    t.client_address,
    c.xid,
    c.relation,
    coalesce(t.committed, c.at) as committed,
    c.tenant as row_tenant
from holdfast.change as c
join holdfast.relation as r on r.id = c.relation
left join holdfast.transaction as t on t.xid = c.xid and t.at = c.at
cross join lateral (
    select c.key::json as key where c.key_last is null
    union all
    select to_json(run.key)
    from generate_series(c.key_last, case when c.key_last is not null then c.key::bigint end, -1) as run (key)
) as k"""


def months_ahead() -> str:
    """Makes the partitions of this month and the next twelve, where the default one holds no such rows yet.

    Months are those of UTC, whatever the zone of whoever installs: another machine's must go on where these end.
    """
    return """\
do $holdfast$
declare
    v_month timestamp;
    v_lower timestamptz;
    v_upper timestamptz;
begin
    for v_month in
        select m from generate_series(date_trunc('month', now() at time zone 'UTC'),
                                      (now() at time zone 'UTC') + interval '12 months', '1 month') as m
    loop
        v_lower := v_month at time zone 'UTC';
        v_upper := (v_month + interval '1 month') at time zone 'UTC';
        if to_regclass(format('holdfast.change_%s', to_char(v_month, 'YYYYMM'))) is null
            and not exists (select from holdfast.change_default as c where c.at >= v_lower and c.at < v_upper) then
            execute format('create table holdfast.change_%s partition of holdfast.change for values from (%L) to (%L)',
                to_char(v_month, 'YYYYMM'), v_lower, v_upper);
        end if;
    end loop;
end
$holdfast$"""


def objects(owner: str | None, isolation: Isolation) -> tuple[DatabaseObject, ...]:
    """The journal's own objects, in the order in which they are made."""
    made: list[tuple[Kind, str, tuple[str, ...]]] = [("table", name, (create,)) for name, create in TABLES.items()]
    if isolation.keys:
        made.append(("table", "signing_key", signing.KEYS))
    made += [("index", name, (create,)) for name, create in INDEXES.items()]
    own = FUNCTIONS | feed.FUNCTIONS
    if isolation.distributed:
        own |= DISTRIBUTED_FUNCTIONS
    functions = own | permissions.FUNCTIONS
    if isolation.signed:
        # Those of permissions call the ones that read a signature.
        functions = own | SIGNED_FUNCTIONS | permissions.FUNCTIONS | permissions.SIGNED_FUNCTIONS
    for signature, create in functions.items():
        rights = [f"revoke all on function holdfast.{signature} from public"]
        if owner is not None:
            rights.insert(0, f"alter function holdfast.{signature} owner to {quote(owner)}")
        if isolation.roles.all_tenants is not None and signature in _ACROSS_TENANTS:
            rights.append(f"grant execute on function holdfast.{signature} to {quote(isolation.roles.all_tenants)}")
        made.append(("function", signature.partition("(")[0], (create, *rights)))
    made.append(("view", "timeline", (TIMELINE,)))
    made.append(("view", "tenant_timeline", (tenant_journal.timeline(isolation),)))
    opened = (*OPEN, *(signing.OPEN if isolation.signed else ()))
    made.append(("schema", "holdfast", (*_ownership(owner), partitions.IDENTITY, CLOSE, *opened)))
    objects = [DatabaseObject(kind, name, None, "", create, ()) for kind, name, create in made]
    objects[-1:-1] = tenant_journal.policies(isolation)
    objects.insert(
        -1, DatabaseObject("trigger", "holdfast_committed", TableName("holdfast", "transaction"), "", (COMMITTED,), ())
    )
    return tuple(objects)


def _ownership(owner: str | None) -> Iterator[str]:
    if owner is not None:
        yield f"""\
do $holdfast$
declare
    v_each record;
begin
    for v_each in
        select case c.relkind when 'v' then 'view' when 'S' then 'sequence' else 'table' end as kind,
            c.oid::regclass as name
        from pg_class as c
        where c.relnamespace = 'holdfast'::regnamespace and c.relkind in ('r', 'p', 'v', 'S')
            and c.relowner <> {literal(owner)}::regrole
            and not exists (select from pg_depend as d where d.objid = c.oid and d.deptype = 'i' and c.relkind = 'S')
    loop
        execute format('alter %s %s owner to {quote(owner)}', v_each.kind, v_each.name);
    end loop;
end
$holdfast$"""


# Default privileges of whoever installs may have given rights away. What was given later stays: a right to read, and
# to keep the place of a consumer.
CLOSE = """\
do $holdfast$
declare
    v_each record;
begin
    for v_each in
        select 'schema holdfast' as target, a.privilege_type, a.grantee
        from pg_namespace as n
        cross join lateral aclexplode(n.nspacl) as a
        where n.nspname = 'holdfast' and a.grantee <> n.nspowner
        union all
        select format('%s holdfast.%I', case c.relkind when 'S' then 'sequence' else 'table' end, c.relname),
            a.privilege_type, a.grantee
        from pg_class as c
        cross join lateral aclexplode(c.relacl) as a
        where c.relnamespace = 'holdfast'::regnamespace and a.grantee <> c.relowner
            and (a.privilege_type <> 'SELECT' and c.relname <> 'consumer' or obj_description('holdfast'::regnamespace, 'pg_namespace') is null)
    loop
        execute format('revoke %s on %s from %s', v_each.privilege_type, v_each.target,
            case v_each.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(v_each.grantee)) end);
    end loop;
end
$holdfast$"""
OPEN = (
    "grant usage on schema holdfast to public",
    "grant execute on function holdfast.set_context(text, text, text, jsonb) to public",
    "grant execute on function holdfast.set_signed_context(text) to public",
    # It reads with the rights of who asks.
    "grant execute on function holdfast.as_of(anyelement, timestamptz) to public",
    # So does this; the view of the journal calls it as its reader.
    "grant execute on function holdfast.named(integer, text) to public",
    *permissions.OPEN,
)

_ACROSS_TENANTS = ("all_tenants(text)", "across_tenants()")


def install(version: str, roles_apart: bool, isolation: Isolation) -> tuple[str, ...]:
    """The statements that make the journal, each harmless where its object is there already."""
    owner = ROLE if roles_apart else None
    made = objects(owner, isolation)
    return (
        *([_role(ROLE)] if roles_apart else []),
        "create schema if not exists holdfast" + (f" authorization {quote(ROLE)}" if roles_apart else ""),
        SEQUENCE,
        *(statement for each in made if each.kind == "table" for statement in each.create),
        months_ahead(),
        *(statement for each in made if each.kind != "table" for statement in each.create),
        feed_origin.ORIGIN,
        *(mark(each, version) for each in made),
    )


def _role(role: str) -> str:
    # The role that installs must be a member to hand its objects over; a superuser need not.
    return f"""\
do $holdfast$
begin
    if not exists (select from pg_roles where rolname = {literal(role)}) then
        create role {quote(role)} nologin;
        comment on role {quote(role)} is {literal(ROLE_COMMENT)};
    end if;
    if not pg_has_role(current_user, {literal(role)}, 'usage') then
        execute format('grant {quote(role)} to %I', current_user);
    end if;
end
$holdfast$"""


# What ``holdfast roles`` took from everybody.
OPEN_LARGE_OBJECTS = """\
do $holdfast$
begin
    if to_regprocedure('holdfast.put_back(integer, text, text, text, text)') is not null then
        perform holdfast.put_back(o.relation, o.part, o.kind, o.name, '')
        from holdfast.original as o
        join pg_proc as p on p.oid = to_regprocedure(o.name)
        where o.kind = 'large objects' and pg_has_role(p.proowner, 'usage');
    end if;
end
$holdfast$"""


def remove() -> tuple[str, ...]:
    """Takes schema, rights and role away; the role stays where it is not ours or owns something elsewhere."""
    return (
        OPEN_LARGE_OBJECTS,
        "drop schema if exists holdfast cascade",
        f"""\
do $holdfast$
declare
    v_role oid := (select r.oid from pg_roles as r where r.rolname = {literal(ROLE)}
                   and shobj_description(r.oid, 'pg_authid') = {literal(ROLE_COMMENT)});
    v_each text;
begin
    for v_each in
        select format('table %s', c.oid::regclass)
        from pg_class as c
        cross join lateral aclexplode(c.relacl) as a
        where a.grantee = v_role and pg_has_role(c.relowner, 'usage')
        union
        select format('schema %I', n.nspname)
        from pg_namespace as n
        cross join lateral aclexplode(n.nspacl) as a
        where a.grantee = v_role and pg_has_role(n.nspowner, 'usage')
    loop
        execute format('revoke all on %s from {quote(ROLE)}', v_each);
    end loop;
    if v_role is not null
        and not exists (select from pg_shdepend as d
                        where d.refclassid = 'pg_authid'::regclass and d.refobjid = v_role)
        and (select r.rolsuper or r.rolcreaterole and (
                 current_setting('server_version_num')::integer < 160000
                 or pg_has_role(v_role, 'member with admin option'))
             from pg_roles as r where r.rolname = current_user)
    then
        drop role {quote(ROLE)};
    end if;
end
$holdfast$""",
    )
