create or replace function holdfast."stamp_insert_1"()
returns trigger
language plpgsql
as $holdfast$
-- Keeps times and version on each insert of public.orders.
#variable_conflict use_variable
begin
    if current_setting('holdfast.undo', true) = 'on' then
        -- A row that comes back keeps the time it was made; its version and update time move on.
        new."updated_at" := greatest(pg_catalog.clock_timestamp(), new."updated_at" + interval '1 microsecond');
    elsif current_setting('holdfast.undo', true) = 'exact' is not true then
        new."created_at" := pg_catalog.clock_timestamp();
        new."updated_at" := new."created_at";
    end if;
    return new;
end
$holdfast$;

revoke all on function holdfast."stamp_insert_1"() from public;

create or replace function holdfast."stamp_update_1"()
returns trigger
language plpgsql
as $holdfast$
-- Keeps times and version on each update of public.orders.
#variable_conflict use_variable
declare
    v_changed boolean;
begin
    new."created_at" := old."created_at";
    begin
        v_changed := row(old."id", old."status", old."total", old."email", old."card", old."deleted_at", old."version") is distinct from row(new."id", new."status", new."total", new."email", new."card", new."deleted_at", new."version") or row(old."note")::record *<> row(new."note")::record;
    exception when datatype_mismatch then
        -- A column's type was changed while this session lasts, and its expressions are of the old one.
        execute $query$
        select row(o."id", o."status", o."total", o."email", o."card", o."deleted_at", o."version") is distinct from row(n."id", n."status", n."total", n."email", n."card", n."deleted_at", n."version") or row(o."note")::record *<> row(n."note")::record
        from (select ($1).*) as o, (select ($2).*) as n
        $query$
        into v_changed using old, new;
    end;
    if v_changed then
        new."updated_at" := greatest(pg_catalog.clock_timestamp(), old."updated_at" + interval '1 microsecond');
    else
        new."updated_at" := old."updated_at";
    end if;
    return new;
end
$holdfast$;

revoke all on function holdfast."stamp_update_1"() from public;

create or replace trigger "zz_holdfast_stamp_insert"
before insert on "public"."orders"
for each row
execute function holdfast."stamp_insert_1"();

alter table "public"."orders" enable trigger "zz_holdfast_stamp_insert";

create or replace trigger "zz_holdfast_stamp_update"
before update on "public"."orders"
for each row
execute function holdfast."stamp_update_1"();

alter table "public"."orders" enable trigger "zz_holdfast_stamp_update";
