select holdfast.keep(1, '', 'policy', 'holdfast_permit', '"public"."orders"');

drop policy if exists "holdfast_permit" on "public"."orders";

create policy "holdfast_permit" on "public"."orders" for all to public
    using (true)
    with check (true);

alter table "public"."orders" enable row level security, force row level security;

drop policy if exists "holdfast_permit_select" on "public"."orders";

create policy "holdfast_permit_select" on "public"."orders" as restrictive for select to "shop_app", "shop_readonly"
    using (holdfast.require('order:read'));

drop policy if exists "holdfast_permit_insert" on "public"."orders";

create policy "holdfast_permit_insert" on "public"."orders" as restrictive for insert to "shop_app", "shop_readonly"
    with check (holdfast.require('order:create'));

drop policy if exists "holdfast_permit_update" on "public"."orders";

create policy "holdfast_permit_update" on "public"."orders" as restrictive for update to "shop_app", "shop_readonly"
    using (holdfast.require('order:update', 'order:delete'))
    with check (case when "deleted_at" is null then holdfast.require('order:update') else holdfast.require('order:delete') end);

drop policy if exists "holdfast_permit_delete" on "public"."orders";

create policy "holdfast_permit_delete" on "public"."orders" as restrictive for delete to "shop_app", "shop_readonly"
    using (holdfast.require('order:delete'));
