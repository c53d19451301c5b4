"""Changing a table that others read and write meanwhile."""

from __future__ import annotations

from typing import Literal

from holdfast.dialects.changing import Changing, Target, Twin
from holdfast.dialects.postgresql.sql import literal, quote
from holdfast.dialects.query import Query

ACTION = "case {} when 'a' then 'NO ACTION' when 'r' then 'RESTRICT' when 'c' then 'CASCADE' when 'n' then 'SET NULL' else 'SET DEFAULT' end"
# What follows the table's name: two indexes of different tables, with different names, are compared.
_AFTER_TABLE = "substring({} from strpos({}, ' USING ') + 7)"


def name_of(target: Target) -> str:
    return f"{quote(target.schema)}.{quote(target.name)}" if target.schema else quote(target.name)


def index_definition(oid: str) -> str:
    text = f"pg_get_indexdef({oid})"
    return f"case when x.indisunique then 'UNIQUE ' else '' end || {_AFTER_TABLE.format(text, text)}"


def key_columns(constraint: str, numbers: str, relation: str) -> str:
    """An expression: the names of a constraint's columns, in the order of the key, as JSON."""
    return (
        "(select array_to_json(array_agg(b.attname order by u.place))\n"
        f"        from unnest({constraint}.{numbers}) with ordinality as u (number, place)\n"
        f"        join pg_attribute as b on b.attrelid = {constraint}.{relation} and b.attnum = u.number)::text"
    )


class PostgreSQLChanging(Changing):
    stepwise = True

    # ------------------------------------------------------------------ what is there

    def table_kind(self, table: Target) -> Query:
        return Query(
            "select case relkind when 'p' then 'partitioned' else 'plain' end from pg_class\n"
            "where oid = to_regclass(:table) and relkind in ('r', 'p')",
            {"table": name_of(table)},
        )

    def constraint(self, table: Target, name: str) -> Query:
        return Query(
            "select c.contype::text, c.convalidated,\n"
            f"    case when x.indexrelid is null then replace(pg_get_constraintdef(c.oid), ' NOT VALID', '')\n"
            f"        else {index_definition('x.indexrelid')} end\n"
            "        || case when c.condeferrable then ' DEFERRABLE' else '' end\n"
            "        || case when c.condeferred then ' INITIALLY DEFERRED' else '' end\n"
            "from pg_constraint as c\n"
            "left join pg_index as x on x.indexrelid = c.conindid and c.contype in ('u', 'p', 'x')\n"
            "where c.conrelid = to_regclass(:table) and c.conname = :name",
            {"table": name_of(table), "name": name},
        )

    def foreign_key(self, table: Target, name: str, referred: Target) -> Query:
        return Query(
            "select c.convalidated, coalesce(c.confrelid = to_regclass(:referred), false),\n"
            f"    {key_columns('c', 'conkey', 'conrelid')},\n    {key_columns('c', 'confkey', 'confrelid')},\n"
            f"    {ACTION.format('c.confupdtype')},\n    {ACTION.format('c.confdeltype')},\n"
            "    c.condeferrable, c.condeferred, c.confmatchtype = 'f'\n"
            "from pg_constraint as c\n"
            "where c.conrelid = to_regclass(:table) and c.conname = :name and c.contype = 'f'",
            {"table": name_of(table), "name": name, "referred": name_of(referred)},
        )

    def not_null(self, table: Target, column: str) -> Query:
        # Before 18 there are no constraints of type n.
        return Query(
            "select a.attnotnull, c.conname, c.convalidated\n"
            "from pg_attribute as a\n"
            "left join pg_constraint as c\n"
            "    on c.conrelid = a.attrelid and c.contype = 'n' and c.conkey = array[a.attnum]\n"
            "where a.attrelid = to_regclass(:table) and a.attname = :column and not a.attisdropped",
            {"table": name_of(table), "column": column},
        )

    def index(self, table: Target, name: str) -> Query:
        return Query(
            "select case when x.indisvalid then 'valid'\n"
            "        when exists (select from pg_stat_progress_create_index as p where p.index_relid = x.indexrelid)\n"
            "            then 'building'\n"
            "        else 'invalid' end,\n"
            f"    case when x.indrelid = t.oid then '' else 'of another table, ' end || {index_definition('x.indexrelid')}\n"
            "from pg_class as t\n"
            "join pg_class as i on i.relnamespace = t.relnamespace and i.relname = :name\n"
            "join pg_index as x on x.indexrelid = i.oid\n"
            "where t.oid = to_regclass(:table)",
            {"table": name_of(table), "name": name},
        )

    def enum_values(self, type_: Target) -> Query:
        return Query(
            "select enumlabel from pg_enum where enumtypid = to_regtype(:type) order by enumsortorder",
            {"type": name_of(type_)},
        )

    def twin(self, table: Target) -> Twin:
        # Of the same name, so that a condition may name the table; it hides the real one until the rollback.
        return Twin(
            "begin",
            f"create temporary table {quote(table.name)} (like {name_of(table)})",
            Target("pg_temp", table.name),
            "rollback",
        )

    # ------------------------------------------------------------------ steps

    def separate_not_null(self, version: tuple[int, ...]) -> bool:
        return version >= (18,)

    def add_not_null(self, table: Target, column: str, name: str) -> str:
        return f"alter table {name_of(table)} add constraint {quote(name)} not null {quote(column)} not valid"

    def add_is_not_null(self, table: Target, column: str, name: str) -> str:
        check = f"check ({quote(column)} is not null)"
        return f"alter table {name_of(table)} add constraint {quote(name)} {check} not valid"

    def is_not_null(self, column: str) -> tuple[str, ...]:
        return tuple(f"CHECK (({name} IS NOT NULL))" for name in (column, quote(column)))

    def validate(self, table: Target, name: str) -> str:
        return f"alter table {name_of(table)} validate constraint {quote(name)}"

    def set_not_null(self, table: Target, column: str) -> str:
        return f"alter table {name_of(table)} alter column {quote(column)} set not null"

    def drop_not_null(self, table: Target, column: str) -> str:
        return f"alter table {name_of(table)} alter column {quote(column)} drop not null"

    def drop_constraint(self, table: Target, name: str) -> str:
        return f"alter table {name_of(table)} drop constraint if exists {quote(name)}"

    def use_index(self, table: Target, name: str, deferring: str) -> str:
        return f"alter table {name_of(table)} add constraint {quote(name)} unique using index {quote(name)}{deferring}"

    def drop_index(self, table: Target, name: str) -> str:
        return f"drop index concurrently if exists {name_of(Target(table.schema, name))}"

    def add_enum_value(
        self, type_: Target, value: str, side: Literal["before", "after"] | None, neighbour: str | None
    ) -> str:
        place = "" if side is None or neighbour is None else f" {side} {literal(neighbour)}"
        return f"alter type {name_of(type_)} add value if not exists {literal(value)}{place}"
