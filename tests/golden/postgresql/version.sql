create or replace function holdfast."stamp_insert_1"()
returns trigger
language plpgsql
as $holdfast$
-- Keeps times and version on each insert of public.orders.
#variable_conflict use_variable
begin
    if current_setting('holdfast.undo', true) = 'on' then
        -- A row that comes back keeps the time it was made; its version and update time move on.
        new."version" := coalesce(new."version", 0) + 1;
    elsif current_setting('holdfast.undo', true) = 'exact' is not true then
        new."version" := 1;
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
    -- A writer that gives a version says which one it has read: that one, or the one after it.
    if new."version" is distinct from old."version" and new."version" is distinct from coalesce(old."version", 0) + 1 then
        raise exception using errcode = 'HF202',
            message = pg_catalog.format('orders was changed by somebody else: it is at version %s, and this write is for version %s.', old."version", new."version"),
            schema = 'public', table = 'orders',
            detail = pg_catalog.json_build_object('key', pg_catalog.to_json(old) -> 'id', 'expected', new."version", 'current', old."version")::text,
            hint = 'Read the row again and repeat the change on what it is now.';
    end if;
    begin
        v_changed := row(old."id", old."status", old."total", old."email", old."card", old."deleted_at", old."created_at", old."updated_at") is distinct from row(new."id", new."status", new."total", new."email", new."card", new."deleted_at", new."created_at", new."updated_at") or row(old."note")::record *<> row(new."note")::record;
    exception when datatype_mismatch then
        -- A column's type was changed while this session lasts, and its expressions are of the old one.
        execute $query$
        select row(o."id", o."status", o."total", o."email", o."card", o."deleted_at", o."created_at", o."updated_at") is distinct from row(n."id", n."status", n."total", n."email", n."card", n."deleted_at", n."created_at", n."updated_at") or row(o."note")::record *<> row(n."note")::record
        from (select ($1).*) as o, (select ($2).*) as n
        $query$
        into v_changed using old, new;
    end;
    if v_changed then
        new."version" := coalesce(old."version", 0) + 1;
    else
        new."version" := old."version";
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
