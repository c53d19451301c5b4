drop trigger if exists main."holdfast_permit_insert_1";

create trigger main."holdfast_permit_insert_1"
before insert on "orders"
for each row
when not exists (select 1 from holdfast_statement where keeping is strftime('%Y-%m-%dT%H:%M:%fZ', 'now')) and not exists (select 1 from holdfast_context where undo) and not coalesce((select maintenance from holdfast_context), 0)
begin
-- holdfast: refuses to insert rows of 'orders' without a permission
select raise(abort, 'HF485: This needs the permission order:create, which is not held. Hint: Grant a role that has it: holdfast permissions grant; see why not: holdfast permissions explain.')
where not coalesce((select instr(' ' || permissions || ' ', ' * ') or instr(' ' || permissions || ' ', ' order:* ') or instr(' ' || permissions || ' ', ' order:create ') from holdfast_context), 0);
end;

drop trigger if exists main."holdfast_permit_update_1";

create trigger main."holdfast_permit_update_1"
before update on "orders"
for each row
when not exists (select 1 from holdfast_statement where keeping is strftime('%Y-%m-%dT%H:%M:%fZ', 'now')) and not exists (select 1 from holdfast_context where undo) and not coalesce((select maintenance from holdfast_context), 0)
begin
-- holdfast: refuses to update rows of 'orders' without a permission
select raise(abort, 'HF485: This needs the permission order:delete, which is not held. Hint: Grant a role that has it: holdfast permissions grant; see why not: holdfast permissions explain.')
where new."deleted_at" is not null and not coalesce((select instr(' ' || permissions || ' ', ' * ') or instr(' ' || permissions || ' ', ' order:* ') or instr(' ' || permissions || ' ', ' order:delete ') from holdfast_context), 0);
select raise(abort, 'HF485: This needs the permission order:update, which is not held. Hint: Grant a role that has it: holdfast permissions grant; see why not: holdfast permissions explain.')
where new."deleted_at" is null and not coalesce((select instr(' ' || permissions || ' ', ' * ') or instr(' ' || permissions || ' ', ' order:* ') or instr(' ' || permissions || ' ', ' order:update ') from holdfast_context), 0);
end;

drop trigger if exists main."holdfast_permit_delete_1";

create trigger main."holdfast_permit_delete_1"
before delete on "orders"
for each row
when not exists (select 1 from holdfast_statement where keeping is strftime('%Y-%m-%dT%H:%M:%fZ', 'now')) and not exists (select 1 from holdfast_context where undo) and not coalesce((select maintenance from holdfast_context), 0)
begin
-- holdfast: refuses to delete rows of 'orders' without a permission
select raise(abort, 'HF485: This needs the permission order:delete, which is not held. Hint: Grant a role that has it: holdfast permissions grant; see why not: holdfast permissions explain.')
where not coalesce((select instr(' ' || permissions || ' ', ' * ') or instr(' ' || permissions || ' ', ' order:* ') or instr(' ' || permissions || ' ', ' order:delete ') from holdfast_context), 0);
end;
