"""Signed contexts: the keys, and the functions that believe nothing that is not signed with one of them.

A signed context is one text: the key's name, a JSON array of its expiry, its database by two names and the context, and
the HMAC-SHA256 of both. HMAC is sha256(outer || sha256(inner || text)), where the two blocks are the secret xor a constant:
they are kept instead of it, so that the server's own sha256 is all that it takes.

Signatures are compared as texts, which takes a shorter time the earlier they differ. That is nanoseconds of a
statement that takes a thousand times as long and varies by more than that, and before a second byte could be guessed
so the context has expired.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from holdfast.dialects.query import Query
from holdfast.dialects.signing import Signing

if TYPE_CHECKING:
    from holdfast.dialects.postgresql import PostgreSQL

KEYS = (
    """\
create table if not exists holdfast.signing_key (
    id text primary key,
    inner_block bytea not null,
    outer_block bytea not null,
    created timestamptz not null default now(),
    retired timestamptz
)""",
    # Without a policy: a right to read all tables of this schema, as an auditor is given, shows no key.
    "alter table holdfast.signing_key enable row level security",
)

# Neither a dump nor CREATE DATABASE … TEMPLATE copies what these are made of. The second is cheap to tell, and good for as
# long as the server runs; the first takes the reading of a file.
HOME = "s.system_identifier || '/' || current_database()"
RUNNING = "extract(epoch from pg_postmaster_start_time()) || '/' || current_database()"

_VERIFY = f"""\
declare
    v_signed constant text := nullif(current_setting('holdfast.signed', true), '');
    v_key constant text := split_part(v_signed, '.', 1);
    v_said constant text := left(v_signed, -65);
    v_genuine boolean;
    v_claims jsonb;
begin
    if v_signed is null then
        return null;
    end if;
    -- HMAC-SHA256.
    select encode(sha256(k.outer_block || sha256(k.inner_block || convert_to(v_said, 'UTF8'))), 'hex') = right(v_signed, 64)
            and k.retired is null
    into v_genuine
    from holdfast.signing_key as k
    where k.id = v_key;
    if v_genuine is not true then
        raise exception using errcode = 'HF206',
            message = case (select k.retired is not null from holdfast.signing_key as k where k.id = v_key)
                when true then format('The context is signed with the key %L, which is retired.', v_key)
                when false then 'The signature of the context does not fit what the context says.'
                else format('The context is signed with the key %L, which this database does not have.', left(v_key, 64)) end,
            hint = 'The keys are told by: holdfast sign list. If the key is right, the text was changed or the secret is another.';
    end if;
    v_claims := substr(v_said, length(v_key) + 2);
    if v_claims -> 1 ->> 1 is distinct from {RUNNING} then
        if v_claims -> 1 ->> 0 is distinct from (select {HOME} from pg_control_system() as s) then
            raise exception using errcode = 'HF206',
                message = 'The context was signed for another database.',
                hint = 'Connect anew: the program asks each connection which database it leads to.';
        end if;
    end if;
    -- The time at which the transaction began: one that began in time goes on to its end.
    if to_timestamp((v_claims ->> 0)::double precision) > now() is not true then
        raise exception using errcode = 'HF207',
            message = format('The signed context expired at %s.', to_timestamp((v_claims ->> 0)::double precision)),
            hint = 'Begin the transaction anew: it signs anew. If it waits so long for a connection, give the key a longer ttl.';
    end if;
    return v_claims -> 2{{part}};
end"""
SIGNED_CONTEXT = _VERIFY.format(part="")
SIGNED_TENANT = _VERIFY.format(part=" ->> 'tenant'")

# What it says is believed by nobody who asks for the signature, but shown: until signatures are asked for it serves
# as any other context does. A bare set_config() will do, for there are no workers to pass it on to.
SET_SIGNED_CONTEXT = """\
declare
    v_context constant jsonb := substr(left(signed, -65), strpos(signed, '.') + 1)::jsonb -> 2;
    v_tenant constant text := v_context ->> 'tenant';
    v_present constant text := nullif(current_setting('holdfast.tenant', true), '');
    v_set text;
begin
    if v_tenant <> v_present or v_tenant = '' then
        perform holdfast.set_context(tenant => v_tenant);
    end if;
    v_set := set_config('holdfast.signed', signed, true);
    if v_tenant is not null then
        v_set := set_config('holdfast.tenant', v_tenant, true);
    end if;
    v_set := set_config('holdfast.context', v_context::text, true);
end"""

RECORD_TRANSACTION = """\
declare
    v_context jsonb := nullif(current_setting('holdfast.context', true), '');
    v_tenant text := coalesce(nullif(current_setting('holdfast.tenant', true), ''), v_context ->> 'tenant');
    v_signed constant jsonb := holdfast.signed_context();
begin
    -- Who has the rights of the journal's owner can read the keys, so a signature would prove nothing of it.
    if v_signed is not null or not pg_has_role(session_user, current_user, 'usage') then
        v_context := coalesce(v_context, '{}') || jsonb_build_object('actor', v_signed -> 'actor');
        v_tenant := v_signed ->> 'tenant';
    end if;
"""

CLAIMED_ACTOR = "nullif(current_setting('holdfast.context', true), '')::jsonb ->> 'actor'"
SIGNED_ACTOR = f"""\
case when holdfast.signed_context() is null and pg_has_role(session_user, current_user, 'usage')
            then {CLAIMED_ACTOR}
            else holdfast.signed_context() ->> 'actor' end"""

OPEN = (
    "grant execute on function holdfast.signed_context() to public",
    "grant execute on function holdfast.signed_tenant() to public",
)


class PostgreSQLSigning(Signing):
    def __init__(self, dialect: PostgreSQL) -> None:
        self.dialect = dialect

    def home(self) -> str:
        return f"select {HOME}, {RUNNING}, extract(epoch from clock_timestamp())::double precision from pg_control_system() as s"

    def bind(self, signed: str, context: Mapping[str, Any]) -> Query:
        call, parameters = "select holdfast.set_signed_context(:signed)", {"signed": signed}
        if context.get("allow"):
            call += ", set_config('holdfast.allow', :allow, true)"
            parameters["allow"] = str(context["allow"])
        return Query(call, parameters)

    def turned(self, on: bool) -> PostgreSQL:
        return self.dialect.with_isolation(replace(self.dialect.isolation, keys=True, signed=on))

    def forget(self) -> tuple[str, ...]:
        return ("drop function holdfast.signed_tenant()", "drop function holdfast.signed_context()")

    def keys(self) -> Query:
        return Query("select k.id, k.created, k.retired from holdfast.signing_key as k order by k.created, k.id", {})

    def lock_keys(self) -> str:
        return "lock table holdfast.signing_key in share row exclusive mode"

    def copy_key(self) -> str:
        return "copy holdfast.signing_key (id, inner_block, outer_block) from stdin"

    def retire(self, key: str) -> Query:
        return Query(
            "update holdfast.signing_key as k set retired = now() where k.id = :id and k.retired is null", {"id": key}
        )

    def readers(self) -> str:
        return """\
select distinct r.rolname::text
from holdfast.role as d
join pg_roles as r on r.rolname = d.name
join pg_class as c on c.oid = 'holdfast.signing_key'::regclass
where d.duty in ('application', 'read_only')
    and (pg_has_role(r.oid, c.relowner, 'member')
        or exists (select from pg_roles as b where (b.rolsuper or b.rolbypassrls) and pg_has_role(r.oid, b.oid, 'member')))
order by 1"""
