"""How PostgreSQL will describe what is yet to be made, and what a migration runs beside our objects' own statements."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from holdfast.dialects.migrating import KEPT
from holdfast.dialects.postgresql.evidence import PostgreSQLEvidence
from holdfast.dialects.postgresql.journal import remove
from holdfast.dialects.postgresql.live_view import LONGEST_NAME
from holdfast.dialects.postgresql.sql import dollar, literal, qualified, quote
from holdfast.dialects.query import Query
from holdfast.dialects.revising import FoundConstraint, Revising, SpelledType
from holdfast.journal import Relation
from holdfast.objects import DatabaseObject
from holdfast.policies import Policy, Tenant, find
from holdfast.tables import TableName, TypeKind

# Written name to the name that format_type gives, and the type's own.
_TYPES = {
    "smallint": ("smallint", "int2"), "int2": ("smallint", "int2"), "smallserial": ("smallint", "int2"),
    "serial2": ("smallint", "int2"), "integer": ("integer", "int4"), "int": ("integer", "int4"),
    "int4": ("integer", "int4"), "serial": ("integer", "int4"), "serial4": ("integer", "int4"),
    "bigint": ("bigint", "int8"), "int8": ("bigint", "int8"), "bigserial": ("bigint", "int8"),
    "serial8": ("bigint", "int8"), "boolean": ("boolean", "bool"), "bool": ("boolean", "bool"),
    "numeric": ("numeric", "numeric"), "decimal": ("numeric", "numeric"), "real": ("real", "float4"),
    "float4": ("real", "float4"), "double precision": ("double precision", "float8"),
    "float8": ("double precision", "float8"), "float": ("double precision", "float8"),
    "varchar": ("character varying", "varchar"), "character varying": ("character varying", "varchar"),
    "char": ("character", "bpchar"), "character": ("character", "bpchar"), "bit": ("bit", "bit"),
    "bit varying": ("bit varying", "varbit"), "varbit": ("bit varying", "varbit"),
    "timestamp": ("timestamp without time zone", "timestamp"),
    "timestamp without time zone": ("timestamp without time zone", "timestamp"),
    "timestamp with time zone": ("timestamp with time zone", "timestamptz"),
    "timestamptz": ("timestamp with time zone", "timestamptz"),
    "time": ("time without time zone", "time"), "time without time zone": ("time without time zone", "time"),
    "time with time zone": ("time with time zone", "timetz"), "timetz": ("time with time zone", "timetz"),
}  # fmt: skip
_SAME = {
    "text", "date", "uuid", "json", "jsonb", "bytea", "xml", "inet", "cidr", "macaddr", "macaddr8", "money", "oid",
    "regclass", "regconfig", "name", "tsvector", "tsquery", "point", "line", "lseg", "box", "path", "polygon", "circle",
    "jsonpath", "pg_lsn",
}  # fmt: skip
_RANGES = {"int4range", "int8range", "numrange", "tsrange", "tstzrange", "daterange"}
_WRITTEN = re.compile(r"([a-z_][a-z_0-9 ]*?)\s*(?:\(([^)]*)\))?((?:\s+[a-z ]+)?)((?:\[\d*\])*)", re.IGNORECASE)

# As an index or a view of the catalog has it: where the server looks for its types and functions is no matter.
_OWN = """\
    n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'holdfast')"""


class PostgreSQLRevising(Revising):
    default_schema = None
    autoindexes = False
    verbatim = False

    # ------------------------------------------------------------------ how it will be described

    def type(self, written: str) -> SpelledType | None:
        match = _WRITTEN.fullmatch(_without_collation(written))
        if match is None:
            return None
        name, arguments, rest, array = (part or "" for part in match.groups())
        found = _spelled(" ".join(f"{name} {rest}".lower().split()), arguments.replace(" ", ""))
        if found is None or not array:
            return found
        return SpelledType(f"{found.type}[]", f"_{found.base_type}", "array")

    def find_type(self, written: str) -> Query | None:
        bare = re.sub(r"\([^)]*\)", "", _without_collation(written))
        arguments = written[len(bare) :] if written.startswith(bare) else ""
        return Query(
            "select format_type(t.oid, null) || :arguments, b.typname,\n"
            "    case when b.typtype = 'b' and b.typelem <> 0 and b.typlen = -1 then 'array' when b.typtype = 'b' then 'base'\n"
            "         when b.typtype = 'c' then 'composite' when b.typtype = 'e' then 'enum' when b.typtype = 'r' then 'range'\n"
            "         when b.typtype = 'm' then 'multirange' else 'pseudo' end\n"
            "from pg_type as t\n"
            "cross join lateral (\n"
            "    with recursive below as (\n"
            "        select t.oid, t.typtype, t.typbasetype\n        union all\n"
            "        select u.oid, u.typtype, u.typbasetype\n"
            "        from below join pg_type as u on below.typtype = 'd' and u.oid = below.typbasetype)\n"
            "    select u.* from below join pg_type as u on u.oid = below.oid where below.typtype <> 'd') as b\n"
            "where t.oid = to_regtype(cast(:name as text))",
            {"name": bare, "arguments": arguments},
        )

    def primary_key_name(self, table: str) -> str:
        return _object_name(table, "", "pkey")

    def unique_name(self, table: str, columns: Sequence[str], number: int) -> str:
        return _object_name(table, "_".join(columns), "key")

    def foreign_key_name(self, table: str, columns: Sequence[str], name: str | None) -> str:
        return name or _object_name(table, "_".join(columns), "fkey")

    def kept_column(self, policies: Iterable[Policy]) -> str | None:
        tenant = find(policies, Tenant)
        return None if tenant is None else tenant.column

    # ------------------------------------------------------------------ what a migration does

    def in_the_way(self, each: DatabaseObject, table: TableName, columns: Iterable[str]) -> bool:
        if each.table != table or each.kind == "function":
            return False
        text = "\n".join(each.create)
        return any(quote(column) in text for column in columns)

    def expect(self, relation: Relation, known: Mapping[TableName, Iterable[tuple[int, str]]]) -> str:
        names = ", ".join(f"({literal(name.schema)}, {literal(name.name)})" for name in known)
        columns = ", ".join(
            f"({i}, {literal(n)})" for i, n in sorted({each for listed in known.values() for each in listed})
        )
        table = relation.table
        present = ", ".join(f"to_regclass({literal(qualified(name))})" for name in known)
        return "do " + dollar(f"""\
begin
    if exists (select from holdfast.relation as r where r.protected and (
            r.id = {relation.id} and (r.schema_name, r.table_name) not in ({names})
            and not coalesce(r.oid = any (array[{present}]::oid[]), false)
            or r.id <> {relation.id} and r.oid = to_regclass({literal(qualified(table))}) and r.oid <> 0))
        or exists (select from holdfast.relation_column as c join holdfast.relation as r on r.id = c.relation
                   where r.id = {relation.id} and r.protected and not c.dropped and (c.id, c.name) not in ({columns}))
    then
        raise exception using errcode = 'HF451',
            message = {literal(f"The journal knows {table} otherwise than this revision was written for.")},
            hint = 'Upgrade to the revision before it and write it anew: alembic revision --autogenerate.';
    end if;
end""")

    def lock(self, tables: Sequence[TableName], *, exclusive: bool) -> tuple[str, ...]:
        mode = "access exclusive" if exclusive else "share row exclusive"
        return (f"lock table only {', '.join(map(qualified, tables))} in {mode} mode",) if tables else ()

    def note(self, step: str, actions: Sequence[str]) -> str:
        return (
            "insert into holdfast.intervention (kind, details)\n"
            f"select 'installation', jsonb_build_object('step', {literal(step)}, 'found', jsonb_build_array(), 'xid', x.id,\n"
            f"    'actions', {literal(json.dumps(list(actions), ensure_ascii=False))}::jsonb)\n"
            f"from ({PostgreSQLEvidence().present_transaction()}) as x (id)"
        )

    def remove_unused_journal(self) -> tuple[str, ...]:
        steps = "\n".join(f"            execute {dollar(each, 'remove')};" for each in remove())
        return ("do " + dollar(f"""\
begin
    if to_regclass('holdfast.change') is not null then
        if not exists (select from holdfast.change) and not exists (select from holdfast.relation where protected) then
{steps}
        end if;
    end if;
end""", "journal"),)  # fmt: skip

    def is_own(self, table: TableName) -> bool:
        return table.schema == "holdfast" or table.name in KEPT

    # ------------------------------------------------------------------ indexes and checks

    def indexes(self) -> str:
        return f"""\
select n.nspname as schema_name, c.relname as table_name, ic.relname as name, i.indisvalid as valid,
    pg_get_expr(i.indpred, i.indrelid) as predicate,
    (select coalesce(json_agg(a.attname order by k.position), '[]')
     from unnest(i.indkey::smallint[]) with ordinality as k (number, position)
     join pg_attribute as a on a.attrelid = c.oid and a.attnum = k.number
     where k.position > i.indnkeyatts)::text as included
from pg_index as i
join pg_class as ic on ic.oid = i.indexrelid
join pg_class as c on c.oid = i.indrelid
join pg_namespace as n on n.oid = c.relnamespace
where {_OWN}
    and not exists (select from pg_constraint as k where k.conindid = i.indexrelid and k.contype in ('p', 'u', 'x'))"""

    def constraints(self) -> str:
        return f"""\
select n.nspname as schema_name, c.relname as table_name, k.conname as name, k.convalidated as valid,
    pg_get_expr(k.conbin, k.conrelid) as expression
from pg_constraint as k
join pg_class as c on c.oid = k.conrelid
join pg_namespace as n on n.oid = c.relnamespace
where k.contype in ('c', 'f') and k.conparentid = 0 and {_OWN.strip()}"""

    def read_constraints(self, rows: Iterable[Any]) -> Iterator[FoundConstraint]:
        for schema, table, name, valid, expression in rows:
            yield FoundConstraint(TableName(schema, table), name, valid, expression)

    def replace_check(self, table: TableName, name: str, expression: str | None) -> tuple[str, ...]:
        added = "" if expression is None else f",\n    add constraint {quote(name)} check ({expression})"
        return (f"alter table {qualified(table)}\n    drop constraint if exists {quote(name)}{added}",)

    def validate(self, table: TableName, name: str) -> str:
        return f"alter table {qualified(table)} validate constraint {quote(name)}"


def _without_collation(written: str) -> str:
    return re.split(r"\s+collate\s+", written, flags=re.IGNORECASE)[0].strip()


def _spelled(name: str, arguments: str) -> SpelledType | None:
    if name in _RANGES or name.replace("multirange", "range") in _RANGES:
        kind: TypeKind = "range" if name in _RANGES else "multirange"
        return SpelledType(name, name, kind)
    if name in _SAME:
        return SpelledType(name, name)
    if name.split()[0] == "interval":
        fields = name.removeprefix("interval").strip()
        return SpelledType(
            " ".join(filter(None, ("interval", fields))) + (f"({arguments})" if arguments else ""), "interval"
        )
    if name not in _TYPES:
        return None
    spelled, base = _TYPES[name]
    if name == "float" and arguments:
        return SpelledType("real", "float4") if int(arguments) <= 24 else SpelledType(spelled, base)
    if base == "numeric" and arguments and "," not in arguments:
        arguments += ",0"
    if base in ("bpchar", "bit") and not arguments:
        arguments = "1"
    if arguments and base.startswith("time"):
        first, _, others = spelled.partition(" ")
        return SpelledType(f"{first}({arguments}) {others}", base)
    return SpelledType(f"{spelled}({arguments})" if arguments else spelled, base)


def _object_name(first: str, second: str, label: str) -> str:
    """What PostgreSQL calls a constraint without a name: the longer part is cut until it fits."""
    room = LONGEST_NAME - len(label) - 1 - (1 if second else 0)
    one, two = first.encode(), second.encode()[:LONGEST_NAME]
    while len(one) + len(two) > room:
        if len(one) > len(two):
            one = one[:-1]
        else:
            two = two[:-1]
    parts = [part.decode(errors="ignore") for part in (one, two) if part]
    return "_".join([*parts, label])
