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
where (old."id" is not new."id" and t."id" = new."id" and not (t."id" collate binary is old."id" and typeof(t."id") = typeof(old."id")));
update holdfast_statement set total = total_changes() + 1;
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
