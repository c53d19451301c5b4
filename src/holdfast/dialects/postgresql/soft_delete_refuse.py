"""What of a raw DELETE is refused: all of it, more rows than the guard expects, rows that row security hides."""

from __future__ import annotations

from holdfast.dialects.postgresql.guard import MEANT
from holdfast.dialects.postgresql.soft_delete_family import owners_function
from holdfast.dialects.postgresql.sql import literal, trigger
from holdfast.objects import DatabaseObject, Protection
from holdfast.policies import Guard, SoftDelete
from holdfast.tables import TableInfo

# The first half is cheap and says no for almost every row.
ALLOWED = """\
current_setting('holdfast.allow', true) like '%hard_delete%'
        and 'hard_delete' = any (string_to_array(replace(current_setting('holdfast.allow', true), ' ', ''), ','))"""


def refusing(policy: SoftDelete, protection: Protection) -> list[DatabaseObject]:
    table = protection.table
    name = f"soft_delete_refuse_{protection.relation.id}"
    message = f"Rows of {table.name} are not deleted but marked."
    hint = (
        f"UPDATE {table.name} SET {policy.column} = now() WHERE …; for a real delete say first: "
        "SET LOCAL holdfast.allow = 'hard_delete'"
    )
    body = f"""\
begin
    if {ALLOWED} then
        return old;
    end if;
    raise exception using errcode = 'HF201',
        message = {literal(message)},
        hint = {literal(hint)};
end"""
    return [
        owners_function(name, body, f"Refuses a DELETE of {table.name}.", table),
        trigger("zz_holdfast_soft_delete", table.name, name, "before delete", "row", policy="SoftDelete"),
    ]


def limit(protection: Protection, rows: str, meant: str) -> str:
    """Refuses ``v_rows`` rows as the guard would: it looks at deleted rows, and these are not."""
    guard = protection.get(Guard)
    if guard is None or guard.max_rows is None:
        return ""
    complaint = literal(f"DELETE of {protection.table.name} would touch ")
    return f"""
    if v_rows > {guard.max_rows} and not exists (
        select from unnest(string_to_array(replace(current_setting('holdfast.allow', true), ' ', ''), ',')) as a (word)
        where a.word = 'mass' or case when a.word ~ '^[0-9]+$' then a.word::numeric >= v_rows end
    ) then
        raise exception using errcode = 'HF204',
            message = concat({complaint}, {rows}, ' rows; up to {guard.max_rows} are expected.'),
            hint = concat({literal(MEANT + "'")}, {meant}, '''');
    end if;"""


def hidden(table: TableInfo) -> str:
    """The function has the rights of the table's owner, to whom row security shows nothing either."""
    return (
        "raise exception using errcode = 'HF203',\n"
        f"                message = {literal(f'Rows of {table.name} are to be marked, and row security hides them from its owner.')},\n"
        "                hint = 'Name the tenant first: select holdfast.set_context(tenant => …). What is for all tenants "
        "asks for roles of their own: holdfast roles.';"
    )
