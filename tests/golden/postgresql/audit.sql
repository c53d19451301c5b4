create or replace function holdfast."record_insert_1"()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $holdfast$
-- Records each insert of public.orders.
#variable_conflict use_variable
declare
    v_first bigint;
    v_last bigint;
    v_rows bigint;
    v_several boolean;
    v_xid xid8;
    v_at timestamptz;
    v_key text;
begin
    -- Times 1, for a key that is no number any more is to be refused and not read as one.
    select n."id" * 1, exists (select from new_rows offset 1) into v_first, v_several from new_rows as n;
    if not found then
        return null;
    end if;
    if current_setting('holdfast.xid', true) is distinct from pg_current_xact_id()::text then
        v_xid := holdfast.record_transaction();
    end if;
    if not v_several then
        v_xid := pg_current_xact_id();
        v_at := now();
        v_key := v_first::text;
        insert into holdfast.change (xid, at, relation, operation, key, key_last, before, after)
        values (v_xid, v_at, 1, 'I', v_key, null, null, null);
        return null;
    end if;
    select min(n."id"), max(n."id"), count(*) into v_first, v_last, v_rows from new_rows as n;
    insert into holdfast.change (xid, at, relation, operation, key, key_last, before, after)
    select pg_current_xact_id(), now(), 1, 'I', run.first_key::text,
           nullif(run.last_key, run.first_key), null, null
    from (
        select min(island.key) as first_key, max(island.key) as last_key
        from (
            select n."id"::bigint as key, n."id"::numeric - row_number() over (order by n."id") as run
            from new_rows as n
            where v_last::numeric - v_first + 1 <> v_rows
        ) as island
        group by island.run, island.key >> 10
        union all
        select greatest(v_first, block.number << 10), least(v_last, block.number << 10 | 1023)
        from generate_series(v_first >> 10, v_last >> 10) as block (number)
        where v_last::numeric - v_first + 1 = v_rows
    ) as run
    order by run.first_key;
    return null;
end
$holdfast$;

revoke all on function holdfast."record_insert_1"() from public;

create or replace function holdfast."record_update_1"()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $holdfast$
-- Records each update of public.orders.
#variable_conflict use_variable
-- round() is planned away: it refuses a column that is no number any more, whose text would be no JSON.
declare
    v_old record;
    v_new record;
    v_xid xid8;
    v_at timestamptz;
    v_key text;
    v_before text;
    v_after text;
begin
    perform 1 from new_rows offset 1;
    if not found then
        select * into v_old from old_rows;
        if not found then
            return null;
        end if;
        select * into v_new from new_rows;
        begin
            if v_old."id" = v_new."id" then
                if v_old."status" is distinct from v_new."status" then
                    v_before := concat(v_before, ',"2":', coalesce(to_json(v_old."status"::text), 'null'));
                    v_after := concat(v_after, ',"2":', coalesce(to_json(v_new."status"::text), 'null'));
                end if;
                if v_old."total" is distinct from v_new."total" then
                    v_before := concat(v_before, ',"3":', coalesce(to_json(v_old."total"), 'null'));
                    v_after := concat(v_after, ',"3":', coalesce(to_json(v_new."total"), 'null'));
                end if;
                if row(v_old."note")::record *<> row(v_new."note")::record then
                    v_before := concat(v_before, ',"4":', coalesce(to_json(v_old."note"::text), 'null'));
                    v_after := concat(v_after, ',"4":', coalesce(to_json(v_new."note"::text), 'null'));
                end if;
                if v_old."email" is distinct from v_new."email" then
                    v_before := concat(v_before, ',"5":', coalesce(case when v_old."email" is not null then '"***"' end, 'null'));
                    v_after := concat(v_after, ',"5":', coalesce(case when v_new."email" is not null then '"***"' end, 'null'));
                end if;
                if v_old."deleted_at" is distinct from v_new."deleted_at" then
                    v_before := concat(v_before, ',"7":', coalesce(to_json(v_old."deleted_at"), 'null'));
                    v_after := concat(v_after, ',"7":', coalesce(to_json(v_new."deleted_at"), 'null'));
                end if;
                if v_old."created_at" is distinct from v_new."created_at" then
                    v_before := concat(v_before, ',"8":', coalesce(to_json(v_old."created_at"), 'null'));
                    v_after := concat(v_after, ',"8":', coalesce(to_json(v_new."created_at"), 'null'));
                end if;
                if v_old."updated_at" is distinct from v_new."updated_at" then
                    v_before := concat(v_before, ',"9":', coalesce(to_json(v_old."updated_at"), 'null'));
                    v_after := concat(v_after, ',"9":', coalesce(to_json(v_new."updated_at"), 'null'));
                end if;
                if v_old."version" is distinct from v_new."version" then
                    v_before := concat(v_before, ',"10":', coalesce(case when true then v_old."version"::text else round(v_old."version")::text end, 'null'));
                    v_after := concat(v_after, ',"10":', coalesce(case when true then v_new."version"::text else round(v_new."version")::text end, 'null'));
                end if;
                if v_after is null then
                    return null;
                end if;
                v_key := case when true then v_old."id"::text else round(v_old."id")::text end;
                v_before := '{' || substr(v_before, 2) || '}';
                v_after := '{' || substr(v_after, 2) || '}';
            end if;
        exception when datatype_mismatch then
            -- A column's type was changed while this session lasts, and its expressions are of the old one.
            v_key := null;
        end;
        if v_key is not null then
            if current_setting('holdfast.xid', true) is distinct from pg_current_xact_id()::text then
                v_xid := holdfast.record_transaction();
            end if;
            v_xid := pg_current_xact_id();
            v_at := now();
            insert into holdfast.change (xid, at, relation, operation, key, key_last, before, after)
            values (v_xid, v_at, 1, 'U', v_key, null, v_before, v_after);
            return null;
        end if;
    end if;
    insert into holdfast.change (xid, at, relation, operation, key, key_last, before, after)
    select pg_current_xact_id(), now(), 1, 'U', case when o."id" is null then case when true then n."id"::text else round(n."id")::text end else case when true then o."id"::text else round(o."id")::text end end, null,
        case when o."id" is null then null
        when n."id" is null then concat(
            '{"1":', case when true then o."id"::text else round(o."id")::text end,
            ',"2":', to_json(o."status"::text),
            ',"3":', coalesce(to_json(o."total"), 'null'),
            ',"4":', coalesce(to_json(o."note"::text), 'null'),
            ',"5":', coalesce(case when o."email" is not null then '"***"' end, 'null'),
            ',"7":', coalesce(to_json(o."deleted_at"), 'null'),
            ',"8":', to_json(o."created_at"),
            ',"9":', to_json(o."updated_at"),
            ',"10":', case when true then o."version"::text else round(o."version")::text end, '}'
        )
        else '{' || concat_ws(',',
            case when o."id" is distinct from n."id" then '"1":' || coalesce(case when true then o."id"::text else round(o."id")::text end, 'null') end,
            case when o."status" is distinct from n."status" then '"2":' || coalesce(to_json(o."status"::text)::text, 'null') end,
            case when o."total" is distinct from n."total" then '"3":' || coalesce(to_json(o."total")::text, 'null') end,
            case when row(o."note")::record *<> row(n."note")::record then '"4":' || coalesce(to_json(o."note"::text)::text, 'null') end,
            case when o."email" is distinct from n."email" then '"5":' || coalesce(case when o."email" is not null then '"***"' end, 'null') end,
            case when o."deleted_at" is distinct from n."deleted_at" then '"7":' || coalesce(to_json(o."deleted_at")::text, 'null') end,
            case when o."created_at" is distinct from n."created_at" then '"8":' || coalesce(to_json(o."created_at")::text, 'null') end,
            case when o."updated_at" is distinct from n."updated_at" then '"9":' || coalesce(to_json(o."updated_at")::text, 'null') end,
            case when o."version" is distinct from n."version" then '"10":' || coalesce(case when true then o."version"::text else round(o."version")::text end, 'null') end
        ) || '}' end,
        case when n."id" is null then null
        when o."id" is null then concat(
            '{"1":', case when true then n."id"::text else round(n."id")::text end,
            ',"2":', to_json(n."status"::text),
            ',"3":', coalesce(to_json(n."total"), 'null'),
            ',"4":', coalesce(to_json(n."note"::text), 'null'),
            ',"5":', coalesce(case when n."email" is not null then '"***"' end, 'null'),
            ',"7":', coalesce(to_json(n."deleted_at"), 'null'),
            ',"8":', to_json(n."created_at"),
            ',"9":', to_json(n."updated_at"),
            ',"10":', case when true then n."version"::text else round(n."version")::text end, '}'
        )
        else '{' || concat_ws(',',
            case when o."id" is distinct from n."id" then '"1":' || coalesce(case when true then n."id"::text else round(n."id")::text end, 'null') end,
            case when o."status" is distinct from n."status" then '"2":' || coalesce(to_json(n."status"::text)::text, 'null') end,
            case when o."total" is distinct from n."total" then '"3":' || coalesce(to_json(n."total")::text, 'null') end,
            case when row(o."note")::record *<> row(n."note")::record then '"4":' || coalesce(to_json(n."note"::text)::text, 'null') end,
            case when o."email" is distinct from n."email" then '"5":' || coalesce(case when n."email" is not null then '"***"' end, 'null') end,
            case when o."deleted_at" is distinct from n."deleted_at" then '"7":' || coalesce(to_json(n."deleted_at")::text, 'null') end,
            case when o."created_at" is distinct from n."created_at" then '"8":' || coalesce(to_json(n."created_at")::text, 'null') end,
            case when o."updated_at" is distinct from n."updated_at" then '"9":' || coalesce(to_json(n."updated_at")::text, 'null') end,
            case when o."version" is distinct from n."version" then '"10":' || coalesce(case when true then n."version"::text else round(n."version")::text end, 'null') end
        ) || '}' end
    from old_rows as o
    full join new_rows as n on o."id" = n."id"
    where o."id" is null or n."id" is null
       or row(o."id", o."status", o."total", o."email", o."deleted_at", o."created_at", o."updated_at", o."version") is distinct from row(n."id", n."status", n."total", n."email", n."deleted_at", n."created_at", n."updated_at", n."version") or row(o."note")::record *<> row(n."note")::record;
    if found then
        if current_setting('holdfast.xid', true) is distinct from pg_current_xact_id()::text then
            v_xid := holdfast.record_transaction();
        end if;
    end if;
    return null;
end
$holdfast$;

revoke all on function holdfast."record_update_1"() from public;

create or replace function holdfast."record_delete_1"()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $holdfast$
-- Records each delete of public.orders.
#variable_conflict use_variable
-- round() is planned away: it refuses a column that is no number any more, whose text would be no JSON.
declare
    v_xid xid8;
begin
    insert into holdfast.change (xid, at, relation, operation, key, key_last, before, after)
    select pg_current_xact_id(), now(), 1, 'D', case when true then o."id"::text else round(o."id")::text end, null,
        concat(
            '{"1":', case when true then o."id"::text else round(o."id")::text end,
            ',"2":', to_json(o."status"::text),
            ',"3":', coalesce(to_json(o."total"), 'null'),
            ',"4":', coalesce(to_json(o."note"::text), 'null'),
            ',"5":', coalesce(case when o."email" is not null then '"***"' end, 'null'),
            ',"7":', coalesce(to_json(o."deleted_at"), 'null'),
            ',"8":', to_json(o."created_at"),
            ',"9":', to_json(o."updated_at"),
            ',"10":', case when true then o."version"::text else round(o."version")::text end, '}'
        ),
        null
    from old_rows as o;
    if found then
        if current_setting('holdfast.xid', true) is distinct from pg_current_xact_id()::text then
            v_xid := holdfast.record_transaction();
        end if;
    end if;
    return null;
end
$holdfast$;

revoke all on function holdfast."record_delete_1"() from public;

create or replace function holdfast."record_truncate_1"()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set row_security = 'off'
as $holdfast$
-- Records each truncate of public.orders.
#variable_conflict use_variable
-- round() is planned away: it refuses a column that is no number any more, whose text would be no JSON.
declare
    v_rows bigint;
    v_missed text;
    v_xid xid8;
begin
    -- What was made below the table since has no trigger that would record its rows. A TRUNCATE has locked all that it
    -- reaches; TRUNCATE ONLY leaves what inherits alone.
    with recursive below as (
        select i.inhrelid as oid from pg_inherits as i where i.inhparent = tg_relid
        union
        select i.inhrelid from below as b join pg_inherits as i on i.inhparent = b.oid
    )
    select string_agg(b.oid::regclass::text, ', ' order by b.oid::regclass::text) into v_missed
    from below as b
    join pg_class as c on c.oid = b.oid
    where c.relkind <> 'p'
        and not exists (
            select from pg_trigger as t
            where t.tgrelid = b.oid and t.tgname = 'holdfast_record_truncate' and t.tgenabled in ('O', 'A'))
        and exists (
            select from pg_locks as l
            where l.locktype = 'relation' and l.relation = b.oid and l.mode = 'AccessExclusiveLock' and l.granted
                and l.pid = pg_backend_pid()
                and l.database = (select d.oid from pg_database as d where d.datname = current_database()));
    if v_missed is not null then
        raise exception using errcode = 'HF201',
            message = concat('TRUNCATE of public.orders would remove rows unrecorded: of ', v_missed, '.'),
            hint = 'Protect these tables too, or leave them as they are with TRUNCATE ONLY public.orders.';
    end if;
    if (select c.relkind = 'p' from pg_class as c where c.oid = tg_relid) then
        -- Its rows are in the partitions, which record them.
        return null;
    end if;
    execute format('insert into holdfast.change (xid, at, relation, operation, key, key_last, before, after)
select pg_current_xact_id(), now(), 1, ''T'', case when true then o."id"::text else round(o."id")::text end, null,
    concat(
        ''{"1":'', case when true then o."id"::text else round(o."id")::text end,
        '',"2":'', to_json(o."status"::text),
        '',"3":'', coalesce(to_json(o."total"), ''null''),
        '',"4":'', coalesce(to_json(o."note"::text), ''null''),
        '',"5":'', coalesce(case when o."email" is not null then ''"***"'' end, ''null''),
        '',"7":'', coalesce(to_json(o."deleted_at"), ''null''),
        '',"8":'', to_json(o."created_at"),
        '',"9":'', to_json(o."updated_at"),
        '',"10":'', case when true then o."version"::text else round(o."version")::text end, ''}''
    ),
    null
from only %I.%I as o', tg_table_schema, tg_table_name);
    get diagnostics v_rows = row_count;
    if v_rows > 0 then
        if current_setting('holdfast.xid', true) is distinct from pg_current_xact_id()::text then
            v_xid := holdfast.record_transaction();
        end if;
    end if;
    return null;
end
$holdfast$;

revoke all on function holdfast."record_truncate_1"() from public;

create or replace function holdfast.past_1()
returns setof record
language sql stable
as $holdfast$
-- public.orders as it was at holdfast.as_of.
with later as materialized (
    select e.id, e.operation, e.before, k.key
    from (
        select c.id, c.operation, c.key, c.key_last, c.before
        from holdfast.change as c
        where c.relation = 1 and c.at > current_setting('holdfast.as_of')::timestamptz
        union all
        select c.id, c.operation, c.key, c.key_last, c.before
        from holdfast.transaction as t
        join holdfast.change as c on c.xid = t.xid and c.at = t.at
        where t.at <= current_setting('holdfast.as_of')::timestamptz and t.committed > current_setting('holdfast.as_of')::timestamptz and c.relation = 1
            and c.at <= current_setting('holdfast.as_of')::timestamptz and c.at >= (
                select min(f.at) from holdfast.transaction as f where f.at <= current_setting('holdfast.as_of')::timestamptz and f.committed > current_setting('holdfast.as_of')::timestamptz)
    ) as e
    -- A run of inserted keys is one change.
    cross join lateral (
        select e.key as key where e.key_last is null
        union all
        select run.key::text
        from generate_series(case when e.key_last is not null then e.key::bigint end, e.key_last) as run (key)
    ) as k
),
past as materialized (
    select l.key, min(l.id) as first_id,
        (array_agg((l.operation = 'I' or l.operation = 'U' and l.before is null) order by l.id))[1] as came,
        min(l.id) filter (where l.operation in ('D', 'T')) as left_id
    from later as l
    group by l.key
),
-- The oldest value of each column is what it was; what came to the key after the row had left is another row.
document as (
    select d.key, jsonb_object_agg(d.name, case jsonb_typeof(d.value) when 'object' then 'null' else d.value end) as document
    from (
        select distinct on (l.key, v.key) l.key, v.key as name, v.value::jsonb as value
        from later as l
        join past as p on p.key = l.key
        cross join lateral json_each(l.before::json) as v
        where l.before is not null and (p.left_id is null or l.id <= p.left_id)
        order by l.key, v.key, l.id
    ) as d
    group by d.key
)
select t."id" as "id",
    t."status" as "status",
    t."total" as "total",
    t."note" as "note",
    t."email" as "email",
    null::text as "card",
    t."deleted_at" as "deleted_at",
    t."created_at" as "created_at",
    t."updated_at" as "updated_at",
    t."version" as "version"
from "public"."orders" as t
where not exists (select from past as p where t."id" = (p.key)::integer)
union all
select (case when d.document -> '1' is not null then (b."1")::integer when p.left_id is null then t."id" end)::integer as "id",
    (case when d.document -> '2' is not null then (b."2")::text when p.left_id is null then t."status" end)::text as "status",
    (case when d.document -> '3' is not null then (b."3")::numeric(10,2) when p.left_id is null then t."total" end)::numeric(10,2) as "total",
    (case when d.document -> '4' is not null then (b."4")::jsonb when p.left_id is null then t."note" end)::jsonb as "note",
    case when p.left_id is null and not coalesce(d.document -> '5' is not null, false) then t."email" end as "email",
    null::text as "card",
    (case when d.document -> '7' is not null then (b."7")::timestamp with time zone when p.left_id is null then t."deleted_at" end)::timestamp with time zone as "deleted_at",
    (case when d.document -> '8' is not null then (b."8")::timestamp with time zone when p.left_id is null then t."created_at" end)::timestamp with time zone as "created_at",
    (case when d.document -> '9' is not null then (b."9")::timestamp with time zone when p.left_id is null then t."updated_at" end)::timestamp with time zone as "updated_at",
    (case when d.document -> '10' is not null then (b."10")::integer when p.left_id is null then t."version" end)::integer as "version"
from past as p
left join document as d on d.key = p.key
left join "public"."orders" as t on t."id" = (p.key)::integer
cross join lateral jsonb_to_record(coalesce(d.document, '{}')) as b ("1" text, "2" text, "3" text, "4" text, "5" text, "6" text, "7" text, "8" text, "9" text, "10" text)
where not p.came
$holdfast$;

revoke all on function holdfast.past_1() from public;

create or replace trigger "holdfast_record_insert"
after insert on "public"."orders"
referencing new table as new_rows
for each statement
execute function holdfast."record_insert_1"();

alter table "public"."orders" enable trigger "holdfast_record_insert";

create or replace trigger "holdfast_record_update"
after update on "public"."orders"
referencing old table as old_rows new table as new_rows
for each statement
execute function holdfast."record_update_1"();

alter table "public"."orders" enable trigger "holdfast_record_update";

create or replace trigger "holdfast_record_delete"
after delete on "public"."orders"
referencing old table as old_rows
for each statement
execute function holdfast."record_delete_1"();

alter table "public"."orders" enable trigger "holdfast_record_delete";

create or replace trigger "holdfast_record_truncate"
before truncate on "public"."orders"
for each statement
execute function holdfast."record_truncate_1"();

alter table "public"."orders" enable trigger "holdfast_record_truncate";
