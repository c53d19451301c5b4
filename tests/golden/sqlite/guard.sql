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
