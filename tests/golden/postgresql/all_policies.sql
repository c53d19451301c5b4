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
    v_operation "char";
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
                if v_after is null then
                    return null;
                end if;
                v_key := case when true then v_old."id"::text else round(v_old."id")::text end;
                v_operation := case when v_old."deleted_at" is null and v_new."deleted_at" is not null then 'S' when v_old."deleted_at" is not null and v_new."deleted_at" is null then 'R' else 'U' end;
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
            values (v_xid, v_at, 1, v_operation, v_key, null, v_before, v_after);
            return null;
        end if;
    end if;
    insert into holdfast.change (xid, at, relation, operation, key, key_last, before, after)
    select pg_current_xact_id(), now(), 1, case when o."id" is null or n."id" is null then 'U' else case when o."deleted_at" is null and n."deleted_at" is not null then 'S' when o."deleted_at" is not null and n."deleted_at" is null then 'R' else 'U' end end, case when o."id" is null then case when true then n."id"::text else round(n."id")::text end else case when true then o."id"::text else round(o."id")::text end end, null,
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
            case when o."deleted_at" is distinct from n."deleted_at" then '"7":' || coalesce(to_json(o."deleted_at")::text, 'null') end
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
            case when o."deleted_at" is distinct from n."deleted_at" then '"7":' || coalesce(to_json(n."deleted_at")::text, 'null') end
        ) || '}' end
    from old_rows as o
    full join new_rows as n on o."id" = n."id"
    where o."id" is null or n."id" is null
       or row(o."id", o."status", o."total", o."email", o."deleted_at") is distinct from row(n."id", n."status", n."total", n."email", n."deleted_at") or row(o."note")::record *<> row(n."note")::record;
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
    coalesce(
        (select l.at from holdfast.change as l
         where l.relation = 1 and l.key = p.key and l.id < p.first_id order by l.id desc limit 1),
        (case when d.document -> '8' is not null then (b."8")::timestamp with time zone when p.left_id is null then t."created_at" end)::timestamp with time zone) as "updated_at",
    (case when d.document -> '10' is not null then (b."10")::integer when p.left_id is null then t."version" end - (
        select count(*) from later as l
        where l.key = p.key and l.operation in ('U', 'S', 'R') and l.before is not null
            and (p.left_id is null or l.id < p.left_id)))::integer as "version"
from past as p
left join document as d on d.key = p.key
left join "public"."orders" as t on t."id" = (p.key)::integer
cross join lateral jsonb_to_record(coalesce(d.document, '{}')) as b ("1" text, "2" text, "3" text, "4" text, "5" text, "6" text, "7" text, "8" text, "9" text, "10" text)
where not p.came
$holdfast$;

revoke all on function holdfast.past_1() from public;

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
        if v_rows > 100 and not exists (
            select from unnest(string_to_array(replace(current_setting('holdfast.allow', true), ' ', ''), ',')) as a (word)
            where a.word = 'mass' or case when a.word ~ '^[0-9]+$' then a.word::numeric >= v_rows end
        ) then
            raise exception using errcode = 'HF204',
                message = concat('DELETE of public.orders would touch ', v_rows, ' rows; up to 100 are expected.'),
                hint = concat('If it is meant, say so first in the same transaction: SET LOCAL holdfast.allow = ''', v_rows, '''');
        end if;
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
    v_rows := coalesce(nullif(current_setting('holdfast.converted_1', true), '')::bigint, 0) + 1;
    perform set_config('holdfast.converted_1', v_rows::text, true);
    if v_rows > 100 and not exists (
        select from unnest(string_to_array(replace(current_setting('holdfast.allow', true), ' ', ''), ',')) as a (word)
        where a.word = 'mass' or case when a.word ~ '^[0-9]+$' then a.word::numeric >= v_rows end
    ) then
        raise exception using errcode = 'HF204',
            message = concat('DELETE of public.orders would touch ', 'at least ', v_rows, ' rows; up to 100 are expected.'),
            hint = concat('If it is meant, say so first in the same transaction: SET LOCAL holdfast.allow = ''', 'mass', '''');
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

create or replace function holdfast."soft_delete_reset_1"()
returns trigger
language plpgsql
as $holdfast$
-- Starts counting the rows that a DELETE of public.orders marks.
#variable_conflict use_variable
begin
    perform pg_catalog.set_config('holdfast.converted_1', '0', true);
    return null;
end
$holdfast$;

revoke all on function holdfast."soft_delete_reset_1"() from public;

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
            detail = pg_catalog.json_build_object('key', pg_catalog.to_json(old) -> 'id', 'expected', new."version", 'current', old."version")::text,
            hint = 'Read the row again and repeat the change on what it is now.';
    end if;
    new."created_at" := old."created_at";
    begin
        v_changed := row(old."id", old."status", old."total", old."email", old."card", old."deleted_at") is distinct from row(new."id", new."status", new."total", new."email", new."card", new."deleted_at") or row(old."note")::record *<> row(new."note")::record;
    exception when datatype_mismatch then
        -- A column's type was changed while this session lasts, and its expressions are of the old one.
        execute $query$
        select row(o."id", o."status", o."total", o."email", o."card", o."deleted_at") is distinct from row(n."id", n."status", n."total", n."email", n."card", n."deleted_at") or row(o."note")::record *<> row(n."note")::record
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

create or replace trigger "holdfast_soft_delete_reset"
before delete on "public"."orders"
for each statement
execute function holdfast."soft_delete_reset_1"();

alter table "public"."orders" enable trigger "holdfast_soft_delete_reset";

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
