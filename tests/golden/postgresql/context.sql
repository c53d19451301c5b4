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
    values ('all_tenants', nullif(current_setting('holdfast.context', true), '')::jsonb ->> 'actor', reason,
        jsonb_build_object('xid', pg_current_xact_id()::text));
end
$holdfast$;

revoke all on function holdfast.all_tenants(text) from public;

create or replace function holdfast.present_permissions()
returns text
language sql stable parallel safe
return nullif(current_setting('holdfast.permissions', true), '');

revoke all on function holdfast.present_permissions() from public;

create or replace function holdfast.present_tenant()
returns text
language sql stable parallel safe
return nullif(current_setting('holdfast.tenant', true), '');

revoke all on function holdfast.present_tenant() from public;

create or replace function holdfast.may(permission text)
returns boolean
language sql stable parallel safe
return permission ~ '^([a-z0-9_][a-z0-9_.-]*:[a-z0-9_][a-z0-9_.-]*(:[a-z0-9_][a-z0-9_.-]*)?)$' and length(permission) <= 200
    and holdfast.granted(holdfast.present_permissions(), permission);

revoke all on function holdfast.may(text) from public;
