"""The journal by months: which partitions there are, which are wanting, and how one is made while others write.

Changes have no key, which would cost each one that is written. Where a publication has their tables, FOR ALL TABLES for
one, they can be updated and deleted only if these say by what a subscriber finds a row; no partition inherits that.
"""

from __future__ import annotations

from datetime import UTC, datetime

from holdfast.dialects.postgresql.sql import literal

PARTITIONS = """\
select c.relname as name,
    (regexp_match(b.bound, 'FROM [(]''([^'']+)''[)]'))[1]::timestamptz as lower,
    (regexp_match(b.bound, 'TO [(]''([^'']+)''[)]'))[1]::timestamptz as upper,
    b.bound = 'DEFAULT' as is_default
from pg_inherits as i
join pg_class as c on c.oid = i.inhrelid
cross join lateral (select pg_get_expr(c.relpartbound, c.oid) as bound) as b
where i.inhparent = 'holdfast.change'::regclass"""

# The whole table as well: a publication may publish the partitions under its name. From the top, as writers lock.
IDENTITY = """\
do $holdfast$
declare
    v_each regclass;
begin
    for v_each in
        select p.relid
        from pg_partition_tree('holdfast.change') as p
        join pg_class as c on c.oid = p.relid
        where c.relreplident not in ('f', 'i')
        order by p.level, p.relid
    loop
        execute format('alter table only %s replica identity full', v_each);
    end loop;
end
$holdfast$"""


def gaps(ahead: int) -> str:
    """The months up to so many ahead that have no partition, and those of rows that the default one caught."""
    return f"""\
select to_char(m.month, 'YYYYMM') as month
from (
    select generate_series(
        date_trunc('month', now() at time zone 'UTC'),
        (now() at time zone 'UTC') + interval '{int(ahead)} months', interval '1 month') as month
    union
    select date_trunc('month', c.at at time zone 'UTC')
    from only holdfast.change_default as c
    where c.at >= '0001-01-01 00:00Z' and c.at < '9999-12-01 00:00Z'
) as m
where not exists (
    select from (
{PARTITIONS}
    ) as p
    where p.lower <= m.month at time zone 'UTC' and p.upper > m.month at time zone 'UTC'
)
order by 1"""


def make_partition(month: str) -> str:
    """Attached, for that locks the default partition alone; writers of other months do not notice."""
    lower, upper = (literal(each.isoformat()) for each in _months(month))
    name = f"holdfast.change_{month}"
    return f"""\
do $holdfast$
declare
    v_owner text := (select pg_get_userbyid(c.relowner) from pg_class as c where c.oid = 'holdfast.change'::regclass);
    v_grantee text;
begin
    -- One at a time: the first line is where a second one waits.
    lock table only holdfast.change in share update exclusive mode;
    if exists (select from pg_inherits as i where i.inhrelid = to_regclass('{name}')
                   and i.inhparent = 'holdfast.change'::regclass) then
        return;
    end if;
    lock table only holdfast.change_default in access exclusive mode;
    create table {name} (like holdfast.change including defaults including storage);
    alter table {name} replica identity full;
    with moved as (
        delete from only holdfast.change_default as c where c.at >= {lower} and c.at < {upper} returning c.*
    )
    insert into {name} select * from moved;
    alter table holdfast.change attach partition {name} for values from ({lower}) to ({upper});
    if v_owner <> current_user then
        execute format('alter table {name} owner to %I', v_owner);
    end if;
    -- What the default privileges of whoever runs this would give away.
    for v_grantee in
        select distinct case a.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end
        from pg_class as c
        cross join lateral aclexplode(c.relacl) as a
        where c.oid = '{name}'::regclass and a.grantee <> c.relowner
    loop
        execute format('revoke all on {name} from %s', v_grantee);
    end loop;
end
$holdfast$"""


def _months(month: str) -> tuple[datetime, datetime]:
    year, number = int(month[:4]), int(month[4:])
    return (
        datetime(year, number, 1, tzinfo=UTC),
        datetime(year + number // 12, number % 12 + 1, 1, tzinfo=UTC),
    )
