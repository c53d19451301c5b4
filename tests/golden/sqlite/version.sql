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
set "version" = case when exists (select 1 from holdfast_context where undo) then coalesce(new."version", 0) + 1 else 1 end
where rowid = new.rowid;
update holdfast_statement set keeping = null, total = total_changes() + 1;
end;

drop trigger if exists main."holdfast_stamp_update_1";

create trigger main."holdfast_stamp_update_1"
after update on "orders"
for each row
when not exists (select 1 from holdfast_statement where keeping is strftime('%Y-%m-%dT%H:%M:%fZ', 'now')) and (((old."id" collate binary is not new."id" or typeof(old."id") <> typeof(new."id")) or (old."status" collate binary is not new."status" or typeof(old."status") <> typeof(new."status")) or (old."total" collate binary is not new."total" or typeof(old."total") <> typeof(new."total")) or (old."note" collate binary is not new."note" or typeof(old."note") <> typeof(new."note")) or (old."email" collate binary is not new."email" or typeof(old."email") <> typeof(new."email")) or (old."card" collate binary is not new."card" or typeof(old."card") <> typeof(new."card")) or (old."deleted_at" collate binary is not new."deleted_at" or typeof(old."deleted_at") <> typeof(new."deleted_at")) or (old."created_at" collate binary is not new."created_at" or typeof(old."created_at") <> typeof(new."created_at")) or (old."updated_at" collate binary is not new."updated_at" or typeof(old."updated_at") <> typeof(new."updated_at"))) or (old."version" collate binary is not new."version" or typeof(old."version") <> typeof(new."version")))
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
set "version" = case when ((old."id" collate binary is not new."id" or typeof(old."id") <> typeof(new."id")) or (old."status" collate binary is not new."status" or typeof(old."status") <> typeof(new."status")) or (old."total" collate binary is not new."total" or typeof(old."total") <> typeof(new."total")) or (old."note" collate binary is not new."note" or typeof(old."note") <> typeof(new."note")) or (old."email" collate binary is not new."email" or typeof(old."email") <> typeof(new."email")) or (old."card" collate binary is not new."card" or typeof(old."card") <> typeof(new."card")) or (old."deleted_at" collate binary is not new."deleted_at" or typeof(old."deleted_at") <> typeof(new."deleted_at")) or (old."created_at" collate binary is not new."created_at" or typeof(old."created_at") <> typeof(new."created_at")) or (old."updated_at" collate binary is not new."updated_at" or typeof(old."updated_at") <> typeof(new."updated_at"))) then coalesce(old."version", 0) + 1 else old."version" end
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
