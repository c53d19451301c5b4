drop view if exists main."orders_live";

create view main."orders_live" as
-- holdfast: the living rows of relation 1
select * from "main"."orders" where "deleted_at" is null;

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
