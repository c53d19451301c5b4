create or replace function holdfast.set_signed_context(signed text)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $holdfast$
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
end
$holdfast$;

revoke all on function holdfast.set_signed_context(text) from public;

create or replace function holdfast.set_context(actor text default null, tenant text default null, reason text default null, context jsonb default null)
returns void
language plpgsql
as $holdfast$
begin
    if actor is not null or reason is not null then
        -- Who says it in SQL. From Python it comes as the one document that is kept.
        if jsonb_typeof(context) <> 'object' then
            raise exception using errcode = 'invalid_parameter_value',
                message = 'The context of a transaction is a JSON object, with names and values.',
                hint = 'Give it as in context => ''{"request": "r-17"}''.';
        end if;
        context := coalesce(context, '{}')
            || jsonb_strip_nulls(jsonb_build_object('actor', actor, 'reason', reason));
    end if;
    if (case
        when set_config('holdfast.context', coalesce(context::text, ''), true) is null then false
        when tenant is null then true
        when current_setting('holdfast.tenant', true) <> '' then false
        else set_config('holdfast.tenant', tenant, true) <> ''
    end) then
        return;
    end if;
    if tenant = '' or tenant <> nullif(current_setting('holdfast.tenant', true), '') then
        -- What the transaction has read of the one must not be written to the other.
        raise exception using errcode = 'HF203',
            message = case when tenant = '' then 'An empty text names no tenant.'
                           else format('This transaction is of tenant %s, and cannot go over to %s.',
                                       current_setting('holdfast.tenant', true), tenant) end,
            hint = 'Begin another transaction for another tenant.';
    end if;
end
$holdfast$;

revoke all on function holdfast.set_context(text, text, text, jsonb) from public;

create or replace function holdfast.record_transaction()
returns xid8
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $holdfast$
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
    insert into holdfast.transaction
        (xid, at, actor, tenant, reason, context, session_user_name, application_name, client_address)
    values (
        pg_current_xact_id(), now(), v_context ->> 'actor', v_tenant, v_context ->> 'reason',
        nullif(v_context - array['actor', 'tenant', 'reason'], '{}'),
        session_user, nullif(current_setting('application_name'), ''), inet_client_addr()
    )
    on conflict (xid, at) do nothing;
    return set_config('holdfast.xid', pg_current_xact_id()::text, true)::xid8;
end
$holdfast$;

revoke all on function holdfast.record_transaction() from public;

create or replace function holdfast.all_tenants(reason text)
returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $holdfast$
begin
    if nullif(trim(reason), '') is null then
        raise exception using errcode = 'HF203',
            message = 'Work across tenants needs a reason.',
            hint = 'Say why: select holdfast.all_tenants(''…'').';
    end if;
    insert into holdfast.intervention (kind, actor, reason, details)
    values ('all_tenants', case when holdfast.signed_context() is null and pg_has_role(session_user, current_user, 'usage')
            then nullif(current_setting('holdfast.context', true), '')::jsonb ->> 'actor'
            else holdfast.signed_context() ->> 'actor' end, reason,
        jsonb_build_object('xid', pg_current_xact_id()::text));
end
$holdfast$;

revoke all on function holdfast.all_tenants(text) from public;

create or replace function holdfast.signed_context()
returns jsonb
language plpgsql security definer stable parallel safe
set search_path = pg_catalog, pg_temp
as $holdfast$
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
    if v_claims -> 1 ->> 1 is distinct from extract(epoch from pg_postmaster_start_time()) || '/' || current_database() then
        if v_claims -> 1 ->> 0 is distinct from (select s.system_identifier || '/' || current_database() from pg_control_system() as s) then
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
    return v_claims -> 2;
end
$holdfast$;

revoke all on function holdfast.signed_context() from public;

create or replace function holdfast.signed_tenant()
returns text
language plpgsql security definer stable parallel safe
set search_path = pg_catalog, pg_temp
as $holdfast$
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
    if v_claims -> 1 ->> 1 is distinct from extract(epoch from pg_postmaster_start_time()) || '/' || current_database() then
        if v_claims -> 1 ->> 0 is distinct from (select s.system_identifier || '/' || current_database() from pg_control_system() as s) then
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
    return v_claims -> 2 ->> 'tenant';
end
$holdfast$;

revoke all on function holdfast.signed_tenant() from public;

create or replace function holdfast.present_permissions()
returns text
language sql stable parallel safe
return (
    select string_agg(p.pattern, ' ')
    from (select holdfast.signed_context() as said) as c
    cross join lateral holdfast.permissions_of(c.said ->> 'actor', coalesce(c.said ->> 'tenant', '')) as p (pattern)
);

revoke all on function holdfast.present_permissions() from public;

create or replace function holdfast.present_tenant()
returns text
language sql stable parallel safe
return holdfast.signed_context() ->> 'tenant';

revoke all on function holdfast.present_tenant() from public;

create or replace function holdfast.may(permission text)
returns boolean
language sql stable parallel safe
return permission ~ '^([a-z0-9_][a-z0-9_.-]*:[a-z0-9_][a-z0-9_.-]*(:[a-z0-9_][a-z0-9_.-]*)?)$' and length(permission) <= 200
    and holdfast.granted(holdfast.present_permissions(), permission)
    and (
        select c.scopes is null or holdfast.granted(
            case jsonb_typeof(c.scopes)
                when 'array' then (
                    select string_agg(s.scope, ' ') from jsonb_array_elements_text(c.scopes) as s (scope)
                    where strpos(s.scope, ' ') = 0)
                else c.scopes #>> '{}' end,
            permission)
        from (select holdfast.signed_context() -> 'scopes' as scopes) as c);

revoke all on function holdfast.may(text) from public;
