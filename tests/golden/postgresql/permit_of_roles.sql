create or replace function holdfast."permit_truncate_1"()
returns trigger
language plpgsql
as $holdfast$
-- Refuses a TRUNCATE of public.orders to whom a DELETE is refused.
#variable_conflict use_variable
begin
    if row_security_active(tg_relid) and (pg_has_role(current_user, 'shop_app', 'usage') or pg_has_role(current_user, 'shop_readonly', 'usage')) then
        perform holdfast.require('order:delete');
    end if;
    return null;
end
$holdfast$;

revoke all on function holdfast."permit_truncate_1"() from public;

select holdfast.keep(1, '', 'policy', 'holdfast_permit', '"public"."orders"');

drop policy if exists "holdfast_permit" on "public"."orders";

create policy "holdfast_permit" on "public"."orders" for all to public
    using (true)
    with check (true);

alter table "public"."orders" enable row level security, force row level security;

drop policy if exists "holdfast_permit_select" on "public"."orders";

create policy "holdfast_permit_select" on "public"."orders" as restrictive for select to "shop_app", "shop_readonly"
    using ((select holdfast.require('order:read')));

drop policy if exists "holdfast_permit_insert" on "public"."orders";

create policy "holdfast_permit_insert" on "public"."orders" as restrictive for insert to "shop_app", "shop_readonly"
    with check ((select holdfast.require('order:create')));

drop policy if exists "holdfast_permit_update" on "public"."orders";

create policy "holdfast_permit_update" on "public"."orders" as restrictive for update to "shop_app", "shop_readonly"
    using ((select holdfast.require('order:update', 'order:delete')))
    with check (case when "deleted_at" is null then (select holdfast.require('order:update')) else (select holdfast.require('order:delete')) end);

drop policy if exists "holdfast_permit_delete" on "public"."orders";

create policy "holdfast_permit_delete" on "public"."orders" as restrictive for delete to "shop_app", "shop_readonly"
    using ((select holdfast.require('order:delete')));

create or replace trigger "holdfast_permit_truncate"
before truncate on "public"."orders"
for each statement
execute function holdfast."permit_truncate_1"();

alter table "public"."orders" enable trigger "holdfast_permit_truncate";
