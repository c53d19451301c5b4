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
        new."version" := coalesce(new."version", 0) + 1;
    elsif current_setting('holdfast.undo', true) = 'exact' is not true then
        new."created_at" := pg_catalog.clock_timestamp();
        new."updated_at" := new."created_at";
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
            detail = pg_catalog.json_build_object('key', pg_catalog.json_build_array(pg_catalog.to_json(old) -> 'shop_id', pg_catalog.to_json(old) -> 'id'), 'expected', new."version", 'current', old."version")::text,
            hint = 'Read the row again and repeat the change on what it is now.';
    end if;
    new."created_at" := old."created_at";
    begin
        v_changed := row(old."shop_id", old."id", old."email", old."deleted_at", old."customer_id") is distinct from row(new."shop_id", new."id", new."email", new."deleted_at", new."customer_id");
    exception when datatype_mismatch then
        -- A column's type was changed while this session lasts, and its expressions are of the old one.
        execute $query$
        select row(o."shop_id", o."id", o."email", o."deleted_at", o."customer_id") is distinct from row(n."shop_id", n."id", n."email", n."deleted_at", n."customer_id")
        from (select ($1).*) as o, (select ($2).*) as n
        $query$
        into v_changed using old, new;
    end;
    if v_changed then
        new."version" := coalesce(old."version", 0) + 1;
        new."updated_at" := greatest(pg_catalog.clock_timestamp(), old."updated_at" + interval '1 microsecond');
    else
        new."version" := old."version";
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

create or replace function holdfast."stamp_insert_2"()
returns trigger
language plpgsql
as $holdfast$
-- Keeps times and version on each insert of public.customers.
#variable_conflict use_variable
begin
    if current_setting('holdfast.undo', true) = 'on' then
        -- A row that comes back keeps the time it was made; its version and update time move on.
        new."updated_at" := greatest(pg_catalog.clock_timestamp(), new."updated_at" + interval '1 microsecond');
        new."version" := coalesce(new."version", 0) + 1;
    elsif current_setting('holdfast.undo', true) = 'exact' is not true then
        new."created_at" := pg_catalog.clock_timestamp();
        new."updated_at" := new."created_at";
        new."version" := 1;
    end if;
    return new;
end
$holdfast$;

revoke all on function holdfast."stamp_insert_2"() from public;

create or replace function holdfast."stamp_update_2"()
returns trigger
language plpgsql
as $holdfast$
-- Keeps times and version on each update of public.customers.
#variable_conflict use_variable
declare
    v_changed boolean;
begin
    -- A writer that gives a version says which one it has read: that one, or the one after it.
    if new."version" is distinct from old."version" and new."version" is distinct from coalesce(old."version", 0) + 1 then
        raise exception using errcode = 'HF202',
            message = pg_catalog.format('customers was changed by somebody else: it is at version %s, and this write is for version %s.', old."version", new."version"),
            schema = 'public', table = 'customers',
            detail = pg_catalog.json_build_object('key', pg_catalog.json_build_array(pg_catalog.to_json(old) -> 'shop_id', pg_catalog.to_json(old) -> 'id'), 'expected', new."version", 'current', old."version")::text,
            hint = 'Read the row again and repeat the change on what it is now.';
    end if;
    new."created_at" := old."created_at";
    begin
        v_changed := row(old."shop_id", old."id", old."email", old."deleted_at") is distinct from row(new."shop_id", new."id", new."email", new."deleted_at");
    exception when datatype_mismatch then
        -- A column's type was changed while this session lasts, and its expressions are of the old one.
        execute $query$
        select row(o."shop_id", o."id", o."email", o."deleted_at") is distinct from row(n."shop_id", n."id", n."email", n."deleted_at")
        from (select ($1).*) as o, (select ($2).*) as n
        $query$
        into v_changed using old, new;
    end;
    if v_changed then
        new."version" := coalesce(old."version", 0) + 1;
        new."updated_at" := greatest(pg_catalog.clock_timestamp(), old."updated_at" + interval '1 microsecond');
    else
        new."version" := old."version";
        new."updated_at" := old."updated_at";
    end if;
    return new;
end
$holdfast$;

revoke all on function holdfast."stamp_update_2"() from public;

create or replace trigger "zz_holdfast_stamp_insert"
before insert on "public"."customers"
for each row
execute function holdfast."stamp_insert_2"();

alter table "public"."customers" enable trigger "zz_holdfast_stamp_insert";

create or replace trigger "zz_holdfast_stamp_update"
before update on "public"."customers"
for each row
execute function holdfast."stamp_update_2"();

alter table "public"."customers" enable trigger "zz_holdfast_stamp_update";
