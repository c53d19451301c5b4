create or replace function holdfast."record_insert_1"()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $holdfast$
-- Records each insert of public.orders.
#variable_conflict use_variable
-- round() is planned away: it refuses a column that is no number any more, whose text would be no JSON.
declare
    v_xid xid8;
    v_at timestamptz;
    v_key text;
    v_after text;
begin
    if current_setting('holdfast.xid', true) is distinct from pg_current_xact_id()::text then
        v_xid := holdfast.record_transaction();
    end if;
    begin
        v_key := case when true then new."id"::text else round(new."id")::text end;
        v_after := concat(
            '{"1":', case when true then new."id"::text else round(new."id")::text end,
            ',"2":', to_json(new."status"::text),
            ',"3":', coalesce(to_json(new."total"), 'null'),
            ',"4":', coalesce(to_json(new."note"::text), 'null'),
            ',"5":', coalesce(case when new."email" is not null then '"***"' end, 'null'),
            ',"7":', coalesce(to_json(new."deleted_at"), 'null'),
            ',"8":', to_json(new."created_at"),
            ',"9":', to_json(new."updated_at"),
            ',"10":', case when true then new."version"::text else round(new."version")::text end, '}'
        );
    exception when datatype_mismatch then
        -- A column's type was changed while this session lasts, and its expressions are of the old one.
        execute $query$
        select case when true then r."id"::text else round(r."id")::text end,
            concat(
            '{"1":', case when true then r."id"::text else round(r."id")::text end,
            ',"2":', to_json(r."status"::text),
            ',"3":', coalesce(to_json(r."total"), 'null'),
            ',"4":', coalesce(to_json(r."note"::text), 'null'),
            ',"5":', coalesce(case when r."email" is not null then '"***"' end, 'null'),
            ',"7":', coalesce(to_json(r."deleted_at"), 'null'),
            ',"8":', to_json(r."created_at"),
            ',"9":', to_json(r."updated_at"),
            ',"10":', case when true then r."version"::text else round(r."version")::text end, '}'
        )
        from (select ($1).*) as r
        $query$
        into v_key, v_after using new;
    end;
    v_xid := pg_current_xact_id();
    v_at := now();
    insert into holdfast.change (xid, at, relation, operation, key, key_last, before, after)
    values (v_xid, v_at, 1, 'I', v_key, null, null, v_after);
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
    v_xid xid8;
    v_at timestamptz;
    v_key text;
    v_before text;
    v_after text;
    v_moved_to text;
    v_unchanged boolean;
begin
    begin
        if not (old."id" = new."id") then
            v_key := case when true then old."id"::text else round(old."id")::text end;
            v_moved_to := case when true then new."id"::text else round(new."id")::text end;
            v_before := concat(
                '{"1":', case when true then old."id"::text else round(old."id")::text end,
                ',"2":', to_json(old."status"::text),
                ',"3":', coalesce(to_json(old."total"), 'null'),
                ',"4":', coalesce(to_json(old."note"::text), 'null'),
                ',"5":', coalesce(case when old."email" is not null then '"***"' end, 'null'),
                ',"7":', coalesce(to_json(old."deleted_at"), 'null'),
                ',"8":', to_json(old."created_at"),
                ',"9":', to_json(old."updated_at"),
                ',"10":', case when true then old."version"::text else round(old."version")::text end, '}'
            );
            v_after := concat(
                '{"1":', case when true then new."id"::text else round(new."id")::text end,
                ',"2":', to_json(new."status"::text),
                ',"3":', coalesce(to_json(new."total"), 'null'),
                ',"4":', coalesce(to_json(new."note"::text), 'null'),
                ',"5":', coalesce(case when new."email" is not null then '"***"' end, 'null'),
                ',"7":', coalesce(to_json(new."deleted_at"), 'null'),
                ',"8":', to_json(new."created_at"),
                ',"9":', to_json(new."updated_at"),
                ',"10":', case when true then new."version"::text else round(new."version")::text end, '}'
            );
        else
            if old."status" is distinct from new."status" then
                v_before := concat(v_before, ',"2":', coalesce(to_json(old."status"::text), 'null'));
                v_after := concat(v_after, ',"2":', coalesce(to_json(new."status"::text), 'null'));
            end if;
            if old."total" is distinct from new."total" then
                v_before := concat(v_before, ',"3":', coalesce(to_json(old."total"), 'null'));
                v_after := concat(v_after, ',"3":', coalesce(to_json(new."total"), 'null'));
            end if;
            if row(old."note")::record *<> row(new."note")::record then
                v_before := concat(v_before, ',"4":', coalesce(to_json(old."note"::text), 'null'));
                v_after := concat(v_after, ',"4":', coalesce(to_json(new."note"::text), 'null'));
            end if;
            if old."email" is distinct from new."email" then
                v_before := concat(v_before, ',"5":', coalesce(case when old."email" is not null then '"***"' end, 'null'));
                v_after := concat(v_after, ',"5":', coalesce(case when new."email" is not null then '"***"' end, 'null'));
            end if;
            if old."deleted_at" is distinct from new."deleted_at" then
                v_before := concat(v_before, ',"7":', coalesce(to_json(old."deleted_at"), 'null'));
                v_after := concat(v_after, ',"7":', coalesce(to_json(new."deleted_at"), 'null'));
            end if;
            if old."created_at" is distinct from new."created_at" then
                v_before := concat(v_before, ',"8":', coalesce(to_json(old."created_at"), 'null'));
                v_after := concat(v_after, ',"8":', coalesce(to_json(new."created_at"), 'null'));
            end if;
            if old."updated_at" is distinct from new."updated_at" then
                v_before := concat(v_before, ',"9":', coalesce(to_json(old."updated_at"), 'null'));
                v_after := concat(v_after, ',"9":', coalesce(to_json(new."updated_at"), 'null'));
            end if;
            if old."version" is distinct from new."version" then
                v_before := concat(v_before, ',"10":', coalesce(case when true then old."version"::text else round(old."version")::text end, 'null'));
                v_after := concat(v_after, ',"10":', coalesce(case when true then new."version"::text else round(new."version")::text end, 'null'));
            end if;
            if v_after is null then
                return null;
            end if;
            v_key := case when true then old."id"::text else round(old."id")::text end;
            v_before := '{' || substr(v_before, 2) || '}';
            v_after := '{' || substr(v_after, 2) || '}';
        end if;
    exception when datatype_mismatch then
        -- A column's type was changed while this session lasts, and its expressions are of the old one.
        execute $query$
        select case when true then o."id"::text else round(o."id")::text end,
            case when not (o."id" = n."id") then case when true then n."id"::text else round(n."id")::text end end,
            case when o."id" = n."id" then '{' || concat_ws(',',
            case when o."id" is distinct from n."id" then '"1":' || coalesce(case when true then o."id"::text else round(o."id")::text end, 'null') end,
            case when o."status" is distinct from n."status" then '"2":' || coalesce(to_json(o."status"::text)::text, 'null') end,
            case when o."total" is distinct from n."total" then '"3":' || coalesce(to_json(o."total")::text, 'null') end,
            case when row(o."note")::record *<> row(n."note")::record then '"4":' || coalesce(to_json(o."note"::text)::text, 'null') end,
            case when o."email" is distinct from n."email" then '"5":' || coalesce(case when o."email" is not null then '"***"' end, 'null') end,
            case when o."deleted_at" is distinct from n."deleted_at" then '"7":' || coalesce(to_json(o."deleted_at")::text, 'null') end,
            case when o."created_at" is distinct from n."created_at" then '"8":' || coalesce(to_json(o."created_at")::text, 'null') end,
            case when o."updated_at" is distinct from n."updated_at" then '"9":' || coalesce(to_json(o."updated_at")::text, 'null') end,
            case when o."version" is distinct from n."version" then '"10":' || coalesce(case when true then o."version"::text else round(o."version")::text end, 'null') end
        ) || '}' else concat(
            '{"1":', case when true then o."id"::text else round(o."id")::text end,
            ',"2":', to_json(o."status"::text),
            ',"3":', coalesce(to_json(o."total"), 'null'),
            ',"4":', coalesce(to_json(o."note"::text), 'null'),
            ',"5":', coalesce(case when o."email" is not null then '"***"' end, 'null'),
            ',"7":', coalesce(to_json(o."deleted_at"), 'null'),
            ',"8":', to_json(o."created_at"),
            ',"9":', to_json(o."updated_at"),
            ',"10":', case when true then o."version"::text else round(o."version")::text end, '}'
        ) end,
            case when o."id" = n."id" then '{' || concat_ws(',',
            case when o."id" is distinct from n."id" then '"1":' || coalesce(case when true then n."id"::text else round(n."id")::text end, 'null') end,
            case when o."status" is distinct from n."status" then '"2":' || coalesce(to_json(n."status"::text)::text, 'null') end,
            case when o."total" is distinct from n."total" then '"3":' || coalesce(to_json(n."total")::text, 'null') end,
            case when row(o."note")::record *<> row(n."note")::record then '"4":' || coalesce(to_json(n."note"::text)::text, 'null') end,
            case when o."email" is distinct from n."email" then '"5":' || coalesce(case when n."email" is not null then '"***"' end, 'null') end,
            case when o."deleted_at" is distinct from n."deleted_at" then '"7":' || coalesce(to_json(n."deleted_at")::text, 'null') end,
            case when o."created_at" is distinct from n."created_at" then '"8":' || coalesce(to_json(n."created_at")::text, 'null') end,
            case when o."updated_at" is distinct from n."updated_at" then '"9":' || coalesce(to_json(n."updated_at")::text, 'null') end,
            case when o."version" is distinct from n."version" then '"10":' || coalesce(case when true then n."version"::text else round(n."version")::text end, 'null') end
        ) || '}' else concat(
            '{"1":', case when true then n."id"::text else round(n."id")::text end,
            ',"2":', to_json(n."status"::text),
            ',"3":', coalesce(to_json(n."total"), 'null'),
            ',"4":', coalesce(to_json(n."note"::text), 'null'),
            ',"5":', coalesce(case when n."email" is not null then '"***"' end, 'null'),
            ',"7":', coalesce(to_json(n."deleted_at"), 'null'),
            ',"8":', to_json(n."created_at"),
            ',"9":', to_json(n."updated_at"),
            ',"10":', case when true then n."version"::text else round(n."version")::text end, '}'
        ) end,
            not (row(o."id", o."status", o."total", o."email", o."deleted_at", o."created_at", o."updated_at", o."version") is distinct from row(n."id", n."status", n."total", n."email", n."deleted_at", n."created_at", n."updated_at", n."version") or row(o."note")::record *<> row(n."note")::record)
        from (select ($1).*) as o, (select ($2).*) as n
        $query$
        into v_key, v_moved_to, v_before, v_after, v_unchanged using old, new;
        if v_unchanged then
            return null;
        end if;
    end;
    if current_setting('holdfast.xid', true) is distinct from pg_current_xact_id()::text then
        v_xid := holdfast.record_transaction();
    end if;
    v_xid := pg_current_xact_id();
    v_at := now();
    if v_moved_to is not null then
        -- The row went from one key to another: it left the one and came to the other.
        insert into holdfast.change (xid, at, relation, operation, key, key_last, before, after)
        values (v_xid, v_at, 1, 'U', v_key, null, v_before, null);
        insert into holdfast.change (xid, at, relation, operation, key, key_last, before, after)
        values (v_xid, v_at, 1, 'U', v_moved_to, null, null, v_after);
        return null;
    end if;
    insert into holdfast.change (xid, at, relation, operation, key, key_last, before, after)
    values (v_xid, v_at, 1, 'U', v_key, null, v_before, v_after);
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
    v_at timestamptz;
    v_key text;
    v_before text;
begin
    if current_setting('holdfast.xid', true) is distinct from pg_current_xact_id()::text then
        v_xid := holdfast.record_transaction();
    end if;
    begin
        v_key := case when true then old."id"::text else round(old."id")::text end;
        v_before := concat(
            '{"1":', case when true then old."id"::text else round(old."id")::text end,
            ',"2":', to_json(old."status"::text),
            ',"3":', coalesce(to_json(old."total"), 'null'),
            ',"4":', coalesce(to_json(old."note"::text), 'null'),
            ',"5":', coalesce(case when old."email" is not null then '"***"' end, 'null'),
            ',"7":', coalesce(to_json(old."deleted_at"), 'null'),
            ',"8":', to_json(old."created_at"),
            ',"9":', to_json(old."updated_at"),
            ',"10":', case when true then old."version"::text else round(old."version")::text end, '}'
        );
    exception when datatype_mismatch then
        -- A column's type was changed while this session lasts, and its expressions are of the old one.
        execute $query$
        select case when true then r."id"::text else round(r."id")::text end,
            concat(
            '{"1":', case when true then r."id"::text else round(r."id")::text end,
            ',"2":', to_json(r."status"::text),
            ',"3":', coalesce(to_json(r."total"), 'null'),
            ',"4":', coalesce(to_json(r."note"::text), 'null'),
            ',"5":', coalesce(case when r."email" is not null then '"***"' end, 'null'),
            ',"7":', coalesce(to_json(r."deleted_at"), 'null'),
            ',"8":', to_json(r."created_at"),
            ',"9":', to_json(r."updated_at"),
            ',"10":', case when true then r."version"::text else round(r."version")::text end, '}'
        )
        from (select ($1).*) as r
        $query$
        into v_key, v_before using old;
    end;
    v_xid := pg_current_xact_id();
    v_at := now();
    insert into holdfast.change (xid, at, relation, operation, key, key_last, before, after)
    values (v_xid, v_at, 1, 'D', v_key, null, v_before, null);
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
for each row
execute function holdfast."record_insert_1"();

alter table "public"."orders" enable trigger "holdfast_record_insert";

create or replace trigger "holdfast_record_update"
after update on "public"."orders"
for each row
execute function holdfast."record_update_1"();

alter table "public"."orders" enable trigger "holdfast_record_update";

create or replace trigger "holdfast_record_delete"
after delete on "public"."orders"
for each row
execute function holdfast."record_delete_1"();

alter table "public"."orders" enable trigger "holdfast_record_delete";

create or replace trigger "holdfast_record_truncate"
before truncate on "public"."orders"
for each statement
execute function holdfast."record_truncate_1"();

alter table "public"."orders" enable trigger "holdfast_record_truncate";
