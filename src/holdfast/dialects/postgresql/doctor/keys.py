"""Keys and indexes: references that cross over to another tenant, duplicates that tell of one, indexes that go unused."""

from __future__ import annotations

from holdfast.dialects.doctor import Check

FOREIGN_KEY = """\
select 'error', t.name,
    format('The foreign key %I of %s does not carry the tenant: a row can refer to another tenant''s, and a delete goes over to it.', k.conname, t.name),
    '-- holdfast protect'
from pg_constraint as k
join tenant_table as t on t.oid = k.conrelid
join tenant_table as o on o.oid = k.confrelid
where k.contype = 'f' and k.conparentid = 0
    and not exists (select from generate_subscripts(k.conkey, 1) as i (n)
                    where k.conkey[i.n] = t.column_number and k.confkey[i.n] = o.column_number)"""

UNIQUE = """\
select 'warning', t.name,
    format('The unique key %I of %s holds over all tenants: by a duplicate one can tell what others have.', c.relname, t.name),
    '-- holdfast protect, or accept it: Tenant(…, global_keys=[…])'
from tenant_table as t
join pg_index as i on i.indrelid = t.oid and i.indisunique and not i.indisprimary
join pg_class as c on c.oid = i.indexrelid and not c.relispartition
where not t.column_number = any (i.indkey::smallint[])
    and not exists (
        select from declared as d
        where d.oid = t.root and (d.global_keys ? c.relname or d.global_keys ? (
            select string_agg(a.attname, ',' order by k.position)
            from unnest(i.indkey::smallint[]) with ordinality as k (number, position)
            join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = k.number)))"""

# What the database gives, or what cannot be guessed, is no choice.
PRIMARY_KEY = """\
select 'warning', t.name,
    format('The primary key of %s holds over all tenants, and its values are chosen by the client: by a duplicate one can tell which are taken.', t.name),
    '-- let the database give them (identity, uuid), or make the tenant the first column of the key, or accept it: Tenant(…, global_keys=[…])'
from tenant_table as t
join pg_index as i on i.indrelid = t.oid and i.indisprimary
join pg_class as c on c.oid = i.indexrelid and not c.relispartition
where t.column_number <> all (i.indkey::smallint[])
    and not exists (
        select from pg_attribute as a
        where a.attrelid = i.indrelid and a.attnum = any (i.indkey::smallint[])
            and (a.atthasdef or a.attidentity <> '' or a.atttypid = 'uuid'::regtype))
    and not exists (
        select from declared as d
        where d.oid = t.root and (d.global_keys ? c.relname or d.global_keys ? (
            select string_agg(a.attname, ',' order by k.position)
            from unnest(i.indkey::smallint[]) with ordinality as k (number, position)
            join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = k.number)))"""

TENANT_INDEX = """\
select 'warning', t.name, format('No index of %s begins with %I: each query reads the rows of all tenants.', t.name, t.column_name),
    format('create index concurrently on %s (%I);', t.name, t.column_name)
from tenant_table as t
where t.column_name is not null
    and not exists (select from pg_index as i
                    where i.indrelid = t.oid and i.indisvalid and i.indkey[0] = t.column_number and i.indpred is null)"""

# Before row security only what cannot tell of other rows by its errors is asked: such an index is of no use.
CLIFF = """\
select 'warning', t.name,
    format('The index %I of %s is not used under row security: %s is not leakproof.', c.relname, t.name, string_agg(distinct u.what, ', ')),
    '-- make the column text, bigint or uuid, or keep the value in a stored generated column and index that'
from tenant_table as t
join pg_index as i on i.indrelid = t.oid and i.indisvalid and not i.indisprimary
join pg_class as c on c.oid = i.indexrelid
cross join lateral (
    -- The comparison of a column, by the operators of its class.
    select format('%s of %s', o.oprname, format_type(p.opcintype, null)) as what
    from generate_subscripts(i.indclass::oid[], 1) as s (n)
    join pg_opclass as p on p.oid = i.indclass[s.n]
    join pg_am as m on m.oid = p.opcmethod
    join pg_amop as a on a.amopfamily = p.opcfamily and a.amoplefttype = p.opcintype and a.amoppurpose = 's'
        and (m.amname <> 'btree' or a.amoprighttype = p.opcintype and a.amopstrategy = 3)
    join pg_operator as o on o.oid = a.amopopr
    join pg_proc as f on f.oid = o.oprcode
    where not f.proleakproof and i.indkey[s.n] is distinct from t.column_number
    union
    -- Patterns.
    select '~~ of ' || format_type(p.opcintype, null)
    from generate_subscripts(i.indclass::oid[], 1) as s (n)
    join pg_opclass as p on p.oid = i.indclass[s.n] and p.opcname ~ '_pattern_ops$'
    union
    -- What an expression calls.
    select e.call[1]::oid::regproc::text
    from regexp_matches(i.indexprs::text, ':(?:funcid|opfuncid) ([0-9]+)', 'g') as e (call)
    join pg_proc as f on f.oid = e.call[1]::oid
    where not f.proleakproof
) as u
group by t.name, c.relname"""

CHECKS = (
    Check("foreign-key", FOREIGN_KEY),
    Check("unique-key", UNIQUE),
    Check("primary-key", PRIMARY_KEY),
    Check("tenant-index", TENANT_INDEX),
    Check("index-cliff", CLIFF),
)
