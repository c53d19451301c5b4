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

create or replace function holdfast."soft_delete_collect_1"()
returns trigger
language plpgsql
as $holdfast$
-- Keeps a row of public.orders and notes where it is.
#variable_conflict use_variable
declare
    v_rows text := coalesce(current_setting('holdfast.deleted_1_a', true), '');
    v_more text;
begin
    if current_setting('holdfast.allow', true) like '%hard_delete%'
        and 'hard_delete' = any (string_to_array(replace(current_setting('holdfast.allow', true), ' ', ''), ',')) then
        return old;
    end if;
    if old."deleted_at" is not null then
        return null;
    end if;
    if v_rows = '' then
        -- The first row. An IF of its own: a condition that holds a query is a query for each row.
        if exists (select from pg_catalog.pg_inherits as i where i.inhrelid = tg_relid) then
            -- Nothing would mark what is noted here, for that is done where the statement was aimed at.
            raise exception using errcode = 'HF201',
                message = 'public.orders has become part of another table since it was protected.',
                hint = 'Protect the other table: holdfast protect.';
        end if;
    end if;
    if octet_length(v_rows) > 300 then
        v_more := coalesce(current_setting('holdfast.deleted_1_b', true), '') || v_rows;
        v_rows := '';
        if octet_length(v_more) > 50000 then
            v_more := set_config('holdfast.deleted_1_c', coalesce(current_setting('holdfast.deleted_1_c', true), '') || v_more, true);
            v_more := '';
        end if;
        v_more := set_config('holdfast.deleted_1_b', v_more, true);
    end if;
    v_rows := set_config('holdfast.deleted_1_a', v_rows || ',' || old.ctid::text, true);
    return null;
end
$holdfast$;

revoke all on function holdfast."soft_delete_collect_1"() from public;

create or replace function holdfast."soft_delete_check_1"()
returns trigger
language plpgsql
as $holdfast$
-- Keeps row security whole for a DELETE of public.orders.
#variable_conflict use_variable
declare
    v_noted text;
begin
    if pg_catalog.row_security_active(tg_relid) then
        -- Only the row triggers know which rows this user may delete; what stands in the settings is not theirs.
    v_noted := pg_catalog.set_config('holdfast.deleted_1_c', '', true);
    v_noted := pg_catalog.set_config('holdfast.deleted_1_b', '', true);
    v_noted := pg_catalog.set_config('holdfast.deleted_1_a', '', true);
    end if;
    return null;
end
$holdfast$;

revoke all on function holdfast."soft_delete_check_1"() from public;

create or replace function holdfast."soft_delete_flush_1"()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $holdfast$
-- Marks the rows that a DELETE of public.orders is about.
#variable_conflict use_variable
declare
    v_noted text := current_setting('holdfast.deleted_1_a', true);
    v_places tid[];
    v_rows bigint := 1;
    v_marked bigint := 0;
    v_more bigint;
    v_mark timestamptz;
begin
    if v_noted <> '' then
        v_noted := concat(current_setting('holdfast.deleted_1_c', true), current_setting('holdfast.deleted_1_b', true), v_noted);
    else
        return null;
    end if;
    v_mark := to_timestamp(nullif(current_setting('holdfast.last_mark', true), '')::bigint / 1000000.0);
    v_mark := greatest(statement_timestamp(), case
        when v_mark < statement_timestamp() + interval '1 second' then v_mark + interval '1 microsecond'
    end);
    v_noted := v_noted || left(
        set_config('holdfast.last_mark', (extract(epoch from v_mark) * 1000000)::bigint::text, true), 0);
    v_places := ('{' || replace(replace(substr(v_noted, 2), '(', '"('), ')', ')"') || '}')::tid[];
    v_noted := pg_catalog.set_config('holdfast.deleted_1_c', '', true);
    v_noted := pg_catalog.set_config('holdfast.deleted_1_b', '', true);
    v_noted := pg_catalog.set_config('holdfast.deleted_1_a', '', true);
    if v_places[2] is not null then
        v_rows := cardinality(v_places);
    end if;
    if tg_table_name = 'orders' and tg_table_schema = 'public' then
        if v_rows = 1 then
            -- One row needs no plan that depends on how many there are.
            update "public"."orders" as t
            set "deleted_at" = v_mark
            where t.ctid = v_places[1] and t."deleted_at" is null;
        else
            update "public"."orders" as t
            set "deleted_at" = v_mark
            where t.ctid = any (v_places) and t."deleted_at" is null;
        end if;
        get diagnostics v_marked = row_count;
    end if;
    if v_marked < v_rows then
        -- Another trigger of this very statement has updated some of them: find where they are now. Or the table was renamed.
        execute format(
            'update only %1$s as t set %2$I = $1 where t.%2$I is null and t.ctid = any (array('
            'select currtid2(%1$L, place) from unnest($2) as place))', tg_relid::regclass, 'deleted_at')
        using v_mark, v_places;
        get diagnostics v_more = row_count;
        if v_marked + v_more = 0 and row_security_active(tg_relid) then
            raise exception using errcode = 'HF203',
                message = 'Rows of public.orders are to be marked, and row security hides them from its owner.',
                hint = 'Name the tenant first: select holdfast.set_context(tenant => …). What is for all tenants asks for roles of their own: holdfast roles.';
        end if;
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
    execute format('alter function %s owner to %I', 'holdfast."soft_delete_flush_1"()', v_owner);
    if v_lend then
        execute format('revoke create on schema holdfast from %I', v_owner);
    end if;
end
$holdfast$;

revoke all on function holdfast."soft_delete_flush_1"() from public;

create or replace function holdfast."soft_delete_convert_1"()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $holdfast$
-- Turns a DELETE of a row of public.orders into the mark.
#variable_conflict use_variable
declare
    v_rows bigint;
    v_marked bigint := 0;
begin
    if current_setting('holdfast.allow', true) like '%hard_delete%'
        and 'hard_delete' = any (string_to_array(replace(current_setting('holdfast.allow', true), ' ', ''), ',')) then
        return old;
    end if;
    if old."deleted_at" is not null then
        return null;
    end if;
    if tg_table_name = 'orders' and tg_table_schema = 'public' then
        update "public"."orders" as t
        set "deleted_at" = statement_timestamp()
        where t.tableoid = tg_relid and t.ctid = old.ctid;
        get diagnostics v_marked = row_count;
    end if;
    if v_marked = 0 then
        -- An IF of its own: a condition that holds a query is a query for each row.
        if not exists (
            with recursive above as (
                select tg_relid as oid
                union
                select i.inhparent from above as a join pg_inherits as i on i.inhrelid = a.oid
            )
            select from above as a where a.oid = to_regclass('"public"."orders"')
        ) then
            execute format(
                'update only %s as t set %I = statement_timestamp() where t.ctid = $1',
                tg_relid::regclass, 'deleted_at') using old.ctid;
            get diagnostics v_marked = row_count;
        end if;
        if v_marked = 0 and row_security_active(tg_relid) then
            raise exception using errcode = 'HF203',
                message = 'Rows of public.orders are to be marked, and row security hides them from its owner.',
                hint = 'Name the tenant first: select holdfast.set_context(tenant => …). What is for all tenants asks for roles of their own: holdfast roles.';
        end if;
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
    execute format('alter function %s owner to %I', 'holdfast."soft_delete_convert_1"()', v_owner);
    if v_lend then
        execute format('revoke create on schema holdfast from %I', v_owner);
    end if;
end
$holdfast$;

revoke all on function holdfast."soft_delete_convert_1"() from public;

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

create or replace trigger "zz_holdfast_soft_delete_mark"
before update on "public"."orders"
for each row
when (new."deleted_at" is not null and old."deleted_at" is distinct from new."deleted_at" and (old."deleted_at" is not null or new."deleted_at" < statement_timestamp() or new."deleted_at" > statement_timestamp() + interval '1 second'))
execute function holdfast."soft_delete_mark_1"();

alter table "public"."orders" enable trigger "zz_holdfast_soft_delete_mark";

create or replace trigger "zz_holdfast_soft_delete"
before delete on "public"."orders"
for each row
when (not row_security_active(old.tableoid))
execute function holdfast."soft_delete_collect_1"();

alter table "public"."orders" enable trigger "zz_holdfast_soft_delete";

create or replace trigger "holdfast_soft_delete_1_check"
after delete on "public"."orders"
for each statement
execute function holdfast."soft_delete_check_1"();

alter table "public"."orders" enable trigger "holdfast_soft_delete_1_check";

create or replace trigger "holdfast_soft_delete_2_flush"
after delete on "public"."orders"
for each statement
execute function holdfast."soft_delete_flush_1"();

alter table "public"."orders" enable trigger "holdfast_soft_delete_2_flush";

create or replace trigger "zz_holdfast_soft_delete_row"
before delete on "public"."orders"
for each row
when (row_security_active(old.tableoid))
execute function holdfast."soft_delete_convert_1"();

alter table "public"."orders" enable trigger "zz_holdfast_soft_delete_row";

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

create or replace trigger "holdfast_guard_truncate"
before truncate on "public"."orders"
for each statement
execute function holdfast."guard_truncate_1"();

alter table "public"."orders" enable trigger "holdfast_guard_truncate";
