"""Roles, made for their duties, and their rights: each has what its duty asks for and nothing else."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.dialects.granting import Granting
from holdfast.dialects.postgresql.sql import dollar, lend_create, literal, qualified, quote
from holdfast.dialects.query import Query
from holdfast.roles import Duty, Roles
from holdfast.tables import TableName

_COMMENT = "holdfast: "

# What the view of the journal reads: its functions run with the rights of who asks.
_JOURNAL = ("timeline", "change", "transaction", "relation", "relation_column", "intervention", "role")


_LARGE_OBJECTS = "large objects"
"""What ``holdfast.original`` calls the functions that were taken from everybody."""
_OPEN_LARGE_OBJECTS = """\
from pg_proc as p
        where p.pronamespace = 'pg_catalog'::regnamespace and p.proname ~ '^(lo_|loread$|lowrite$)'
            and exists (select from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as a where a.grantee = 0)"""


class PostgreSQLGranting(Granting):
    longest_name = 63

    def make(self, role: str, duty: Duty) -> str:
        login = "nologin" if duty == "owner" else "login"
        return f"""\
do $holdfast$
begin
    if not exists (select from pg_roles where rolname = {literal(role)}) then
        create role {quote(role)} {login};
        comment on role {quote(role)} is {literal(_COMMENT + duty)};
    end if;
end
$holdfast$"""

    def assign(self, roles: Roles) -> tuple[str, ...]:
        given = roles.by_duty()
        if not given:
            return ("delete from holdfast.role",)
        values = ", ".join(f"({literal(duty)}, {literal(name)})" for duty, name in given.items())
        kept = ", ".join(map(literal, given))
        return (
            f"delete from holdfast.role where duty not in ({kept})",
            f"insert into holdfast.role (duty, name) values {values}\n"
            "on conflict (duty) do update set name = excluded.name where role.name <> excluded.name",
        )

    def memberships(self, roles: Roles) -> tuple[str, ...]:
        if roles.migrator is None:
            return ()
        migrator = quote(roles.migrator)
        of = [each for each in (roles.owner, roles.all_tenants) if each is not None]
        # Who protects tables is a member of the role that owns the journal, where that can be had.
        journal = f"""\
do $holdfast$
begin
    if exists (select from pg_roles as r
               where r.rolname = 'holdfast' and pg_has_role(r.oid, 'member with admin option')) then
        grant holdfast to {migrator};
    end if;
end
$holdfast$"""
        return (*(f"grant {quote(each)} to {migrator}" for each in of), journal)

    def on_schema(self, schema: str, roles: Roles) -> tuple[str, ...]:
        users = [each for each in (*roles.scoped, roles.all_tenants) if each is not None]
        statements = [f"grant usage on schema {quote(schema)} to {_listed(users)}"] if users else []
        if roles.owner is not None:
            statements.append(f"grant usage, create on schema {quote(schema)} to {quote(roles.owner)}")
        return tuple(statements)

    def on_table(self, table: TableName, roles: Roles, views: Iterable[str] = ()) -> tuple[str, ...]:
        writers = [each for each in (roles.application, roles.all_tenants) if each is not None]
        readers = [roles.read_only] if roles.read_only is not None else []
        users = [*writers, *readers]
        if not users:
            return ()
        name = qualified(table)
        statements = [f"revoke truncate, references, trigger on table {name} from {_listed(users)}"]
        if writers:
            statements.append(f"grant select, insert, update, delete on table {name} to {_listed(writers)}")
            statements.append(_sequences(table, writers))
        if readers:
            statements.append(f"grant select on table {name} to {_listed(readers)}")
        statements += [
            f"grant select on table {qualified(TableName(table.schema, view))} to {_listed(users)}" for view in views
        ]
        return tuple(statements)

    def on_journal(self, roles: Roles) -> tuple[str, ...]:
        if roles.auditor is None:
            return ()
        tables = ", ".join(f"holdfast.{name}" for name in _JOURNAL)
        return (f"grant select on {tables} to {quote(roles.auditor)}",)

    def close_large_objects(self) -> str:
        return f"""\
do $holdfast$
declare
    v_function regprocedure;
begin
    for v_function in select p.oid {_OPEN_LARGE_OBJECTS} and pg_has_role(p.proowner, 'usage')
    loop
        execute format('revoke execute on function %s from public', v_function);
        insert into holdfast.original (relation, part, kind, name, statements)
        values (0, '', '{_LARGE_OBJECTS}', v_function, array[format('grant execute on function %s to public', v_function)])
        on conflict do nothing;
    end loop;
end
$holdfast$"""

    def open_large_objects(self) -> str:
        return f"""\
select holdfast.put_back(o.relation, o.part, o.kind, o.name, '')
from holdfast.original as o
join pg_proc as p on p.oid = to_regprocedure(o.name)
where o.kind = '{_LARGE_OBJECTS}' and pg_has_role(p.proowner, 'usage')"""

    def large_objects(self) -> Query:
        return Query(
            "select format('revoke execute on function %s from public;', p.oid::regprocedure) as statement,\n"
            f"    pg_get_userbyid(p.proowner) as owner {_OPEN_LARGE_OBJECTS} order by 1",
            {},
        )

    def own(self, table: TableName, owner: str) -> str:
        body = f"""\
    -- What acts for the owner goes with the table.
    for v_function in
        select distinct f.oid
        from pg_trigger as t
        join pg_class as c on c.oid = t.tgrelid
        join pg_proc as f on f.oid = t.tgfoid and f.pronamespace = 'holdfast'::regnamespace
        where t.tgrelid = {literal(qualified(table))}::regclass and f.prosecdef and f.proowner = c.relowner
            and f.proowner <> (select n.nspowner from pg_namespace as n where n.nspname = 'holdfast')
    loop
        execute format('alter function %s owner to %I', v_function, {literal(owner)});
    end loop;
    alter table {qualified(table)} owner to {quote(owner)};
    if exists (select from pg_policy as p
               where p.polrelid = {literal(qualified(table))}::regclass and p.polname = 'holdfast_tenant_owner') then
        alter policy holdfast_tenant_owner on {qualified(table)} to {quote(owner)};
    end if;"""
        return lend_create(owner, body, declare="    v_function regprocedure;\n")

    def join(self, role: str) -> str:
        return f"""\
do $holdfast$
begin
    if not pg_has_role(current_user, {literal(role)}, 'usage') then
        execute format('grant {quote(role).replace("%", "%%")} to %I', current_user);
    end if;
end
$holdfast$"""

    def drop(self, role: str) -> tuple[str, ...]:
        # Its rights in other databases would stay; then it is refused, and nothing was done.
        return (
            self.join(role),
            f"reassign owned by {quote(role)} to current_user",
            f"drop owned by {quote(role)}",
            f"drop role {quote(role)}",
        )

    def present(self) -> Query:
        return Query(
            f"select r.rolname::text as name, coalesce(substring(shobj_description(r.oid, 'pg_authid') "
            f"from '^{_COMMENT}([a-z_]+)$'), '') as duty from pg_roles as r",
            {},
        )


def _sequences(table: TableName, writers: Iterable[str]) -> str:
    """Numbers that a column's default takes; an identity column asks for no right."""
    body = f"""\
declare
    v_sequence regclass;
begin
    for v_sequence in
        select distinct s.oid
        from pg_attrdef as d
        join pg_depend as p on p.classid = 'pg_attrdef'::regclass and p.objid = d.oid and p.refclassid = 'pg_class'::regclass
        join pg_class as s on s.oid = p.refobjid and s.relkind = 'S'
        where d.adrelid = {literal(qualified(table))}::regclass
    loop
        execute format('grant usage on sequence %s to ' || {literal(_listed(writers).replace("%", "%%"))}, v_sequence);
    end loop;
end"""
    return f"do {dollar(body)}"


def _listed(roles: Iterable[str]) -> str:
    return ", ".join(map(quote, roles))
