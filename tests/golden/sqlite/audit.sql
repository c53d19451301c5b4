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
when exists (select 1 from holdfast_statement where mixed & 2 or at is not strftime('%Y-%m-%dT%H:%M:%fZ', 'now')) and ((old."id" collate binary is not new."id" or typeof(old."id") <> typeof(new."id")) or ((old."id" collate binary is not new."id" or typeof(old."id") <> typeof(new."id")) or (old."status" collate binary is not new."status" or typeof(old."status") <> typeof(new."status")) or (old."total" collate binary is not new."total" or typeof(old."total") <> typeof(new."total")) or (old."note" collate binary is not new."note" or typeof(old."note") <> typeof(new."note")) or (old."email" collate binary is not new."email" or typeof(old."email") <> typeof(new."email")) or (old."deleted_at" collate binary is not new."deleted_at" or typeof(old."deleted_at") <> typeof(new."deleted_at")) or (old."created_at" collate binary is not new."created_at" or typeof(old."created_at") <> typeof(new."created_at")) or (old."updated_at" collate binary is not new."updated_at" or typeof(old."updated_at") <> typeof(new."updated_at")) or (old."version" collate binary is not new."version" or typeof(old."version") <> typeof(new."version"))))
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
select 1, s.number, s.event, old."id", (quote(old."id") || quote(new."id") || quote(old."status") || quote(new."status") || quote(old."total") || quote(new."total") || quote(old."note") || quote(new."note") || quote(old."deleted_at") || quote(new."deleted_at") || quote(old."created_at") || quote(new."created_at") || quote(old."updated_at") || quote(new."updated_at") || quote(old."version") || quote(new."version"))
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
    case when s.mixed and not exists (select 1 from "orders" as t where (t."id" is new."id" and (t."id" collate binary is new."id" and typeof(t."id") = typeof(new."id")) and (t."id" collate binary is new."id" and typeof(t."id") = typeof(new."id")) and (t."status" collate binary is new."status" and typeof(t."status") = typeof(new."status")) and (t."total" collate binary is new."total" and typeof(t."total") = typeof(new."total")) and (t."note" collate binary is new."note" and typeof(t."note") = typeof(new."note")) and (t."email" collate binary is new."email" and typeof(t."email") = typeof(new."email")) and (t."deleted_at" collate binary is new."deleted_at" and typeof(t."deleted_at") = typeof(new."deleted_at")) and (t."created_at" collate binary is new."created_at" and typeof(t."created_at") = typeof(new."created_at")) and (t."updated_at" collate binary is new."updated_at" and typeof(t."updated_at") = typeof(new."updated_at")) and (t."version" collate binary is new."version" and typeof(t."version") = typeof(new."version")))) then s.event else 0 end,
    case when s.mixed and not exists (select 1 from "orders" as t where (t."id" is new."id" and (t."id" collate binary is new."id" and typeof(t."id") = typeof(new."id")) and (t."id" collate binary is new."id" and typeof(t."id") = typeof(new."id")) and (t."status" collate binary is new."status" and typeof(t."status") = typeof(new."status")) and (t."total" collate binary is new."total" and typeof(t."total") = typeof(new."total")) and (t."note" collate binary is new."note" and typeof(t."note") = typeof(new."note")) and (t."email" collate binary is new."email" and typeof(t."email") = typeof(new."email")) and (t."deleted_at" collate binary is new."deleted_at" and typeof(t."deleted_at") = typeof(new."deleted_at")) and (t."created_at" collate binary is new."created_at" and typeof(t."created_at") = typeof(new."created_at")) and (t."updated_at" collate binary is new."updated_at" and typeof(t."updated_at") = typeof(new."updated_at")) and (t."version" collate binary is new."version" and typeof(t."version") = typeof(new."version")))) then r.start - 0.5 end,
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
    case when s.mixed and not exists (select 1 from "orders" as t where (t."id" is new."id" and (t."id" collate binary is new."id" and typeof(t."id") = typeof(new."id")) and (t."id" collate binary is new."id" and typeof(t."id") = typeof(new."id")) and (t."status" collate binary is new."status" and typeof(t."status") = typeof(new."status")) and (t."total" collate binary is new."total" and typeof(t."total") = typeof(new."total")) and (t."note" collate binary is new."note" and typeof(t."note") = typeof(new."note")) and (t."email" collate binary is new."email" and typeof(t."email") = typeof(new."email")) and (t."deleted_at" collate binary is new."deleted_at" and typeof(t."deleted_at") = typeof(new."deleted_at")) and (t."created_at" collate binary is new."created_at" and typeof(t."created_at") = typeof(new."created_at")) and (t."updated_at" collate binary is new."updated_at" and typeof(t."updated_at") = typeof(new."updated_at")) and (t."version" collate binary is new."version" and typeof(t."version") = typeof(new."version")))) then s.event else 0 end,
    case when s.mixed and not exists (select 1 from "orders" as t where (t."id" is new."id" and (t."id" collate binary is new."id" and typeof(t."id") = typeof(new."id")) and (t."id" collate binary is new."id" and typeof(t."id") = typeof(new."id")) and (t."status" collate binary is new."status" and typeof(t."status") = typeof(new."status")) and (t."total" collate binary is new."total" and typeof(t."total") = typeof(new."total")) and (t."note" collate binary is new."note" and typeof(t."note") = typeof(new."note")) and (t."email" collate binary is new."email" and typeof(t."email") = typeof(new."email")) and (t."deleted_at" collate binary is new."deleted_at" and typeof(t."deleted_at") = typeof(new."deleted_at")) and (t."created_at" collate binary is new."created_at" and typeof(t."created_at") = typeof(new."created_at")) and (t."updated_at" collate binary is new."updated_at" and typeof(t."updated_at") = typeof(new."updated_at")) and (t."version" collate binary is new."version" and typeof(t."version") = typeof(new."version")))) then coalesce((select coalesce(c.place, c.id) + 0.25 from holdfast_change as c
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
when not (old."id" collate binary is not new."id" or typeof(old."id") <> typeof(new."id")) and ((old."id" collate binary is not new."id" or typeof(old."id") <> typeof(new."id")) or (old."status" collate binary is not new."status" or typeof(old."status") <> typeof(new."status")) or (old."total" collate binary is not new."total" or typeof(old."total") <> typeof(new."total")) or (old."note" collate binary is not new."note" or typeof(old."note") <> typeof(new."note")) or (old."email" collate binary is not new."email" or typeof(old."email") <> typeof(new."email")) or (old."deleted_at" collate binary is not new."deleted_at" or typeof(old."deleted_at") <> typeof(new."deleted_at")) or (old."created_at" collate binary is not new."created_at" or typeof(old."created_at") <> typeof(new."created_at")) or (old."updated_at" collate binary is not new."updated_at" or typeof(old."updated_at") <> typeof(new."updated_at")) or (old."version" collate binary is not new."version" or typeof(old."version") <> typeof(new."version")))
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
select (select max(id) from holdfast_transaction), s.number, 1, 'U', 3,
    case when s.mixed and not exists (select 1 from "orders" as t where (t."id" is new."id" and (t."id" collate binary is new."id" and typeof(t."id") = typeof(new."id")) and (t."id" collate binary is new."id" and typeof(t."id") = typeof(new."id")) and (t."status" collate binary is new."status" and typeof(t."status") = typeof(new."status")) and (t."total" collate binary is new."total" and typeof(t."total") = typeof(new."total")) and (t."note" collate binary is new."note" and typeof(t."note") = typeof(new."note")) and (t."email" collate binary is new."email" and typeof(t."email") = typeof(new."email")) and (t."deleted_at" collate binary is new."deleted_at" and typeof(t."deleted_at") = typeof(new."deleted_at")) and (t."created_at" collate binary is new."created_at" and typeof(t."created_at") = typeof(new."created_at")) and (t."updated_at" collate binary is new."updated_at" and typeof(t."updated_at") = typeof(new."updated_at")) and (t."version" collate binary is new."version" and typeof(t."version") = typeof(new."version")))) then s.event else 0 end,
    case when s.mixed and not exists (select 1 from "orders" as t where (t."id" is new."id" and (t."id" collate binary is new."id" and typeof(t."id") = typeof(new."id")) and (t."id" collate binary is new."id" and typeof(t."id") = typeof(new."id")) and (t."status" collate binary is new."status" and typeof(t."status") = typeof(new."status")) and (t."total" collate binary is new."total" and typeof(t."total") = typeof(new."total")) and (t."note" collate binary is new."note" and typeof(t."note") = typeof(new."note")) and (t."email" collate binary is new."email" and typeof(t."email") = typeof(new."email")) and (t."deleted_at" collate binary is new."deleted_at" and typeof(t."deleted_at") = typeof(new."deleted_at")) and (t."created_at" collate binary is new."created_at" and typeof(t."created_at") = typeof(new."created_at")) and (t."updated_at" collate binary is new."updated_at" and typeof(t."updated_at") = typeof(new."updated_at")) and (t."version" collate binary is new."version" and typeof(t."version") = typeof(new."version")))) then coalesce((select x.start from holdfast_started as x where x.relation = 1
        and x.key is old."id" and x.image = (quote(old."id") || quote(new."id") || quote(old."status") || quote(new."status") || quote(old."total") || quote(new."total") || quote(old."note") || quote(new."note") || quote(old."deleted_at") || quote(new."deleted_at") || quote(old."created_at") || quote(new."created_at") || quote(old."updated_at") || quote(new."updated_at") || quote(old."version") || quote(new."version"))
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
    select 7, old."deleted_at", new."deleted_at", null
    where (old."deleted_at" collate binary is not new."deleted_at" or typeof(old."deleted_at") <> typeof(new."deleted_at"))
    union all
    select 8, old."created_at", new."created_at", null
    where (old."created_at" collate binary is not new."created_at" or typeof(old."created_at") <> typeof(new."created_at"))
    union all
    select 9, old."updated_at", new."updated_at", null
    where (old."updated_at" collate binary is not new."updated_at" or typeof(old."updated_at") <> typeof(new."updated_at"))
    union all
    select 10, old."version", new."version", null
    where (old."version" collate binary is not new."version" or typeof(old."version") <> typeof(new."version"))
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
    case when s.mixed and not exists (select 1 from "orders" as t where (t."id" is new."id" and (t."id" collate binary is new."id" and typeof(t."id") = typeof(new."id")) and (t."id" collate binary is new."id" and typeof(t."id") = typeof(new."id")) and (t."status" collate binary is new."status" and typeof(t."status") = typeof(new."status")) and (t."total" collate binary is new."total" and typeof(t."total") = typeof(new."total")) and (t."note" collate binary is new."note" and typeof(t."note") = typeof(new."note")) and (t."email" collate binary is new."email" and typeof(t."email") = typeof(new."email")) and (t."deleted_at" collate binary is new."deleted_at" and typeof(t."deleted_at") = typeof(new."deleted_at")) and (t."created_at" collate binary is new."created_at" and typeof(t."created_at") = typeof(new."created_at")) and (t."updated_at" collate binary is new."updated_at" and typeof(t."updated_at") = typeof(new."updated_at")) and (t."version" collate binary is new."version" and typeof(t."version") = typeof(new."version")))) then s.event else 0 end,
    case when s.mixed and not exists (select 1 from "orders" as t where (t."id" is new."id" and (t."id" collate binary is new."id" and typeof(t."id") = typeof(new."id")) and (t."id" collate binary is new."id" and typeof(t."id") = typeof(new."id")) and (t."status" collate binary is new."status" and typeof(t."status") = typeof(new."status")) and (t."total" collate binary is new."total" and typeof(t."total") = typeof(new."total")) and (t."note" collate binary is new."note" and typeof(t."note") = typeof(new."note")) and (t."email" collate binary is new."email" and typeof(t."email") = typeof(new."email")) and (t."deleted_at" collate binary is new."deleted_at" and typeof(t."deleted_at") = typeof(new."deleted_at")) and (t."created_at" collate binary is new."created_at" and typeof(t."created_at") = typeof(new."created_at")) and (t."updated_at" collate binary is new."updated_at" and typeof(t."updated_at") = typeof(new."updated_at")) and (t."version" collate binary is new."version" and typeof(t."version") = typeof(new."version")))) then r.start - 0.5 end,
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
    case when s.mixed and not exists (select 1 from "orders" as t where (t."id" is new."id" and (t."id" collate binary is new."id" and typeof(t."id") = typeof(new."id")) and (t."id" collate binary is new."id" and typeof(t."id") = typeof(new."id")) and (t."status" collate binary is new."status" and typeof(t."status") = typeof(new."status")) and (t."total" collate binary is new."total" and typeof(t."total") = typeof(new."total")) and (t."note" collate binary is new."note" and typeof(t."note") = typeof(new."note")) and (t."email" collate binary is new."email" and typeof(t."email") = typeof(new."email")) and (t."deleted_at" collate binary is new."deleted_at" and typeof(t."deleted_at") = typeof(new."deleted_at")) and (t."created_at" collate binary is new."created_at" and typeof(t."created_at") = typeof(new."created_at")) and (t."updated_at" collate binary is new."updated_at" and typeof(t."updated_at") = typeof(new."updated_at")) and (t."version" collate binary is new."version" and typeof(t."version") = typeof(new."version")))) then s.event else 0 end,
    case when s.mixed and not exists (select 1 from "orders" as t where (t."id" is new."id" and (t."id" collate binary is new."id" and typeof(t."id") = typeof(new."id")) and (t."id" collate binary is new."id" and typeof(t."id") = typeof(new."id")) and (t."status" collate binary is new."status" and typeof(t."status") = typeof(new."status")) and (t."total" collate binary is new."total" and typeof(t."total") = typeof(new."total")) and (t."note" collate binary is new."note" and typeof(t."note") = typeof(new."note")) and (t."email" collate binary is new."email" and typeof(t."email") = typeof(new."email")) and (t."deleted_at" collate binary is new."deleted_at" and typeof(t."deleted_at") = typeof(new."deleted_at")) and (t."created_at" collate binary is new."created_at" and typeof(t."created_at") = typeof(new."created_at")) and (t."updated_at" collate binary is new."updated_at" and typeof(t."updated_at") = typeof(new."updated_at")) and (t."version" collate binary is new."version" and typeof(t."version") = typeof(new."version")))) then coalesce((select x.start from holdfast_started as x where x.relation = 1
        and x.key is old."id" and x.image = (quote(old."id") || quote(new."id") || quote(old."status") || quote(new."status") || quote(old."total") || quote(new."total") || quote(old."note") || quote(new."note") || quote(old."deleted_at") || quote(new."deleted_at") || quote(old."created_at") || quote(new."created_at") || quote(old."updated_at") || quote(new."updated_at") || quote(old."version") || quote(new."version"))
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
    case when s.mixed and not exists (select 1 from "orders" as t where (t."id" is new."id" and (t."id" collate binary is new."id" and typeof(t."id") = typeof(new."id")) and (t."id" collate binary is new."id" and typeof(t."id") = typeof(new."id")) and (t."status" collate binary is new."status" and typeof(t."status") = typeof(new."status")) and (t."total" collate binary is new."total" and typeof(t."total") = typeof(new."total")) and (t."note" collate binary is new."note" and typeof(t."note") = typeof(new."note")) and (t."email" collate binary is new."email" and typeof(t."email") = typeof(new."email")) and (t."deleted_at" collate binary is new."deleted_at" and typeof(t."deleted_at") = typeof(new."deleted_at")) and (t."created_at" collate binary is new."created_at" and typeof(t."created_at") = typeof(new."created_at")) and (t."updated_at" collate binary is new."updated_at" and typeof(t."updated_at") = typeof(new."updated_at")) and (t."version" collate binary is new."version" and typeof(t."version") = typeof(new."version")))) then s.event else 0 end,
    case when s.mixed and not exists (select 1 from "orders" as t where (t."id" is new."id" and (t."id" collate binary is new."id" and typeof(t."id") = typeof(new."id")) and (t."id" collate binary is new."id" and typeof(t."id") = typeof(new."id")) and (t."status" collate binary is new."status" and typeof(t."status") = typeof(new."status")) and (t."total" collate binary is new."total" and typeof(t."total") = typeof(new."total")) and (t."note" collate binary is new."note" and typeof(t."note") = typeof(new."note")) and (t."email" collate binary is new."email" and typeof(t."email") = typeof(new."email")) and (t."deleted_at" collate binary is new."deleted_at" and typeof(t."deleted_at") = typeof(new."deleted_at")) and (t."created_at" collate binary is new."created_at" and typeof(t."created_at") = typeof(new."created_at")) and (t."updated_at" collate binary is new."updated_at" and typeof(t."updated_at") = typeof(new."updated_at")) and (t."version" collate binary is new."version" and typeof(t."version") = typeof(new."version")))) then coalesce((select coalesce(c.place, c.id) + 0.25 from holdfast_change as c
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
    select 7, null, new."deleted_at", null
    union all
    select 8, null, new."created_at", null
    union all
    select 9, null, new."updated_at", null
    union all
    select 10, null, new."version", null
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
