create or replace function holdfast."soft_delete_mark_1"()
returns trigger
language plpgsql
as $holdfast$
-- Stamps the mark of public.orders.
#variable_conflict use_variable
begin
    if current_setting('holdfast.undo', true) = 'on' then
        return new;
    end if;
    if old."deleted_at" is null then
        -- Several statements may be one delete, and have said so.
        if new."deleted_at"::pg_catalog.text is distinct from pg_catalog.current_setting('holdfast.mark', true) then
            new."deleted_at" := pg_catalog.statement_timestamp();
        end if;
    else
        -- A dead row keeps the mark that it died with: its children carry the same.
        new."deleted_at" := old."deleted_at";
    end if;
    return new;
end
$holdfast$;

revoke all on function holdfast."soft_delete_mark_1"() from public;

create or replace function holdfast."soft_delete_lock_1"()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $holdfast$
-- Keeps new children away from a row of public.orders that is being deleted.
#variable_conflict use_variable
declare
    v_xid bigint;
begin
    if tg_table_name = 'orders' and tg_table_schema = 'public' then
        perform from "public"."orders" as t where t.tableoid = tg_relid and t.ctid = old.ctid for update;
    end if;
    if not found then
        execute format('select from only %s as t where t.ctid = $1 for update', tg_relid::regclass) using old.ctid;
    end if;
    if current_setting('transaction_isolation') in ('read committed', 'read uncommitted') then
        return new;
    end if;
    v_xid := pg_snapshot_xmin(pg_current_snapshot())::text::bigint;
    begin
        loop
            if pg_xact_status(v_xid::text::xid8) = 'committed'
                and not pg_visible_in_snapshot(v_xid::text::xid8, pg_current_snapshot()) then
                raise exception using errcode = 'serialization_failure',
                    message = 'could not serialize access: rows that refer to public.orders may have come since this transaction began',
                    hint = 'Repeat the transaction, or delete under READ COMMITTED.';
            end if;
            v_xid := v_xid + 1;
        end loop;
    exception
        -- The first number that is not given out yet.
        when invalid_parameter_value then
            return new;
    end;
end
$holdfast$;

do $holdfast$
declare
    v_owner name := (select pg_get_userbyid(c.relowner) from pg_class as c
                     where c.oid = '"public"."orders"'::regclass);
    v_lend boolean := not has_schema_privilege(v_owner, 'holdfast', 'create');
begin
    if v_lend then
        execute format('grant create on schema holdfast to %I', v_owner);
    end if;
    execute format('alter function %s owner to %I', 'holdfast."soft_delete_lock_1"()', v_owner);
    if v_lend then
        execute format('revoke create on schema holdfast from %I', v_owner);
    end if;
end
$holdfast$;

revoke all on function holdfast."soft_delete_lock_1"() from public;

create or replace function holdfast."soft_delete_follow_1"()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $holdfast$
-- Marks and revives what refers to public.orders.
#variable_conflict use_variable
declare
    v_undoing boolean := coalesce(current_setting('holdfast.undo', true) = 'on', false);
begin
    if old."deleted_at" is null then
        update "public"."items" as c set "deleted_at" = new."deleted_at"
        where c."order_id" = new."id" and c."deleted_at" is null;
    elsif new."deleted_at" is null then
        -- Those that this very delete took, and no others.
        update "public"."items" as c set "deleted_at" = null
        where c."order_id" = new."id" and c."deleted_at" = old."deleted_at";
    end if;
    return null;
end
$holdfast$;

do $holdfast$
declare
    v_owner name := (select pg_get_userbyid(c.relowner) from pg_class as c
                     where c.oid = '"public"."orders"'::regclass);
    v_lend boolean := not has_schema_privilege(v_owner, 'holdfast', 'create');
begin
    if v_lend then
        execute format('grant create on schema holdfast to %I', v_owner);
    end if;
    execute format('alter function %s owner to %I', 'holdfast."soft_delete_follow_1"()', v_owner);
    if v_lend then
        execute format('revoke create on schema holdfast from %I', v_owner);
    end if;
end
$holdfast$;

revoke all on function holdfast."soft_delete_follow_1"() from public;

create or replace function holdfast."soft_delete_parent_1_1"()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $holdfast$
-- Refuses a living row of public.items under a deleted row of public.orders.
#variable_conflict use_variable
declare
    v_deleted_at timestamptz;
begin
    -- The same lock as the foreign key's own check takes: a delete of the parent waits for us, or we for it.
    select p."deleted_at" into v_deleted_at from "public"."orders" as p where p."id" = new."order_id" for key share;
    if v_deleted_at is not null then
        raise exception using errcode = 'HF201', constraint = 'items_order_id_fkey',
            message = 'A row of public.items cannot refer to a deleted row of public.orders (items_order_id_fkey).',
            hint = 'Restore the row of public.orders first, or refer to a living one.';
    end if;
    return null;
end
$holdfast$;

do $holdfast$
declare
    v_owner name := (select pg_get_userbyid(c.relowner) from pg_class as c
                     where c.oid = '"public"."orders"'::regclass);
    v_lend boolean := not has_schema_privilege(v_owner, 'holdfast', 'create');
begin
    if v_lend then
        execute format('grant create on schema holdfast to %I', v_owner);
    end if;
    execute format('alter function %s owner to %I', 'holdfast."soft_delete_parent_1_1"()', v_owner);
    if v_lend then
        execute format('revoke create on schema holdfast from %I', v_owner);
    end if;
end
$holdfast$;

revoke all on function holdfast."soft_delete_parent_1_1"() from public;

do $holdfast$
begin
    loop
        begin
            create or replace view "public"."orders_live" with (security_invoker = true) as
            select
            "id",
            "status",
            "total",
            "note",
            "email",
            "card",
            "deleted_at",
            "created_at",
            "updated_at",
            "version"
            from "public"."orders"
            where "deleted_at" is null;
            exit;
        exception
            -- A column that it shows is gone or has another name. Without CASCADE nothing goes along.
            when invalid_table_definition then
                drop view "public"."orders_live";
        end;
    end loop;
end
$holdfast$;

do $holdfast$
declare
    v_each record;
begin
    execute format('alter view %s owner to %I', '"public"."orders_live"', (
        select pg_get_userbyid(c.relowner) from pg_class as c
        where c.oid = '"public"."orders"'::regclass));
    for v_each in
        select coalesce(quote_ident(r.rolname), 'public') as grantee
        from (select a.grantee
        from pg_class as c
        cross join lateral aclexplode(c.relacl) as a
        where c.oid = '"public"."orders"'::regclass and a.privilege_type = 'SELECT' and a.grantee <> c.relowner
            and a.grantee <> (select n.nspowner from pg_namespace as n where n.nspname = 'holdfast')) as g
        left join pg_roles as r on r.oid = g.grantee
    loop
        execute format('grant select on %s to %s', '"public"."orders_live"', v_each.grantee);
    end loop;
end
$holdfast$;

comment on view "public"."orders_live" is 'holdfast: relation=1';

create or replace trigger "zz_holdfast_soft_delete_mark"
before update on "public"."orders"
for each row
when (new."deleted_at" is not null and old."deleted_at" is distinct from new."deleted_at" and (old."deleted_at" is not null or new."deleted_at" < statement_timestamp() or new."deleted_at" > statement_timestamp() + interval '1 second'))
execute function holdfast."soft_delete_mark_1"();

alter table "public"."orders" enable trigger "zz_holdfast_soft_delete_mark";

create or replace trigger "zz_holdfast_soft_delete_lock"
before update on "public"."orders"
for each row
when (old."deleted_at" is null and new."deleted_at" is not null)
execute function holdfast."soft_delete_lock_1"();

alter table "public"."orders" enable trigger "zz_holdfast_soft_delete_lock";

create or replace trigger "holdfast_soft_delete_follow"
after update on "public"."orders"
for each row
when (old."deleted_at" is distinct from new."deleted_at")
execute function holdfast."soft_delete_follow_1"();

alter table "public"."orders" enable trigger "holdfast_soft_delete_follow";

create or replace trigger "holdfast_soft_delete_parent_1_1_insert"
after insert on "public"."items"
for each row
when (new."order_id" is not null and new."deleted_at" is null)
execute function holdfast."soft_delete_parent_1_1"();

alter table "public"."items" enable trigger "holdfast_soft_delete_parent_1_1_insert";

create or replace trigger "holdfast_soft_delete_parent_1_1_update"
after update on "public"."items"
for each row
when (new."order_id" is not null and new."deleted_at" is null and (old."order_id" is distinct from new."order_id" or old."deleted_at" is not null))
execute function holdfast."soft_delete_parent_1_1"();

alter table "public"."items" enable trigger "holdfast_soft_delete_parent_1_1_update";
