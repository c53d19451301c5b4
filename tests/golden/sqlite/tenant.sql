drop trigger if exists main."holdfast_tenant_insert_1";

create trigger main."holdfast_tenant_insert_1"
before insert on "orders"
for each row
when not exists (select 1 from holdfast_context where undo) and not coalesce((select maintenance from holdfast_context), 0)
begin
-- holdfast: refuses an insert of another tenant's row of 'orders'
select raise(abort, 'HF203: A row of orders belongs to another tenant, or the transaction to none. Hint: Begin the transaction within holdfast.context(tenant=…), with the tenant whose rows these are.')
where not coalesce((select instr(',' || allow || ',', ',all_tenants,') from holdfast_context), 0) and not coalesce(cast(new."shop_id" as text) = (select tenant from holdfast_context) or length(new."shop_id") = 32 and length((select tenant from holdfast_context)) = 36
        and new."shop_id" = replace((select tenant from holdfast_context), '-', ''), false);
select raise(abort, 'HF203: customer refers to no row of the same tenant. Hint: Refer to a row of the tenant''s own.')
where new."customer_id" is not null and not exists (
    select 1 from "customers" as p where p."id" = new."customer_id" and p."shop_id" is new."shop_id");
end;

drop trigger if exists main."holdfast_tenant_update_1";

create trigger main."holdfast_tenant_update_1"
before update on "orders"
for each row
when not exists (select 1 from holdfast_context where undo) and not coalesce((select maintenance from holdfast_context), 0)
begin
-- holdfast: refuses an update of another tenant's row of 'orders'
select raise(abort, 'HF203: A row of orders belongs to another tenant, or the transaction to none. Hint: Begin the transaction within holdfast.context(tenant=…), with the tenant whose rows these are.')
where not coalesce((select instr(',' || allow || ',', ',all_tenants,') from holdfast_context), 0) and not coalesce(cast(old."shop_id" as text) = (select tenant from holdfast_context) or length(old."shop_id") = 32 and length((select tenant from holdfast_context)) = 36
        and old."shop_id" = replace((select tenant from holdfast_context), '-', ''), false);
select raise(abort, 'HF203: A row of orders cannot go from one tenant to another. Hint: Insert it for the other tenant, and delete it here.')
where old."shop_id" is not new."shop_id";
select raise(abort, 'HF203: customer refers to no row of the same tenant. Hint: Refer to a row of the tenant''s own.')
where new."customer_id" is not null and not exists (
    select 1 from "customers" as p where p."id" = new."customer_id" and p."shop_id" is new."shop_id");
end;

drop trigger if exists main."holdfast_tenant_delete_1";

create trigger main."holdfast_tenant_delete_1"
before delete on "orders"
for each row
when not exists (select 1 from holdfast_context where undo) and not coalesce((select maintenance from holdfast_context), 0)
begin
-- holdfast: refuses an delete of another tenant's row of 'orders'
select raise(abort, 'HF203: A row of orders belongs to another tenant, or the transaction to none. Hint: Begin the transaction within holdfast.context(tenant=…), with the tenant whose rows these are.')
where not coalesce((select instr(',' || allow || ',', ',all_tenants,') from holdfast_context), 0) and not coalesce(cast(old."shop_id" as text) = (select tenant from holdfast_context) or length(old."shop_id") = 32 and length((select tenant from holdfast_context)) = 36
        and old."shop_id" = replace((select tenant from holdfast_context), '-', ''), false);
end;

drop trigger if exists main."holdfast_tenant_insert_2";

create trigger main."holdfast_tenant_insert_2"
before insert on "customers"
for each row
when not exists (select 1 from holdfast_context where undo) and not coalesce((select maintenance from holdfast_context), 0)
begin
-- holdfast: refuses an insert of another tenant's row of 'customers'
select raise(abort, 'HF203: A row of customers belongs to another tenant, or the transaction to none. Hint: Begin the transaction within holdfast.context(tenant=…), with the tenant whose rows these are.')
where not coalesce((select instr(',' || allow || ',', ',all_tenants,') from holdfast_context), 0) and not coalesce(cast(new."shop_id" as text) = (select tenant from holdfast_context) or length(new."shop_id") = 32 and length((select tenant from holdfast_context)) = 36
        and new."shop_id" = replace((select tenant from holdfast_context), '-', ''), false);
end;

drop trigger if exists main."holdfast_tenant_update_2";

create trigger main."holdfast_tenant_update_2"
before update on "customers"
for each row
when not exists (select 1 from holdfast_context where undo) and not coalesce((select maintenance from holdfast_context), 0)
begin
-- holdfast: refuses an update of another tenant's row of 'customers'
select raise(abort, 'HF203: A row of customers belongs to another tenant, or the transaction to none. Hint: Begin the transaction within holdfast.context(tenant=…), with the tenant whose rows these are.')
where not coalesce((select instr(',' || allow || ',', ',all_tenants,') from holdfast_context), 0) and not coalesce(cast(old."shop_id" as text) = (select tenant from holdfast_context) or length(old."shop_id") = 32 and length((select tenant from holdfast_context)) = 36
        and old."shop_id" = replace((select tenant from holdfast_context), '-', ''), false);
select raise(abort, 'HF203: A row of customers cannot go from one tenant to another. Hint: Insert it for the other tenant, and delete it here.')
where old."shop_id" is not new."shop_id";
end;

drop trigger if exists main."holdfast_tenant_delete_2";

create trigger main."holdfast_tenant_delete_2"
before delete on "customers"
for each row
when not exists (select 1 from holdfast_context where undo) and not coalesce((select maintenance from holdfast_context), 0)
begin
-- holdfast: refuses an delete of another tenant's row of 'customers'
select raise(abort, 'HF203: A row of customers belongs to another tenant, or the transaction to none. Hint: Begin the transaction within holdfast.context(tenant=…), with the tenant whose rows these are.')
where not coalesce((select instr(',' || allow || ',', ',all_tenants,') from holdfast_context), 0) and not coalesce(cast(old."shop_id" as text) = (select tenant from holdfast_context) or length(old."shop_id") = 32 and length((select tenant from holdfast_context)) = 36
        and old."shop_id" = replace((select tenant from holdfast_context), '-', ''), false);
end;
