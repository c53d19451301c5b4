drop trigger if exists main."holdfast_watch_insert_1";

create trigger main."holdfast_watch_insert_1"
before insert on "orders"
for each row
when (exists (select 1 from "orders" as t where t."id" = new."id"))
begin
-- holdfast: keeps aside what an insert of 'orders' may replace
update holdfast_statement
set number = number + 1,
    at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'),
    total = total_changes() + 1,
    clock = max(clock + 1, (cast(strftime('%s', 'now') as integer) * 1000000 + cast(substr(strftime('%f', 'now'), 4) as integer) * 1000)),
    keeping = null,
    reviving = 0,
    mixed = case when at is strftime('%Y-%m-%dT%H:%M:%fZ', 'now') then mixed else 2 * exists (
        select 1 from sqlite_schema as s where s.type = 'trigger' and s.name not glob 'holdfast_*'
    ) + exists (
        select 1 from sqlite_schema as s
        where s.type = 'table' and (
            instr(lower(s.sql), 'cascade')
            or lower(s.sql) glob '*set[^!-,.0-~]*' and lower(s.sql) glob '*on[^!-,.0-~]*[du][ep][ld][ea]te*[^!-,.0-~]set[^!-,.0-~]*')
    ) end
where at is not strftime('%Y-%m-%dT%H:%M:%fZ', 'now') or not mixed and total is not total_changes();
delete from holdfast_replaced where relation = 1 and statement <> (select number from holdfast_statement);
delete from holdfast_replaced
where relation = 1 and not not exists (select 1 from "orders" as t where t."id" is (select k.value from holdfast_replaced as k where k.relation = 1 and k.key is holdfast_replaced.key and k.column_id = 1) and (t."id" collate binary is (select k.value from holdfast_replaced as k where k.relation = 1 and k.key is holdfast_replaced.key and k.column_id = 1) and typeof(t."id") = typeof((select k.value from holdfast_replaced as k where k.relation = 1 and k.key is holdfast_replaced.key and k.column_id = 1))));
delete from holdfast_replaced
where relation = 1
    and key in (select t."id" from "orders" as t where (t."id" = new."id"));
insert into holdfast_replaced (relation, statement, start, key, column_id, value)
select 1, s.number, s.event, t."id", 1, t."id"
from "orders" as t, holdfast_statement as s
where (t."id" = new."id")
union all
select 1, s.number, s.event, t."id", 2, t."status"
from "orders" as t, holdfast_statement as s
where (t."id" = new."id")
union all
select 1, s.number, s.event, t."id", 3, t."total"
from "orders" as t, holdfast_statement as s
where (t."id" = new."id")
union all
select 1, s.number, s.event, t."id", 4, t."note"
from "orders" as t, holdfast_statement as s
where (t."id" = new."id")
union all
select 1, s.number, s.event, t."id", 5, case when t."email" is not null then '***' end
from "orders" as t, holdfast_statement as s
where (t."id" = new."id")
union all
select 1, s.number, s.event, t."id", 7, t."deleted_at"
from "orders" as t, holdfast_statement as s
where (t."id" = new."id")
union all
select 1, s.number, s.event, t."id", 8, t."created_at"
from "orders" as t, holdfast_statement as s
where (t."id" = new."id")
union all
select 1, s.number, s.event, t."id", 9, t."updated_at"
from "orders" as t, holdfast_statement as s
where (t."id" = new."id")
union all
select 1, s.number, s.event, t."id", 10, t."version"
from "orders" as t, holdfast_statement as s
where (t."id" = new."id");
update holdfast_statement set total = total_changes() + 1;
end;

drop trigger if exists main."holdfast_watch_update_1";

create trigger main."holdfast_watch_update_1"
before update on "orders"
for each row
when (old."id" is not new."id" and exists (select 1 from "orders" as t where t."id" = new."id" and not (t."id" collate binary is old."id" and typeof(t."id") = typeof(old."id"))))
begin
-- holdfast: keeps aside what an update of 'orders' may replace
update holdfast_statement
set number = number + 1,
    at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'),
    total = total_changes() + 1,
    clock = max(clock + 1, (cast(strftime('%s', 'now') as integer) * 1000000 + cast(substr(strftime('%f', 'now'), 4) as integer) * 1000)),
    keeping = null,
    reviving = 0,
    mixed = case when at is strftime('%Y-%m-%dT%H:%M:%fZ', 'now') then mixed else 2 * exists (
        select 1 from sqlite_schema as s where s.type = 'trigger' and s.name not glob 'holdfast_*'
    ) + exists (
        select 1 from sqlite_schema as s
        where s.type = 'table' and (
            instr(lower(s.sql), 'cascade')
            or lower(s.sql) glob '*set[^!-,.0-~]*' and lower(s.sql) glob '*on[^!-,.0-~]*[du][ep][ld][ea]te*[^!-,.0-~]set[^!-,.0-~]*')
    ) end
where at is not strftime('%Y-%m-%dT%H:%M:%fZ', 'now') or not mixed and total is not total_changes();
delete from holdfast_replaced where relation = 1 and statement <> (select number from holdfast_statement);
delete from holdfast_replaced
where relation = 1
    and key in (select t."id" from "orders" as t where (old."id" is not new."id" and t."id" = new."id" and not (t."id" collate binary is old."id" and typeof(t."id") = typeof(old."id"))));
insert into holdfast_replaced (relation, statement, start, key, column_id, value)
select 1, s.number, s.event, t."id", 1, t."id"
from "orders" as t, holdfast_statement as s
where (old."id" is not new."id" and t."id" = new."id" and not (t."id" collate binary is old."id" and typeof(t."id") = typeof(old."id")))
union all
select 1, s.number, s.event, t."id", 2, t."status"
from "orders" as t, holdfast_statement as s
where (old."id" is not new."id" and t."id" = new."id" and not (t."id" collate binary is old."id" and typeof(t."id") = typeof(old."id")))
union all
select 1, s.number, s.event, t."id", 3, t."total"
from "orders" as t, holdfast_statement as s
where (old."id" is not new."id" and t."id" = new."id" and not (t."id" collate binary is old."id" and typeof(t."id") = typeof(old."id")))
union all
select 1, s.number, s.event, t."id", 4, t."note"
from "orders" as t, holdfast_statement as s
where (old."id" is not new."id" and t."id" = new."id" and not (t."id" collate binary is old."id" and typeof(t."id") = typeof(old."id")))
union all
select 1, s.number, s.event, t."id", 5, case when t."email" is not null then '***' end
from "orders" as t, holdfast_statement as s
where (old."id" is not new."id" and t."id" = new."id" and not (t."id" collate binary is old."id" and typeof(t."id") = typeof(old."id")))
union all
select 1, s.number, s.event, t."id", 7, t."deleted_at"
from "orders" as t, holdfast_statement as s
where (old."id" is not new."id" and t."id" = new."id" and not (t."id" collate binary is old."id" and typeof(t."id") = typeof(old."id")))
union all
select 1, s.number, s.event, t."id", 8, t."created_at"
from "orders" as t, holdfast_statement as s
where (old."id" is not new."id" and t."id" = new."id" and not (t."id" collate binary is old."id" and typeof(t."id") = typeof(old."id")))
union all
select 1, s.number, s.event, t."id", 9, t."updated_at"
from "orders" as t, holdfast_statement as s
where (old."id" is not new."id" and t."id" = new."id" and not (t."id" collate binary is old."id" and typeof(t."id") = typeof(old."id")))
union all
select 1, s.number, s.event, t."id", 10, t."version"
from "orders" as t, holdfast_statement as s
where (old."id" is not new."id" and t."id" = new."id" and not (t."id" collate binary is old."id" and typeof(t."id") = typeof(old."id")));
update holdfast_statement set total = total_changes() + 1;
end;

drop trigger if exists main."holdfast_start_1";

create trigger main."holdfast_start_1"
before update on "orders"
for each row
when exists (select 1 from holdfast_statement where mixed & 2 or at is not strftime('%Y-%m-%dT%H:%M:%fZ', 'now')) and ((old."id" collate binary is not new."id" or typeof(old."id") <> typeof(new."id")) or (((old."id" collate binary is not new."id" or typeof(old."id") <> typeof(new."id")) or (old."status" collate binary is not new."status" or typeof(old."status") <> typeof(new."status")) or (old."total" collate binary is not new."total" or typeof(old."total") <> typeof(new."total")) or (old."note" collate binary is not new."note" or typeof(old."note") <> typeof(new."note")) or (old."email" collate binary is not new."email" or typeof(old."email") <> typeof(new."email"))) or case when exists (select 1 from holdfast_context where undo) then (old."deleted_at" collate binary is not new."deleted_at" or typeof(old."deleted_at") <> typeof(new."deleted_at")) else (old."deleted_at" is null) <> (new."deleted_at" is null) end))
begin
-- holdfast: notes that an update of 'orders' begins
update holdfast_statement
set number = number + 1,
    at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'),
    total = total_changes() + 1,
    clock = max(clock + 1, (cast(strftime('%s', 'now') as integer) * 1000000 + cast(substr(strftime('%f', 'now'), 4) as integer) * 1000)),
    keeping = null,
    reviving = 0,
    mixed = case when at is strftime('%Y-%m-%dT%H:%M:%fZ', 'now') then mixed else 2 * exists (
        select 1 from sqlite_schema as s where s.type = 'trigger' and s.name not glob 'holdfast_*'
    ) + exists (
        select 1 from sqlite_schema as s
        where s.type = 'table' and (
            instr(lower(s.sql), 'cascade')
            or lower(s.sql) glob '*set[^!-,.0-~]*' and lower(s.sql) glob '*on[^!-,.0-~]*[du][ep][ld][ea]te*[^!-,.0-~]set[^!-,.0-~]*')
    ) end
where at is not strftime('%Y-%m-%dT%H:%M:%fZ', 'now') or not mixed and total is not total_changes();
delete from holdfast_started
where relation = 1 and statement <> (select number from holdfast_statement);
insert into holdfast_started (relation, statement, start, key, image)
select 1, s.number, s.event, old."id", (quote(old."id") || quote(new."id") || quote(old."status") || quote(new."status") || quote(old."total") || quote(new."total") || quote(old."note") || quote(new."note") || quote(old."deleted_at") || quote(new."deleted_at"))
from holdfast_statement as s;
update holdfast_statement set total = total_changes() + 1;
end;

drop trigger if exists main."holdfast_record_insert_1";

create trigger main."holdfast_record_insert_1"
after insert on "orders"
for each row
begin
-- holdfast: records each insert of 'orders'
update holdfast_statement
set number = number + 1,
    at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'),
    total = total_changes() + 1,
    clock = max(clock + 1, (cast(strftime('%s', 'now') as integer) * 1000000 + cast(substr(strftime('%f', 'now'), 4) as integer) * 1000)),
    keeping = null,
    reviving = 0,
    mixed = case when at is strftime('%Y-%m-%dT%H:%M:%fZ', 'now') then mixed else 2 * exists (
        select 1 from sqlite_schema as s where s.type = 'trigger' and s.name not glob 'holdfast_*'
    ) + exists (
        select 1 from sqlite_schema as s
        where s.type = 'table' and (
            instr(lower(s.sql), 'cascade')
            or lower(s.sql) glob '*set[^!-,.0-~]*' and lower(s.sql) glob '*on[^!-,.0-~]*[du][ep][ld][ea]te*[^!-,.0-~]set[^!-,.0-~]*')
    ) end
where at is not strftime('%Y-%m-%dT%H:%M:%fZ', 'now') or not mixed and total is not total_changes();
insert into holdfast_transaction (at, statement, token, actor, tenant, reason, context)
select strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), s.number, c.token, c.actor, c.tenant, c.reason, c.context
from holdfast_statement as s
left join holdfast_context as c on c.id = 1
where not exists (
    select 1 from holdfast_transaction as t
    where t.id = (select max(id) from holdfast_transaction)
        and case when c.token is null then t.token is null and t.statement = s.number else t.token = c.token end
);
insert into holdfast_change (transaction_id, statement, relation, operation, side, late, place, key)
select (select max(id) from holdfast_transaction), s.number, 1, 'D', 1,
    case when s.mixed and not exists (select 1 from "orders" as t where (t."id" is new."id" and (t."id" collate binary is new."id" and typeof(t."id") = typeof(new."id")) and (t."id" collate binary is new."id" and typeof(t."id") = typeof(new."id")) and (t."status" collate binary is new."status" and typeof(t."status") = typeof(new."status")) and (t."total" collate binary is new."total" and typeof(t."total") = typeof(new."total")) and (t."note" collate binary is new."note" and typeof(t."note") = typeof(new."note")) and (t."email" collate binary is new."email" and typeof(t."email") = typeof(new."email")))) then s.event else 0 end,
    case when s.mixed and not exists (select 1 from "orders" as t where (t."id" is new."id" and (t."id" collate binary is new."id" and typeof(t."id") = typeof(new."id")) and (t."id" collate binary is new."id" and typeof(t."id") = typeof(new."id")) and (t."status" collate binary is new."status" and typeof(t."status") = typeof(new."status")) and (t."total" collate binary is new."total" and typeof(t."total") = typeof(new."total")) and (t."note" collate binary is new."note" and typeof(t."note") = typeof(new."note")) and (t."email" collate binary is new."email" and typeof(t."email") = typeof(new."email")))) then r.start - 0.5 end,
    r.key
from holdfast_statement as s
join holdfast_replaced as r on r.column_id = 1
where r.relation = 1 and r.statement = s.number and (r.key is new."id" or not exists (select 1 from "orders" as t where t."id" is (select k.value from holdfast_replaced as k where k.relation = 1 and k.key is r.key and k.column_id = 1) and (t."id" collate binary is (select k.value from holdfast_replaced as k where k.relation = 1 and k.key is r.key and k.column_id = 1) and typeof(t."id") = typeof((select k.value from holdfast_replaced as k where k.relation = 1 and k.key is r.key and k.column_id = 1)))));
insert into holdfast_value (change, column_id, before, after, masked)
select (select max(c.id) from holdfast_change as c where c.relation = 1 and c.key is r.key),
    r.column_id, r.value, null, case r.column_id when 5 then 1 end
from holdfast_replaced as r, holdfast_statement as s
where r.relation = 1 and r.statement = s.number and (r.key is new."id" or not exists (select 1 from "orders" as t where t."id" is (select k.value from holdfast_replaced as k where k.relation = 1 and k.key is r.key and k.column_id = 1) and (t."id" collate binary is (select k.value from holdfast_replaced as k where k.relation = 1 and k.key is r.key and k.column_id = 1) and typeof(t."id") = typeof((select k.value from holdfast_replaced as k where k.relation = 1 and k.key is r.key and k.column_id = 1)))));
update holdfast_replaced
set statement = -statement
where relation = 1
    and statement = (select number from holdfast_statement)
    and (holdfast_replaced.key is new."id" or not exists (select 1 from "orders" as t where t."id" is (select k.value from holdfast_replaced as k where k.relation = 1 and k.key is holdfast_replaced.key and k.column_id = 1) and (t."id" collate binary is (select k.value from holdfast_replaced as k where k.relation = 1 and k.key is holdfast_replaced.key and k.column_id = 1) and typeof(t."id") = typeof((select k.value from holdfast_replaced as k where k.relation = 1 and k.key is holdfast_replaced.key and k.column_id = 1)))));
insert into holdfast_change (transaction_id, statement, relation, operation, side, late, place, key)
select (select max(id) from holdfast_transaction), s.number, 1, 'I', 2,
    case when s.mixed and not exists (select 1 from "orders" as t where (t."id" is new."id" and (t."id" collate binary is new."id" and typeof(t."id") = typeof(new."id")) and (t."id" collate binary is new."id" and typeof(t."id") = typeof(new."id")) and (t."status" collate binary is new."status" and typeof(t."status") = typeof(new."status")) and (t."total" collate binary is new."total" and typeof(t."total") = typeof(new."total")) and (t."note" collate binary is new."note" and typeof(t."note") = typeof(new."note")) and (t."email" collate binary is new."email" and typeof(t."email") = typeof(new."email")))) then s.event else 0 end,
    case when s.mixed and not exists (select 1 from "orders" as t where (t."id" is new."id" and (t."id" collate binary is new."id" and typeof(t."id") = typeof(new."id")) and (t."id" collate binary is new."id" and typeof(t."id") = typeof(new."id")) and (t."status" collate binary is new."status" and typeof(t."status") = typeof(new."status")) and (t."total" collate binary is new."total" and typeof(t."total") = typeof(new."total")) and (t."note" collate binary is new."note" and typeof(t."note") = typeof(new."note")) and (t."email" collate binary is new."email" and typeof(t."email") = typeof(new."email")))) then coalesce((select coalesce(c.place, c.id) + 0.25 from holdfast_change as c
        where c.relation = 1 and c.key is new."id" and c.side = 1
            and c.transaction_id = (select max(id) from holdfast_transaction)
        order by c.id desc limit 1), 0) end,
    new."id"
from holdfast_statement as s;
update holdfast_statement
set total = total_changes() + 1,
    event = (select coalesce(max(id), 0) + 1 from holdfast_change);
end;

drop trigger if exists main."holdfast_record_update_1";

create trigger main."holdfast_record_update_1"
after update on "orders"
for each row
when not (old."id" collate binary is not new."id" or typeof(old."id") <> typeof(new."id")) and (((old."id" collate binary is not new."id" or typeof(old."id") <> typeof(new."id")) or (old."status" collate binary is not new."status" or typeof(old."status") <> typeof(new."status")) or (old."total" collate binary is not new."total" or typeof(old."total") <> typeof(new."total")) or (old."note" collate binary is not new."note" or typeof(old."note") <> typeof(new."note")) or (old."email" collate binary is not new."email" or typeof(old."email") <> typeof(new."email"))) or case when exists (select 1 from holdfast_context where undo) then (old."deleted_at" collate binary is not new."deleted_at" or typeof(old."deleted_at") <> typeof(new."deleted_at")) else (old."deleted_at" is null) <> (new."deleted_at" is null) end)
begin
-- holdfast: records each update of 'orders'
update holdfast_statement
set number = number + 1,
    at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'),
    total = total_changes() + 1,
    clock = max(clock + 1, (cast(strftime('%s', 'now') as integer) * 1000000 + cast(substr(strftime('%f', 'now'), 4) as integer) * 1000)),
    keeping = null,
    reviving = 0,
    mixed = case when at is strftime('%Y-%m-%dT%H:%M:%fZ', 'now') then mixed else 2 * exists (
        select 1 from sqlite_schema as s where s.type = 'trigger' and s.name not glob 'holdfast_*'
    ) + exists (
        select 1 from sqlite_schema as s
        where s.type = 'table' and (
            instr(lower(s.sql), 'cascade')
            or lower(s.sql) glob '*set[^!-,.0-~]*' and lower(s.sql) glob '*on[^!-,.0-~]*[du][ep][ld][ea]te*[^!-,.0-~]set[^!-,.0-~]*')
    ) end
where at is not strftime('%Y-%m-%dT%H:%M:%fZ', 'now') or not mixed and total is not total_changes();
insert into holdfast_transaction (at, statement, token, actor, tenant, reason, context)
select strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), s.number, c.token, c.actor, c.tenant, c.reason, c.context
from holdfast_statement as s
left join holdfast_context as c on c.id = 1
where not exists (
    select 1 from holdfast_transaction as t
    where t.id = (select max(id) from holdfast_transaction)
        and case when c.token is null then t.token is null and t.statement = s.number else t.token = c.token end
);
insert into holdfast_change (transaction_id, statement, relation, operation, side, late, place, key)
select (select max(id) from holdfast_transaction), s.number, 1, case when old."deleted_at" is null and new."deleted_at" is not null then 'S' when old."deleted_at" is not null and new."deleted_at" is null then 'R' else 'U' end, 3,
    case when s.mixed and not exists (select 1 from "orders" as t where (t."id" is new."id" and (t."id" collate binary is new."id" and typeof(t."id") = typeof(new."id")) and (t."id" collate binary is new."id" and typeof(t."id") = typeof(new."id")) and (t."status" collate binary is new."status" and typeof(t."status") = typeof(new."status")) and (t."total" collate binary is new."total" and typeof(t."total") = typeof(new."total")) and (t."note" collate binary is new."note" and typeof(t."note") = typeof(new."note")) and (t."email" collate binary is new."email" and typeof(t."email") = typeof(new."email")))) then s.event else 0 end,
    case when s.mixed and not exists (select 1 from "orders" as t where (t."id" is new."id" and (t."id" collate binary is new."id" and typeof(t."id") = typeof(new."id")) and (t."id" collate binary is new."id" and typeof(t."id") = typeof(new."id")) and (t."status" collate binary is new."status" and typeof(t."status") = typeof(new."status")) and (t."total" collate binary is new."total" and typeof(t."total") = typeof(new."total")) and (t."note" collate binary is new."note" and typeof(t."note") = typeof(new."note")) and (t."email" collate binary is new."email" and typeof(t."email") = typeof(new."email")))) then coalesce((select x.start from holdfast_started as x where x.relation = 1
        and x.key is old."id" and x.image = (quote(old."id") || quote(new."id") || quote(old."status") || quote(new."status") || quote(old."total") || quote(new."total") || quote(old."note") || quote(new."note") || quote(old."deleted_at") || quote(new."deleted_at"))
        order by x.id desc limit 1),
        (select min(c.id) from holdfast_change as c where c.relation = 1
         and c.key is old."id" and c.statement = s.number), s.event) - 0.5 end,
    new."id"
from holdfast_statement as s;
insert into holdfast_value (change, column_id, before, after, masked)
select (select max(id) from holdfast_change), v.column_id, v.before, v.after, v.masked
from (
    select 1 as column_id, old."id" as before, new."id" as after, null as masked
    where (old."id" collate binary is not new."id" or typeof(old."id") <> typeof(new."id"))
    union all
    select 2, old."status", new."status", null
    where (old."status" collate binary is not new."status" or typeof(old."status") <> typeof(new."status"))
    union all
    select 3, old."total", new."total", null
    where (old."total" collate binary is not new."total" or typeof(old."total") <> typeof(new."total"))
    union all
    select 4, old."note", new."note", null
    where (old."note" collate binary is not new."note" or typeof(old."note") <> typeof(new."note"))
    union all
    select 5, case when old."email" is not null then '***' end, case when new."email" is not null then '***' end, 1
    where (old."email" collate binary is not new."email" or typeof(old."email") <> typeof(new."email"))
    union all
    select 7, old."deleted_at", case when new."deleted_at" is null or exists (select 1 from holdfast_context where undo) then new."deleted_at" else (select strftime('%Y-%m-%d %H:%M:%S', coalesce((select mark from holdfast_context), clock) / 1000000, 'unixepoch') || printf('.%06d', coalesce((select mark from holdfast_context), clock) % 1000000) from holdfast_statement) end, null
    where case when exists (select 1 from holdfast_context where undo) then (old."deleted_at" collate binary is not new."deleted_at" or typeof(old."deleted_at") <> typeof(new."deleted_at")) else (old."deleted_at" is null) <> (new."deleted_at" is null) end
) as v;
update holdfast_statement
set total = total_changes() + 1,
    event = (select coalesce(max(id), 0) + 1 from holdfast_change);
end;

drop trigger if exists main."holdfast_record_push_1";

create trigger main."holdfast_record_push_1"
after update on "orders"
for each row
when exists (select 1 from holdfast_replaced where relation = 1) and not (old."id" collate binary is not new."id" or typeof(old."id") <> typeof(new."id"))
begin
-- holdfast: records each row that an update replaced of 'orders'
update holdfast_statement
set number = number + 1,
    at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'),
    total = total_changes() + 1,
    clock = max(clock + 1, (cast(strftime('%s', 'now') as integer) * 1000000 + cast(substr(strftime('%f', 'now'), 4) as integer) * 1000)),
    keeping = null,
    reviving = 0,
    mixed = case when at is strftime('%Y-%m-%dT%H:%M:%fZ', 'now') then mixed else 2 * exists (
        select 1 from sqlite_schema as s where s.type = 'trigger' and s.name not glob 'holdfast_*'
    ) + exists (
        select 1 from sqlite_schema as s
        where s.type = 'table' and (
            instr(lower(s.sql), 'cascade')
            or lower(s.sql) glob '*set[^!-,.0-~]*' and lower(s.sql) glob '*on[^!-,.0-~]*[du][ep][ld][ea]te*[^!-,.0-~]set[^!-,.0-~]*')
    ) end
where at is not strftime('%Y-%m-%dT%H:%M:%fZ', 'now') or not mixed and total is not total_changes();
insert into holdfast_transaction (at, statement, token, actor, tenant, reason, context)
select strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), s.number, c.token, c.actor, c.tenant, c.reason, c.context
from holdfast_statement as s
left join holdfast_context as c on c.id = 1
where not exists (
    select 1 from holdfast_transaction as t
    where t.id = (select max(id) from holdfast_transaction)
        and case when c.token is null then t.token is null and t.statement = s.number else t.token = c.token end
);
insert into holdfast_change (transaction_id, statement, relation, operation, side, late, place, key)
select (select max(id) from holdfast_transaction), s.number, 1, 'D', 1,
    0,
    null,
    r.key
from holdfast_statement as s
join holdfast_replaced as r on r.column_id = 1
where r.relation = 1 and r.statement = s.number and not exists (select 1 from "orders" as t where t."id" is (select k.value from holdfast_replaced as k where k.relation = 1 and k.key is r.key and k.column_id = 1) and (t."id" collate binary is (select k.value from holdfast_replaced as k where k.relation = 1 and k.key is r.key and k.column_id = 1) and typeof(t."id") = typeof((select k.value from holdfast_replaced as k where k.relation = 1 and k.key is r.key and k.column_id = 1))));
insert into holdfast_value (change, column_id, before, after, masked)
select (select max(c.id) from holdfast_change as c where c.relation = 1 and c.key is r.key),
    r.column_id, r.value, null, case r.column_id when 5 then 1 end
from holdfast_replaced as r, holdfast_statement as s
where r.relation = 1 and r.statement = s.number and not exists (select 1 from "orders" as t where t."id" is (select k.value from holdfast_replaced as k where k.relation = 1 and k.key is r.key and k.column_id = 1) and (t."id" collate binary is (select k.value from holdfast_replaced as k where k.relation = 1 and k.key is r.key and k.column_id = 1) and typeof(t."id") = typeof((select k.value from holdfast_replaced as k where k.relation = 1 and k.key is r.key and k.column_id = 1))));
update holdfast_replaced
set statement = -statement
where relation = 1
    and statement = (select number from holdfast_statement)
    and not exists (select 1 from "orders" as t where t."id" is (select k.value from holdfast_replaced as k where k.relation = 1 and k.key is holdfast_replaced.key and k.column_id = 1) and (t."id" collate binary is (select k.value from holdfast_replaced as k where k.relation = 1 and k.key is holdfast_replaced.key and k.column_id = 1) and typeof(t."id") = typeof((select k.value from holdfast_replaced as k where k.relation = 1 and k.key is holdfast_replaced.key and k.column_id = 1))));
update holdfast_statement
set total = total_changes() + 1,
    event = (select coalesce(max(id), 0) + 1 from holdfast_change);
end;

drop trigger if exists main."holdfast_record_move_1";

create trigger main."holdfast_record_move_1"
after update on "orders"
for each row
when (old."id" collate binary is not new."id" or typeof(old."id") <> typeof(new."id"))
begin
-- holdfast: records each change of a key of 'orders'
update holdfast_statement
set number = number + 1,
    at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'),
    total = total_changes() + 1,
    clock = max(clock + 1, (cast(strftime('%s', 'now') as integer) * 1000000 + cast(substr(strftime('%f', 'now'), 4) as integer) * 1000)),
    keeping = null,
    reviving = 0,
    mixed = case when at is strftime('%Y-%m-%dT%H:%M:%fZ', 'now') then mixed else 2 * exists (
        select 1 from sqlite_schema as s where s.type = 'trigger' and s.name not glob 'holdfast_*'
    ) + exists (
        select 1 from sqlite_schema as s
        where s.type = 'table' and (
            instr(lower(s.sql), 'cascade')
            or lower(s.sql) glob '*set[^!-,.0-~]*' and lower(s.sql) glob '*on[^!-,.0-~]*[du][ep][ld][ea]te*[^!-,.0-~]set[^!-,.0-~]*')
    ) end
where at is not strftime('%Y-%m-%dT%H:%M:%fZ', 'now') or not mixed and total is not total_changes();
insert into holdfast_transaction (at, statement, token, actor, tenant, reason, context)
select strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), s.number, c.token, c.actor, c.tenant, c.reason, c.context
from holdfast_statement as s
left join holdfast_context as c on c.id = 1
where not exists (
    select 1 from holdfast_transaction as t
    where t.id = (select max(id) from holdfast_transaction)
        and case when c.token is null then t.token is null and t.statement = s.number else t.token = c.token end
);
delete from holdfast_replaced where relation = 1 and key is old."id";
insert into holdfast_change (transaction_id, statement, relation, operation, side, late, place, key)
select (select max(id) from holdfast_transaction), s.number, 1, 'D', 1,
    case when s.mixed and not exists (select 1 from "orders" as t where (t."id" is new."id" and (t."id" collate binary is new."id" and typeof(t."id") = typeof(new."id")) and (t."id" collate binary is new."id" and typeof(t."id") = typeof(new."id")) and (t."status" collate binary is new."status" and typeof(t."status") = typeof(new."status")) and (t."total" collate binary is new."total" and typeof(t."total") = typeof(new."total")) and (t."note" collate binary is new."note" and typeof(t."note") = typeof(new."note")) and (t."email" collate binary is new."email" and typeof(t."email") = typeof(new."email")))) then s.event else 0 end,
    case when s.mixed and not exists (select 1 from "orders" as t where (t."id" is new."id" and (t."id" collate binary is new."id" and typeof(t."id") = typeof(new."id")) and (t."id" collate binary is new."id" and typeof(t."id") = typeof(new."id")) and (t."status" collate binary is new."status" and typeof(t."status") = typeof(new."status")) and (t."total" collate binary is new."total" and typeof(t."total") = typeof(new."total")) and (t."note" collate binary is new."note" and typeof(t."note") = typeof(new."note")) and (t."email" collate binary is new."email" and typeof(t."email") = typeof(new."email")))) then r.start - 0.5 end,
    r.key
from holdfast_statement as s
join holdfast_replaced as r on r.column_id = 1
where r.relation = 1 and r.statement = s.number and (r.key is new."id" or not exists (select 1 from "orders" as t where t."id" is (select k.value from holdfast_replaced as k where k.relation = 1 and k.key is r.key and k.column_id = 1) and (t."id" collate binary is (select k.value from holdfast_replaced as k where k.relation = 1 and k.key is r.key and k.column_id = 1) and typeof(t."id") = typeof((select k.value from holdfast_replaced as k where k.relation = 1 and k.key is r.key and k.column_id = 1)))));
insert into holdfast_value (change, column_id, before, after, masked)
select (select max(c.id) from holdfast_change as c where c.relation = 1 and c.key is r.key),
    r.column_id, r.value, null, case r.column_id when 5 then 1 end
from holdfast_replaced as r, holdfast_statement as s
where r.relation = 1 and r.statement = s.number and (r.key is new."id" or not exists (select 1 from "orders" as t where t."id" is (select k.value from holdfast_replaced as k where k.relation = 1 and k.key is r.key and k.column_id = 1) and (t."id" collate binary is (select k.value from holdfast_replaced as k where k.relation = 1 and k.key is r.key and k.column_id = 1) and typeof(t."id") = typeof((select k.value from holdfast_replaced as k where k.relation = 1 and k.key is r.key and k.column_id = 1)))));
update holdfast_replaced
set statement = -statement
where relation = 1
    and statement = (select number from holdfast_statement)
    and (holdfast_replaced.key is new."id" or not exists (select 1 from "orders" as t where t."id" is (select k.value from holdfast_replaced as k where k.relation = 1 and k.key is holdfast_replaced.key and k.column_id = 1) and (t."id" collate binary is (select k.value from holdfast_replaced as k where k.relation = 1 and k.key is holdfast_replaced.key and k.column_id = 1) and typeof(t."id") = typeof((select k.value from holdfast_replaced as k where k.relation = 1 and k.key is holdfast_replaced.key and k.column_id = 1)))));
insert into holdfast_change (transaction_id, statement, relation, operation, side, late, place, key)
select (select max(id) from holdfast_transaction), s.number, 1, 'U', 1,
    case when s.mixed and not exists (select 1 from "orders" as t where (t."id" is new."id" and (t."id" collate binary is new."id" and typeof(t."id") = typeof(new."id")) and (t."id" collate binary is new."id" and typeof(t."id") = typeof(new."id")) and (t."status" collate binary is new."status" and typeof(t."status") = typeof(new."status")) and (t."total" collate binary is new."total" and typeof(t."total") = typeof(new."total")) and (t."note" collate binary is new."note" and typeof(t."note") = typeof(new."note")) and (t."email" collate binary is new."email" and typeof(t."email") = typeof(new."email")))) then s.event else 0 end,
    case when s.mixed and not exists (select 1 from "orders" as t where (t."id" is new."id" and (t."id" collate binary is new."id" and typeof(t."id") = typeof(new."id")) and (t."id" collate binary is new."id" and typeof(t."id") = typeof(new."id")) and (t."status" collate binary is new."status" and typeof(t."status") = typeof(new."status")) and (t."total" collate binary is new."total" and typeof(t."total") = typeof(new."total")) and (t."note" collate binary is new."note" and typeof(t."note") = typeof(new."note")) and (t."email" collate binary is new."email" and typeof(t."email") = typeof(new."email")))) then coalesce((select x.start from holdfast_started as x where x.relation = 1
        and x.key is old."id" and x.image = (quote(old."id") || quote(new."id") || quote(old."status") || quote(new."status") || quote(old."total") || quote(new."total") || quote(old."note") || quote(new."note") || quote(old."deleted_at") || quote(new."deleted_at"))
        order by x.id desc limit 1),
        (select min(c.id) from holdfast_change as c where c.relation = 1
         and c.key is old."id" and c.statement = s.number), s.event) - 0.5 end,
    old."id"
from holdfast_statement as s;
insert into holdfast_value (change, column_id, before, after, masked)
select (select max(id) from holdfast_change), v.column_id, v.before, v.after, v.masked
from (
    select 1 as column_id, old."id" as before, null as after, null as masked
    union all
    select 2, old."status", null, null
    union all
    select 3, old."total", null, null
    union all
    select 4, old."note", null, null
    union all
    select 5, case when old."email" is not null then '***' end, null, 1
    union all
    select 7, old."deleted_at", null, null
    union all
    select 8, old."created_at", null, null
    union all
    select 9, old."updated_at", null, null
    union all
    select 10, old."version", null, null
) as v;
insert into holdfast_change (transaction_id, statement, relation, operation, side, late, place, key)
select (select max(id) from holdfast_transaction), s.number, 1, 'U', 2,
    case when s.mixed and not exists (select 1 from "orders" as t where (t."id" is new."id" and (t."id" collate binary is new."id" and typeof(t."id") = typeof(new."id")) and (t."id" collate binary is new."id" and typeof(t."id") = typeof(new."id")) and (t."status" collate binary is new."status" and typeof(t."status") = typeof(new."status")) and (t."total" collate binary is new."total" and typeof(t."total") = typeof(new."total")) and (t."note" collate binary is new."note" and typeof(t."note") = typeof(new."note")) and (t."email" collate binary is new."email" and typeof(t."email") = typeof(new."email")))) then s.event else 0 end,
    case when s.mixed and not exists (select 1 from "orders" as t where (t."id" is new."id" and (t."id" collate binary is new."id" and typeof(t."id") = typeof(new."id")) and (t."id" collate binary is new."id" and typeof(t."id") = typeof(new."id")) and (t."status" collate binary is new."status" and typeof(t."status") = typeof(new."status")) and (t."total" collate binary is new."total" and typeof(t."total") = typeof(new."total")) and (t."note" collate binary is new."note" and typeof(t."note") = typeof(new."note")) and (t."email" collate binary is new."email" and typeof(t."email") = typeof(new."email")))) then coalesce((select coalesce(c.place, c.id) + 0.25 from holdfast_change as c
        where c.relation = 1 and c.key is new."id" and c.side = 1
            and c.transaction_id = (select max(id) from holdfast_transaction)
        order by c.id desc limit 1), 0) end,
    new."id"
from holdfast_statement as s;
insert into holdfast_value (change, column_id, before, after, masked)
select (select max(id) from holdfast_change), v.column_id, v.before, v.after, v.masked
from (
    select 1 as column_id, null as before, new."id" as after, null as masked
    union all
    select 2, null, new."status", null
    union all
    select 3, null, new."total", null
    union all
    select 4, null, new."note", null
    union all
    select 5, null, case when new."email" is not null then '***' end, 1
    union all
    select 7, null, case when new."deleted_at" is null or exists (select 1 from holdfast_context where undo) then new."deleted_at" else (select strftime('%Y-%m-%d %H:%M:%S', coalesce((select mark from holdfast_context), clock) / 1000000, 'unixepoch') || printf('.%06d', coalesce((select mark from holdfast_context), clock) % 1000000) from holdfast_statement) end, null
) as v;
update holdfast_statement
set total = total_changes() + 1,
    event = (select coalesce(max(id), 0) + 1 from holdfast_change);
end;

drop trigger if exists main."holdfast_record_delete_1";

create trigger main."holdfast_record_delete_1"
after delete on "orders"
for each row
begin
-- holdfast: records each delete of 'orders'
update holdfast_statement
set number = number + 1,
    at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'),
    total = total_changes() + 1,
    clock = max(clock + 1, (cast(strftime('%s', 'now') as integer) * 1000000 + cast(substr(strftime('%f', 'now'), 4) as integer) * 1000)),
    keeping = null,
    reviving = 0,
    mixed = case when at is strftime('%Y-%m-%dT%H:%M:%fZ', 'now') then mixed else 2 * exists (
        select 1 from sqlite_schema as s where s.type = 'trigger' and s.name not glob 'holdfast_*'
    ) + exists (
        select 1 from sqlite_schema as s
        where s.type = 'table' and (
            instr(lower(s.sql), 'cascade')
            or lower(s.sql) glob '*set[^!-,.0-~]*' and lower(s.sql) glob '*on[^!-,.0-~]*[du][ep][ld][ea]te*[^!-,.0-~]set[^!-,.0-~]*')
    ) end
where at is not strftime('%Y-%m-%dT%H:%M:%fZ', 'now') or not mixed and total is not total_changes();
insert into holdfast_transaction (at, statement, token, actor, tenant, reason, context)
select strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), s.number, c.token, c.actor, c.tenant, c.reason, c.context
from holdfast_statement as s
left join holdfast_context as c on c.id = 1
where not exists (
    select 1 from holdfast_transaction as t
    where t.id = (select max(id) from holdfast_transaction)
        and case when c.token is null then t.token is null and t.statement = s.number else t.token = c.token end
);
insert into holdfast_change (transaction_id, statement, relation, operation, side, late, place, key)
select (select max(id) from holdfast_transaction), s.number, 1, 'D', 1,
    case when s.mixed and exists (select 1 from "orders" as t where t."id" is old."id" and (t."id" collate binary is old."id" and typeof(t."id") = typeof(old."id"))) then s.event else 0 end,
    case when s.mixed and exists (select 1 from "orders" as t where t."id" is old."id" and (t."id" collate binary is old."id" and typeof(t."id") = typeof(old."id"))) then coalesce((select coalesce(c.place, c.id) - 0.25 from holdfast_change as c
        where c.relation = 1 and c.key is old."id" and c.side = 2
            and c.transaction_id = (select max(id) from holdfast_transaction)
        order by c.id desc limit 1), 0) end,
    old."id"
from holdfast_statement as s;
insert into holdfast_value (change, column_id, before, after, masked)
select (select max(id) from holdfast_change), v.column_id, v.before, v.after, v.masked
from (
    select 1 as column_id, old."id" as before, null as after, null as masked
    union all
    select 2, old."status", null, null
    union all
    select 3, old."total", null, null
    union all
    select 4, old."note", null, null
    union all
    select 5, case when old."email" is not null then '***' end, null, 1
    union all
    select 7, old."deleted_at", null, null
    union all
    select 8, old."created_at", null, null
    union all
    select 9, old."updated_at", null, null
    union all
    select 10, old."version", null, null
) as v;
delete from holdfast_replaced where relation = 1 and key is old."id";
update holdfast_statement
set total = total_changes() + 1,
    event = (select coalesce(max(id), 0) + 1 from holdfast_change);
end;

drop trigger if exists main."holdfast_mark_1";

create trigger main."holdfast_mark_1"
after update of "deleted_at" on "orders"
for each row
when old."deleted_at" is null and new."deleted_at" is not null
    and not exists (select 1 from holdfast_statement where keeping is strftime('%Y-%m-%dT%H:%M:%fZ', 'now')) and not exists (select 1 from holdfast_context where undo)
begin
-- holdfast: stamps the mark of 'orders', and marks what refers to it
update holdfast_statement
set number = number + 1,
    at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'),
    total = total_changes() + 1,
    clock = max(clock + 1, (cast(strftime('%s', 'now') as integer) * 1000000 + cast(substr(strftime('%f', 'now'), 4) as integer) * 1000)),
    keeping = null,
    reviving = 0,
    mixed = case when at is strftime('%Y-%m-%dT%H:%M:%fZ', 'now') then mixed else 2 * exists (
        select 1 from sqlite_schema as s where s.type = 'trigger' and s.name not glob 'holdfast_*'
    ) + exists (
        select 1 from sqlite_schema as s
        where s.type = 'table' and (
            instr(lower(s.sql), 'cascade')
            or lower(s.sql) glob '*set[^!-,.0-~]*' and lower(s.sql) glob '*on[^!-,.0-~]*[du][ep][ld][ea]te*[^!-,.0-~]set[^!-,.0-~]*')
    ) end
where at is not strftime('%Y-%m-%dT%H:%M:%fZ', 'now') or not mixed and total is not total_changes();
update holdfast_statement set keeping = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), total = total_changes() + 1;
update "orders"
set "deleted_at" = (select strftime('%Y-%m-%d %H:%M:%S', coalesce((select mark from holdfast_context), clock) / 1000000, 'unixepoch') || printf('.%06d', coalesce((select mark from holdfast_context), clock) % 1000000) from holdfast_statement)
where rowid = new.rowid;
update holdfast_statement set keeping = null, total = total_changes() + 1;
update "items"
set "deleted_at" = (select strftime('%Y-%m-%d %H:%M:%S', coalesce((select mark from holdfast_context), clock) / 1000000, 'unixepoch') || printf('.%06d', coalesce((select mark from holdfast_context), clock) % 1000000) from holdfast_statement)
where new."id" = "order_id" and "deleted_at" is null;
update holdfast_statement set total = total_changes() + 1;
update holdfast_statement set total = total_changes() + 1;
end;

drop trigger if exists main."holdfast_marked_1";

create trigger main."holdfast_marked_1"
after update of "deleted_at" on "orders"
for each row
when old."deleted_at" is not null and new."deleted_at" is not null and old."deleted_at" is not new."deleted_at"
    and not exists (select 1 from holdfast_statement where keeping is strftime('%Y-%m-%dT%H:%M:%fZ', 'now')) and not exists (select 1 from holdfast_context where undo)
begin
-- holdfast: keeps the mark of a deleted row of 'orders'
update holdfast_statement
set number = number + 1,
    at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'),
    total = total_changes() + 1,
    clock = max(clock + 1, (cast(strftime('%s', 'now') as integer) * 1000000 + cast(substr(strftime('%f', 'now'), 4) as integer) * 1000)),
    keeping = null,
    reviving = 0,
    mixed = case when at is strftime('%Y-%m-%dT%H:%M:%fZ', 'now') then mixed else 2 * exists (
        select 1 from sqlite_schema as s where s.type = 'trigger' and s.name not glob 'holdfast_*'
    ) + exists (
        select 1 from sqlite_schema as s
        where s.type = 'table' and (
            instr(lower(s.sql), 'cascade')
            or lower(s.sql) glob '*set[^!-,.0-~]*' and lower(s.sql) glob '*on[^!-,.0-~]*[du][ep][ld][ea]te*[^!-,.0-~]set[^!-,.0-~]*')
    ) end
where at is not strftime('%Y-%m-%dT%H:%M:%fZ', 'now') or not mixed and total is not total_changes();
update holdfast_statement set keeping = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), total = total_changes() + 1;
update "orders"
set "deleted_at" = old."deleted_at"
where rowid = new.rowid;
update holdfast_statement set keeping = null, total = total_changes() + 1;
end;

drop trigger if exists main."holdfast_revive_1";

create trigger main."holdfast_revive_1"
after update of "deleted_at" on "orders"
for each row
when old."deleted_at" is not null and new."deleted_at" is null
    and not exists (select 1 from holdfast_statement where keeping is strftime('%Y-%m-%dT%H:%M:%fZ', 'now')) and not exists (select 1 from holdfast_context where undo)
begin
-- holdfast: revives what was deleted together with a row of 'orders'
update holdfast_statement
set number = number + 1,
    at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'),
    total = total_changes() + 1,
    clock = max(clock + 1, (cast(strftime('%s', 'now') as integer) * 1000000 + cast(substr(strftime('%f', 'now'), 4) as integer) * 1000)),
    keeping = null,
    reviving = 0,
    mixed = case when at is strftime('%Y-%m-%dT%H:%M:%fZ', 'now') then mixed else 2 * exists (
        select 1 from sqlite_schema as s where s.type = 'trigger' and s.name not glob 'holdfast_*'
    ) + exists (
        select 1 from sqlite_schema as s
        where s.type = 'table' and (
            instr(lower(s.sql), 'cascade')
            or lower(s.sql) glob '*set[^!-,.0-~]*' and lower(s.sql) glob '*on[^!-,.0-~]*[du][ep][ld][ea]te*[^!-,.0-~]set[^!-,.0-~]*')
    ) end
where at is not strftime('%Y-%m-%dT%H:%M:%fZ', 'now') or not mixed and total is not total_changes();
update holdfast_statement set reviving = reviving + 1, total = total_changes() + 1;
update "items"
set "deleted_at" = null
where new."id" = "order_id" and "deleted_at" is old."deleted_at";
update holdfast_statement set total = total_changes() + 1;
update holdfast_statement set reviving = reviving - 1, total = total_changes() + 1;
update holdfast_statement set total = total_changes() + 1;
end;

drop trigger if exists main."holdfast_undo_mark_1";

create trigger main."holdfast_undo_mark_1"
after update of "deleted_at" on "orders"
for each row
when old."deleted_at" is null and new."deleted_at" is not null
    and not exists (select 1 from holdfast_statement where keeping is strftime('%Y-%m-%dT%H:%M:%fZ', 'now')) and exists (select 1 from holdfast_context where undo)
begin
-- holdfast: follows a mark of 'orders' within an undo, for children that have no journal
update holdfast_statement
set number = number + 1,
    at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'),
    total = total_changes() + 1,
    clock = max(clock + 1, (cast(strftime('%s', 'now') as integer) * 1000000 + cast(substr(strftime('%f', 'now'), 4) as integer) * 1000)),
    keeping = null,
    reviving = 0,
    mixed = case when at is strftime('%Y-%m-%dT%H:%M:%fZ', 'now') then mixed else 2 * exists (
        select 1 from sqlite_schema as s where s.type = 'trigger' and s.name not glob 'holdfast_*'
    ) + exists (
        select 1 from sqlite_schema as s
        where s.type = 'table' and (
            instr(lower(s.sql), 'cascade')
            or lower(s.sql) glob '*set[^!-,.0-~]*' and lower(s.sql) glob '*on[^!-,.0-~]*[du][ep][ld][ea]te*[^!-,.0-~]set[^!-,.0-~]*')
    ) end
where at is not strftime('%Y-%m-%dT%H:%M:%fZ', 'now') or not mixed and total is not total_changes();
update "items"
set "deleted_at" = new."deleted_at"
where new."id" = "order_id" and "deleted_at" is null;
update holdfast_statement set total = total_changes() + 1;
update holdfast_statement set total = total_changes() + 1;
end;

drop trigger if exists main."holdfast_undo_revive_1";

create trigger main."holdfast_undo_revive_1"
after update of "deleted_at" on "orders"
for each row
when old."deleted_at" is not null and new."deleted_at" is null
    and not exists (select 1 from holdfast_statement where keeping is strftime('%Y-%m-%dT%H:%M:%fZ', 'now')) and exists (select 1 from holdfast_context where undo)
begin
-- holdfast: follows a restored row of 'orders' within an undo, for children that have no journal
update holdfast_statement
set number = number + 1,
    at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'),
    total = total_changes() + 1,
    clock = max(clock + 1, (cast(strftime('%s', 'now') as integer) * 1000000 + cast(substr(strftime('%f', 'now'), 4) as integer) * 1000)),
    keeping = null,
    reviving = 0,
    mixed = case when at is strftime('%Y-%m-%dT%H:%M:%fZ', 'now') then mixed else 2 * exists (
        select 1 from sqlite_schema as s where s.type = 'trigger' and s.name not glob 'holdfast_*'
    ) + exists (
        select 1 from sqlite_schema as s
        where s.type = 'table' and (
            instr(lower(s.sql), 'cascade')
            or lower(s.sql) glob '*set[^!-,.0-~]*' and lower(s.sql) glob '*on[^!-,.0-~]*[du][ep][ld][ea]te*[^!-,.0-~]set[^!-,.0-~]*')
    ) end
where at is not strftime('%Y-%m-%dT%H:%M:%fZ', 'now') or not mixed and total is not total_changes();
update "items"
set "deleted_at" = null
where new."id" = "order_id" and "deleted_at" is old."deleted_at";
update holdfast_statement set total = total_changes() + 1;
update holdfast_statement set total = total_changes() + 1;
end;

drop trigger if exists main."holdfast_soft_delete_1";

create trigger main."holdfast_soft_delete_1"
before delete on "orders"
for each row
when not exists (select 1 from holdfast_context
            where undo or instr(',' || replace(allow, ' ', '') || ',', ',hard_delete,'))
begin
-- holdfast: turns a delete from 'orders' into the mark
update holdfast_statement
set number = number + 1,
    at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'),
    total = total_changes() + 1,
    clock = max(clock + 1, (cast(strftime('%s', 'now') as integer) * 1000000 + cast(substr(strftime('%f', 'now'), 4) as integer) * 1000)),
    keeping = null,
    reviving = 0,
    mixed = case when at is strftime('%Y-%m-%dT%H:%M:%fZ', 'now') then mixed else 2 * exists (
        select 1 from sqlite_schema as s where s.type = 'trigger' and s.name not glob 'holdfast_*'
    ) + exists (
        select 1 from sqlite_schema as s
        where s.type = 'table' and (
            instr(lower(s.sql), 'cascade')
            or lower(s.sql) glob '*set[^!-,.0-~]*' and lower(s.sql) glob '*on[^!-,.0-~]*[du][ep][ld][ea]te*[^!-,.0-~]set[^!-,.0-~]*')
    ) end
where at is not strftime('%Y-%m-%dT%H:%M:%fZ', 'now') or not mixed and total is not total_changes();
update "orders"
set "deleted_at" = (select strftime('%Y-%m-%d %H:%M:%S', coalesce((select mark from holdfast_context), clock) / 1000000, 'unixepoch') || printf('.%06d', coalesce((select mark from holdfast_context), clock) % 1000000) from holdfast_statement)
where rowid = old.rowid and "deleted_at" is null;
update holdfast_statement set total = total_changes() + 1;
select raise(ignore);
end;

drop trigger if exists main."holdfast_refuse_replace_insert_1";

create trigger main."holdfast_refuse_replace_insert_1"
after insert on "orders"
for each row
when exists (select 1 from holdfast_replaced where relation = 1)
    and not exists (select 1 from holdfast_context
            where undo or instr(',' || replace(allow, ' ', '') || ',', ',hard_delete,'))
begin
-- holdfast: refuses an insert that replaces a row of 'orders'
select raise(abort, 'HF201: This would replace a row of orders, whose rows are not deleted but marked. Hint: Use INSERT … ON CONFLICT DO UPDATE. For a real delete say so first in the same transaction: INSERT INTO holdfast_context (allow) VALUES (''hard_delete''), and DELETE FROM holdfast_context before the commit.')
from holdfast_replaced as r, holdfast_statement as s
where r.relation = 1 and abs(r.statement) = s.number
    and (r.key is new."id" or not exists (select 1 from "orders" as t where t."id" is (select k.value from holdfast_replaced as k where k.relation = 1 and k.key is r.key and k.column_id = 1) and (t."id" collate binary is (select k.value from holdfast_replaced as k where k.relation = 1 and k.key is r.key and k.column_id = 1) and typeof(t."id") = typeof((select k.value from holdfast_replaced as k where k.relation = 1 and k.key is r.key and k.column_id = 1)))));
end;

drop trigger if exists main."holdfast_refuse_replace_update_1";

create trigger main."holdfast_refuse_replace_update_1"
after update on "orders"
for each row
when exists (select 1 from holdfast_replaced where relation = 1)
    and not exists (select 1 from holdfast_context
            where undo or instr(',' || replace(allow, ' ', '') || ',', ',hard_delete,'))
begin
-- holdfast: refuses an update that replaces a row of 'orders'
select raise(abort, 'HF201: This would replace a row of orders, whose rows are not deleted but marked. Hint: Use INSERT … ON CONFLICT DO UPDATE. For a real delete say so first in the same transaction: INSERT INTO holdfast_context (allow) VALUES (''hard_delete''), and DELETE FROM holdfast_context before the commit.')
from holdfast_replaced as r, holdfast_statement as s
where r.relation = 1 and abs(r.statement) = s.number
    and case when (old."id" collate binary is not new."id" or typeof(old."id") <> typeof(new."id")) then (r.key is new."id" or not exists (select 1 from "orders" as t where t."id" is (select k.value from holdfast_replaced as k where k.relation = 1 and k.key is r.key and k.column_id = 1) and (t."id" collate binary is (select k.value from holdfast_replaced as k where k.relation = 1 and k.key is r.key and k.column_id = 1) and typeof(t."id") = typeof((select k.value from holdfast_replaced as k where k.relation = 1 and k.key is r.key and k.column_id = 1))))) else not exists (select 1 from "orders" as t where t."id" is (select k.value from holdfast_replaced as k where k.relation = 1 and k.key is r.key and k.column_id = 1) and (t."id" collate binary is (select k.value from holdfast_replaced as k where k.relation = 1 and k.key is r.key and k.column_id = 1) and typeof(t."id") = typeof((select k.value from holdfast_replaced as k where k.relation = 1 and k.key is r.key and k.column_id = 1)))) end;
end;

drop trigger if exists main."holdfast_living_insert_1_1";

create trigger main."holdfast_living_insert_1_1"
after insert on "items"
for each row
when (new."order_id" is not null and new."deleted_at" is null and not exists (select 1 from holdfast_context where undo))
begin
-- holdfast: refuses a living row of 'items' under a deleted one of 'orders'
select raise(abort, 'HF201: A row of items cannot refer to a deleted row of orders. Hint: Restore the row of orders first, or refer to a living one.')
from "orders" as p
where p."id" = new."order_id" and p."deleted_at" is not null;
end;

drop trigger if exists main."holdfast_living_update_1_1";

create trigger main."holdfast_living_update_1_1"
after update of "order_id" on "items"
for each row
when (new."order_id" is not null and new."deleted_at" is null and not exists (select 1 from holdfast_context where undo))
begin
-- holdfast: refuses a living row of 'items' under a deleted one of 'orders'
select raise(abort, 'HF201: A row of items cannot refer to a deleted row of orders. Hint: Restore the row of orders first, or refer to a living one.')
from "orders" as p
where p."id" = new."order_id" and p."deleted_at" is not null;
end;

drop trigger if exists main."holdfast_stamp_insert_1";

create trigger main."holdfast_stamp_insert_1"
after insert on "orders"
for each row
begin
-- holdfast: keeps times and version of each new row of 'orders'
update holdfast_statement
set number = number + 1,
    at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'),
    total = total_changes() + 1,
    clock = max(clock + 1, (cast(strftime('%s', 'now') as integer) * 1000000 + cast(substr(strftime('%f', 'now'), 4) as integer) * 1000)),
    keeping = null,
    reviving = 0,
    mixed = case when at is strftime('%Y-%m-%dT%H:%M:%fZ', 'now') then mixed else 2 * exists (
        select 1 from sqlite_schema as s where s.type = 'trigger' and s.name not glob 'holdfast_*'
    ) + exists (
        select 1 from sqlite_schema as s
        where s.type = 'table' and (
            instr(lower(s.sql), 'cascade')
            or lower(s.sql) glob '*set[^!-,.0-~]*' and lower(s.sql) glob '*on[^!-,.0-~]*[du][ep][ld][ea]te*[^!-,.0-~]set[^!-,.0-~]*')
    ) end
where at is not strftime('%Y-%m-%dT%H:%M:%fZ', 'now') or not mixed and total is not total_changes();
update holdfast_statement set keeping = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), total = total_changes() + 1;
update "orders"
set "created_at" = case when exists (select 1 from holdfast_context where undo) then new."created_at" else strftime('%Y-%m-%d %H:%M:%f', 'now') || '000' end,
    "updated_at" = case when exists (select 1 from holdfast_context where undo) then case when new."updated_at" is null or cast(strftime('%s', substr(new."updated_at", 1, 19)) as integer) is null or replace(new."updated_at", 'T', ' ') < strftime('%Y-%m-%d %H:%M:%f', 'now') || '000' then strftime('%Y-%m-%d %H:%M:%f', 'now') || '000'
        else strftime('%Y-%m-%d %H:%M:%S', (cast(strftime('%s', substr(new."updated_at", 1, 19)) as integer) * 1000000 + case when substr(new."updated_at", 20, 1) = '.' then cast(substr(substr(new."updated_at", 21) || '000000', 1, 6) as integer) else 0 end + 1) / 1000000, 'unixepoch') || printf('.%06d', (cast(strftime('%s', substr(new."updated_at", 1, 19)) as integer) * 1000000 + case when substr(new."updated_at", 20, 1) = '.' then cast(substr(substr(new."updated_at", 21) || '000000', 1, 6) as integer) else 0 end + 1) % 1000000) end else strftime('%Y-%m-%d %H:%M:%f', 'now') || '000' end,
    "version" = case when exists (select 1 from holdfast_context where undo) then coalesce(new."version", 0) + 1 else 1 end
where rowid = new.rowid;
update holdfast_statement set keeping = null, total = total_changes() + 1;
end;

drop trigger if exists main."holdfast_stamp_update_1";

create trigger main."holdfast_stamp_update_1"
after update on "orders"
for each row
when not exists (select 1 from holdfast_statement where keeping is strftime('%Y-%m-%dT%H:%M:%fZ', 'now')) and ((((old."id" collate binary is not new."id" or typeof(old."id") <> typeof(new."id")) or (old."status" collate binary is not new."status" or typeof(old."status") <> typeof(new."status")) or (old."total" collate binary is not new."total" or typeof(old."total") <> typeof(new."total")) or (old."note" collate binary is not new."note" or typeof(old."note") <> typeof(new."note")) or (old."email" collate binary is not new."email" or typeof(old."email") <> typeof(new."email")) or (old."card" collate binary is not new."card" or typeof(old."card") <> typeof(new."card"))) or case when exists (select 1 from holdfast_context where undo) then (old."deleted_at" collate binary is not new."deleted_at" or typeof(old."deleted_at") <> typeof(new."deleted_at")) else (old."deleted_at" is null) <> (new."deleted_at" is null) end) or (old."created_at" collate binary is not new."created_at" or typeof(old."created_at") <> typeof(new."created_at")) or (old."updated_at" collate binary is not new."updated_at" or typeof(old."updated_at") <> typeof(new."updated_at")) or (old."version" collate binary is not new."version" or typeof(old."version") <> typeof(new."version")))
begin
-- holdfast: keeps times and version on each update of 'orders'
update holdfast_statement
set number = number + 1,
    at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'),
    total = total_changes() + 1,
    clock = max(clock + 1, (cast(strftime('%s', 'now') as integer) * 1000000 + cast(substr(strftime('%f', 'now'), 4) as integer) * 1000)),
    keeping = null,
    reviving = 0,
    mixed = case when at is strftime('%Y-%m-%dT%H:%M:%fZ', 'now') then mixed else 2 * exists (
        select 1 from sqlite_schema as s where s.type = 'trigger' and s.name not glob 'holdfast_*'
    ) + exists (
        select 1 from sqlite_schema as s
        where s.type = 'table' and (
            instr(lower(s.sql), 'cascade')
            or lower(s.sql) glob '*set[^!-,.0-~]*' and lower(s.sql) glob '*on[^!-,.0-~]*[du][ep][ld][ea]te*[^!-,.0-~]set[^!-,.0-~]*')
    ) end
where at is not strftime('%Y-%m-%dT%H:%M:%fZ', 'now') or not mixed and total is not total_changes();
update holdfast_statement set keeping = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), total = total_changes() + 1;
update "orders"
set "created_at" = old."created_at",
    "updated_at" = case when (((old."id" collate binary is not new."id" or typeof(old."id") <> typeof(new."id")) or (old."status" collate binary is not new."status" or typeof(old."status") <> typeof(new."status")) or (old."total" collate binary is not new."total" or typeof(old."total") <> typeof(new."total")) or (old."note" collate binary is not new."note" or typeof(old."note") <> typeof(new."note")) or (old."email" collate binary is not new."email" or typeof(old."email") <> typeof(new."email")) or (old."card" collate binary is not new."card" or typeof(old."card") <> typeof(new."card"))) or case when exists (select 1 from holdfast_context where undo) then (old."deleted_at" collate binary is not new."deleted_at" or typeof(old."deleted_at") <> typeof(new."deleted_at")) else (old."deleted_at" is null) <> (new."deleted_at" is null) end) then case when old."updated_at" is null or cast(strftime('%s', substr(old."updated_at", 1, 19)) as integer) is null or replace(old."updated_at", 'T', ' ') < strftime('%Y-%m-%d %H:%M:%f', 'now') || '000' then strftime('%Y-%m-%d %H:%M:%f', 'now') || '000'
        else strftime('%Y-%m-%d %H:%M:%S', (cast(strftime('%s', substr(old."updated_at", 1, 19)) as integer) * 1000000 + case when substr(old."updated_at", 20, 1) = '.' then cast(substr(substr(old."updated_at", 21) || '000000', 1, 6) as integer) else 0 end + 1) / 1000000, 'unixepoch') || printf('.%06d', (cast(strftime('%s', substr(old."updated_at", 1, 19)) as integer) * 1000000 + case when substr(old."updated_at", 20, 1) = '.' then cast(substr(substr(old."updated_at", 21) || '000000', 1, 6) as integer) else 0 end + 1) % 1000000) end else old."updated_at" end,
    "version" = case when (((old."id" collate binary is not new."id" or typeof(old."id") <> typeof(new."id")) or (old."status" collate binary is not new."status" or typeof(old."status") <> typeof(new."status")) or (old."total" collate binary is not new."total" or typeof(old."total") <> typeof(new."total")) or (old."note" collate binary is not new."note" or typeof(old."note") <> typeof(new."note")) or (old."email" collate binary is not new."email" or typeof(old."email") <> typeof(new."email")) or (old."card" collate binary is not new."card" or typeof(old."card") <> typeof(new."card"))) or case when exists (select 1 from holdfast_context where undo) then (old."deleted_at" collate binary is not new."deleted_at" or typeof(old."deleted_at") <> typeof(new."deleted_at")) else (old."deleted_at" is null) <> (new."deleted_at" is null) end) then coalesce(old."version", 0) + 1 else old."version" end
where rowid = new.rowid;
update holdfast_statement set keeping = null, total = total_changes() + 1;
end;

drop trigger if exists main."holdfast_stale_1";

create trigger main."holdfast_stale_1"
before update of "version" on "orders"
for each row
when new."version" is not old."version" and new."version" is not coalesce(old."version", 0) + 1
    and not exists (select 1 from holdfast_statement where keeping is strftime('%Y-%m-%dT%H:%M:%fZ', 'now')) and not exists (select 1 from holdfast_context where undo)
begin
-- holdfast: refuses a stale write to 'orders'
select raise(abort, 'HF202: A row of orders was changed by somebody else: it is at another version than this write is for. Hint: Read the row again and repeat the change on what it is now.');
end;

drop trigger if exists main."holdfast_guard_update_1";

create trigger main."holdfast_guard_update_1"
after update on "orders"
for each row
when not exists (select 1 from holdfast_statement where keeping is strftime('%Y-%m-%dT%H:%M:%fZ', 'now')) and not exists (select 1 from holdfast_context where undo)
begin
-- holdfast: refuses an update of more than 100 rows of 'orders'
update holdfast_statement
set number = number + 1,
    at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'),
    total = total_changes() + 1,
    clock = max(clock + 1, (cast(strftime('%s', 'now') as integer) * 1000000 + cast(substr(strftime('%f', 'now'), 4) as integer) * 1000)),
    keeping = null,
    reviving = 0,
    mixed = case when at is strftime('%Y-%m-%dT%H:%M:%fZ', 'now') then mixed else 2 * exists (
        select 1 from sqlite_schema as s where s.type = 'trigger' and s.name not glob 'holdfast_*'
    ) + exists (
        select 1 from sqlite_schema as s
        where s.type = 'table' and (
            instr(lower(s.sql), 'cascade')
            or lower(s.sql) glob '*set[^!-,.0-~]*' and lower(s.sql) glob '*on[^!-,.0-~]*[du][ep][ld][ea]te*[^!-,.0-~]set[^!-,.0-~]*')
    ) end
where at is not strftime('%Y-%m-%dT%H:%M:%fZ', 'now') or not mixed and total is not total_changes();
insert into holdfast_count (relation, statement, touched)
select 1, 0, 0 where not exists (select 1 from holdfast_count where relation = 1);
update holdfast_count
set touched = case when statement is s.number then touched + 1 else 1 end, statement = s.number
from (select number from holdfast_statement) as s
where relation = 1;
select raise(abort, 'HF204: UPDATE of orders would touch more than 100 rows. Hint: If it is meant, say so first in the same transaction: INSERT INTO holdfast_context (allow) VALUES (''mass''), and DELETE FROM holdfast_context before the commit.')
where (select touched from holdfast_count where relation = 1) > 100
    and not exists (
        select 1 from holdfast_context as c,
            json_each('["' || replace(replace(replace(coalesce(c.allow, ''), '"', ''), ' ', ''), ',', '","') || '"]') as w
        where c.undo or w.value = 'mass' or w.value glob '[0-9]*' and w.value not glob '*[^0-9]*' and cast(w.value as integer) >= (select touched from holdfast_count where relation = 1)
    );
update holdfast_statement set total = total_changes() + 1;
end;

drop trigger if exists main."holdfast_guard_delete_1";

create trigger main."holdfast_guard_delete_1"
after delete on "orders"
for each row
when not exists (select 1 from holdfast_statement where keeping is strftime('%Y-%m-%dT%H:%M:%fZ', 'now')) and not exists (select 1 from holdfast_context where undo)
begin
-- holdfast: refuses an delete of more than 100 rows of 'orders'
update holdfast_statement
set number = number + 1,
    at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'),
    total = total_changes() + 1,
    clock = max(clock + 1, (cast(strftime('%s', 'now') as integer) * 1000000 + cast(substr(strftime('%f', 'now'), 4) as integer) * 1000)),
    keeping = null,
    reviving = 0,
    mixed = case when at is strftime('%Y-%m-%dT%H:%M:%fZ', 'now') then mixed else 2 * exists (
        select 1 from sqlite_schema as s where s.type = 'trigger' and s.name not glob 'holdfast_*'
    ) + exists (
        select 1 from sqlite_schema as s
        where s.type = 'table' and (
            instr(lower(s.sql), 'cascade')
            or lower(s.sql) glob '*set[^!-,.0-~]*' and lower(s.sql) glob '*on[^!-,.0-~]*[du][ep][ld][ea]te*[^!-,.0-~]set[^!-,.0-~]*')
    ) end
where at is not strftime('%Y-%m-%dT%H:%M:%fZ', 'now') or not mixed and total is not total_changes();
insert into holdfast_count (relation, statement, touched)
select 1, 0, 0 where not exists (select 1 from holdfast_count where relation = 1);
update holdfast_count
set touched = case when statement is s.number then touched + 1 else 1 end, statement = s.number
from (select number from holdfast_statement) as s
where relation = 1;
select raise(abort, 'HF204: DELETE of orders would touch more than 100 rows. Hint: If it is meant, say so first in the same transaction: INSERT INTO holdfast_context (allow) VALUES (''mass''), and DELETE FROM holdfast_context before the commit.')
where (select touched from holdfast_count where relation = 1) > 100
    and not exists (
        select 1 from holdfast_context as c,
            json_each('["' || replace(replace(replace(coalesce(c.allow, ''), '"', ''), ' ', ''), ',', '","') || '"]') as w
        where c.undo or w.value = 'mass' or w.value glob '[0-9]*' and w.value not glob '*[^0-9]*' and cast(w.value as integer) >= (select touched from holdfast_count where relation = 1)
    );
update holdfast_statement set total = total_changes() + 1;
end;
