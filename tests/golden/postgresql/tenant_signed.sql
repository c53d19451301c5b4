create or replace function holdfast."tenant_1"()
returns trigger
language plpgsql
as $holdfast$
-- Refuses to give a row of public.orders to another tenant.
#variable_conflict use_variable
begin
    raise exception using errcode = 'HF203',
        message = 'A row of orders cannot go from one tenant to another.',
        schema = 'public', table = 'orders',
        hint = 'Insert it for the other tenant, and delete it here.';
end
$holdfast$;

revoke all on function holdfast."tenant_1"() from public;

drop index if exists "public"."holdfast_tenant_1";

create unique index "holdfast_tenant_1" on "public"."orders" ("shop_id", "id");

do $holdfast$
begin
    if exists (select from "public"."orders" as t where t."shop_id" is null) then
        raise exception using errcode = 'HF203', message = 'Rows of public.orders belong to nobody: shop_id is NULL.',
            hint = 'Fill the column first: each row is of one tenant.';
    end if;
end
$holdfast$;

select holdfast.keep(1, '', 'column', 'shop_id', '"public"."orders"');

alter table "public"."orders"
    alter column "shop_id" set default nullif(current_setting('holdfast.tenant', true), '')::integer,
    alter column "shop_id" set not null;

select holdfast.keep(1, '', 'policy', 'holdfast_tenant', '"public"."orders"');

drop policy if exists "holdfast_tenant" on "public"."orders";

create policy "holdfast_tenant" on "public"."orders" for all to "shop_app", "shop_readonly"
    using ("shop_id" = (select holdfast.signed_tenant()::integer))
    with check ("shop_id" = (select holdfast.signed_tenant()::integer));

alter table "public"."orders" enable row level security, force row level security;

select holdfast.keep(1, '', 'policy', 'holdfast_tenant_only', '"public"."orders"');

drop policy if exists "holdfast_tenant_only" on "public"."orders";

create policy "holdfast_tenant_only" on "public"."orders" as restrictive for all to "shop_app", "shop_readonly"
    using ("shop_id" = (select holdfast.signed_tenant()::integer))
    with check ("shop_id" = (select holdfast.signed_tenant()::integer));

alter table "public"."orders" enable row level security, force row level security;

select holdfast.keep(1, '', 'policy', 'holdfast_all_tenants', '"public"."orders"');

drop policy if exists "holdfast_all_tenants" on "public"."orders";

create policy "holdfast_all_tenants" on "public"."orders" for all to "shop_all_tenants"
    using ((select holdfast.across_tenants()))
    with check ((select holdfast.across_tenants()));

alter table "public"."orders" enable row level security, force row level security;

drop policy if exists holdfast_tenant_owner on "public"."orders";

do $holdfast$
begin
    execute format('create policy holdfast_tenant_owner on "public"."orders" for all to %I
    using ((select pg_trigger_depth() > 0))
    with check ((select pg_trigger_depth() > 0))',
        (select pg_get_userbyid(c.relowner) from pg_class as c where c.oid = '"public"."orders"'::regclass));
end
$holdfast$;

select holdfast.keep(1, '', 'foreign key', 'customer', '"public"."orders"');

alter table "public"."orders"
    drop constraint if exists "customer",
    add constraint "customer" foreign key ("shop_id", "customer_id")
        references "public"."customers" ("shop_id", "id")
        on update no action on delete cascade not valid;

comment on constraint "customer" on "public"."orders" is 'holdfast: to be validated';

create or replace trigger "holdfast_tenant"
before update on "public"."orders"
for each row
when (old."shop_id" is distinct from new."shop_id")
execute function holdfast."tenant_1"();

alter table "public"."orders" enable trigger "holdfast_tenant";

create or replace function holdfast."tenant_2"()
returns trigger
language plpgsql
as $holdfast$
-- Refuses to give a row of public.customers to another tenant.
#variable_conflict use_variable
begin
    raise exception using errcode = 'HF203',
        message = 'A row of customers cannot go from one tenant to another.',
        schema = 'public', table = 'customers',
        hint = 'Insert it for the other tenant, and delete it here.';
end
$holdfast$;

revoke all on function holdfast."tenant_2"() from public;

select holdfast.keep(2, '', 'unique key', 'customers_email_key', '"public"."customers"');

alter table "public"."customers"
    drop constraint if exists "customers_email_key",
    add constraint "customers_email_key" unique ("shop_id", "email");

drop index if exists "public"."holdfast_tenant_2";

create unique index "holdfast_tenant_2" on "public"."customers" ("shop_id", "id");

do $holdfast$
begin
    if exists (select from "public"."customers" as t where t."shop_id" is null) then
        raise exception using errcode = 'HF203', message = 'Rows of public.customers belong to nobody: shop_id is NULL.',
            hint = 'Fill the column first: each row is of one tenant.';
    end if;
end
$holdfast$;

select holdfast.keep(2, '', 'column', 'shop_id', '"public"."customers"');

alter table "public"."customers"
    alter column "shop_id" set default nullif(current_setting('holdfast.tenant', true), '')::integer,
    alter column "shop_id" set not null;

select holdfast.keep(2, '', 'policy', 'holdfast_tenant', '"public"."customers"');

drop policy if exists "holdfast_tenant" on "public"."customers";

create policy "holdfast_tenant" on "public"."customers" for all to "shop_app", "shop_readonly"
    using ("shop_id" = (select holdfast.signed_tenant()::integer))
    with check ("shop_id" = (select holdfast.signed_tenant()::integer));

alter table "public"."customers" enable row level security, force row level security;

select holdfast.keep(2, '', 'policy', 'holdfast_tenant_only', '"public"."customers"');

drop policy if exists "holdfast_tenant_only" on "public"."customers";

create policy "holdfast_tenant_only" on "public"."customers" as restrictive for all to "shop_app", "shop_readonly"
    using ("shop_id" = (select holdfast.signed_tenant()::integer))
    with check ("shop_id" = (select holdfast.signed_tenant()::integer));

alter table "public"."customers" enable row level security, force row level security;

select holdfast.keep(2, '', 'policy', 'holdfast_all_tenants', '"public"."customers"');

drop policy if exists "holdfast_all_tenants" on "public"."customers";

create policy "holdfast_all_tenants" on "public"."customers" for all to "shop_all_tenants"
    using ((select holdfast.across_tenants()))
    with check ((select holdfast.across_tenants()));

alter table "public"."customers" enable row level security, force row level security;

drop policy if exists holdfast_tenant_owner on "public"."customers";

do $holdfast$
begin
    execute format('create policy holdfast_tenant_owner on "public"."customers" for all to %I
    using ((select pg_trigger_depth() > 0))
    with check ((select pg_trigger_depth() > 0))',
        (select pg_get_userbyid(c.relowner) from pg_class as c where c.oid = '"public"."customers"'::regclass));
end
$holdfast$;

create or replace trigger "holdfast_tenant"
before update on "public"."customers"
for each row
when (old."shop_id" is distinct from new."shop_id")
execute function holdfast."tenant_2"();

alter table "public"."customers" enable trigger "holdfast_tenant";
