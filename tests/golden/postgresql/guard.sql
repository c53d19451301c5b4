create or replace function holdfast."guard_update_1"()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $holdfast$
-- Refuses an update of more than 100 rows of public.orders.
#variable_conflict use_variable
declare
    v_rows bigint;
begin
    -- For almost every statement there is no such row, and nothing to count.
    perform from old_rows offset 100;
    if found then
        select count(*) into v_rows from old_rows;
        perform holdfast.refuse_unless_allowed(
            'mass', v_rows, 'HF204',
            concat('UPDATE of public.orders would touch ', v_rows, ' rows; up to 100 are expected.'),
            concat('If it is meant, say so first in the same transaction: SET LOCAL holdfast.allow = ''', v_rows, '''')
        );
    end if;
    return null;
end
$holdfast$;

revoke all on function holdfast."guard_update_1"() from public;

create or replace function holdfast."guard_delete_1"()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $holdfast$
-- Refuses an delete of more than 100 rows of public.orders.
#variable_conflict use_variable
declare
    v_rows bigint;
begin
    -- For almost every statement there is no such row, and nothing to count.
    perform from old_rows offset 100;
    if found then
        select count(*) into v_rows from old_rows;
        perform holdfast.refuse_unless_allowed(
            'mass', v_rows, 'HF204',
            concat('DELETE of public.orders would touch ', v_rows, ' rows; up to 100 are expected.'),
            concat('If it is meant, say so first in the same transaction: SET LOCAL holdfast.allow = ''', v_rows, '''')
        );
    end if;
    return null;
end
$holdfast$;

revoke all on function holdfast."guard_delete_1"() from public;

create or replace function holdfast."guard_truncate_1"()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $holdfast$
-- Refuses a TRUNCATE of public.orders.
#variable_conflict use_variable
begin
    perform holdfast.refuse_unless_allowed(
        'truncate', 'infinity', 'HF205',
        'TRUNCATE of public.orders would remove every row.',
        'If it is meant, say so first in the same transaction: SET LOCAL holdfast.allow = ''truncate'''
    );
    return null;
end
$holdfast$;

revoke all on function holdfast."guard_truncate_1"() from public;

create or replace trigger "holdfast_guard_update"
after update on "public"."orders"
referencing old table as old_rows
for each statement
execute function holdfast."guard_update_1"();

alter table "public"."orders" enable trigger "holdfast_guard_update";

create or replace trigger "holdfast_guard_delete"
after delete on "public"."orders"
referencing old table as old_rows
for each statement
execute function holdfast."guard_delete_1"();

alter table "public"."orders" enable trigger "holdfast_guard_delete";

create or replace trigger "holdfast_guard_truncate"
before truncate on "public"."orders"
for each statement
execute function holdfast."guard_truncate_1"();

alter table "public"."orders" enable trigger "holdfast_guard_truncate";
