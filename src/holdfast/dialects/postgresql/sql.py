"""Names, strings, and the two statements that every installed object is made with."""

from __future__ import annotations

import re
from collections.abc import Sequence

from holdfast.objects import DatabaseObject
from holdfast.tables import TableName


def quote(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A string constant that means the same whatever standard_conforming_strings says."""
    quoted = "'" + text.replace("'", "''") + "'"
    return "E" + quoted.replace("\\", "\\\\") if "\\" in text else quoted


# Comments come first: an apostrophe in one opens no string.
_SPANS = re.compile(r"""--[^\n]*|"(?:[^"]|"")*"|'(?:[^']|'')*'""")


def indent(text: str, prefix: str) -> str:
    """Every line of the text moved right, but for those within a name or a string that goes over several."""
    kept = _SPANS.sub(lambda span: span[0].replace("\n", "\0"), text)
    return re.sub(r"(?m)^(?=[^\n])", prefix, kept).replace("\0", "\n")


def qualified(table: TableName) -> str:
    return f"{quote(table.schema)}.{quote(table.name)}"


def dollar(body: str, tag: str = "holdfast") -> str:
    """The body between dollar quotes whose tag does not occur in it."""
    while f"${tag}$" in body:
        tag += "_"
    return f"${tag}$\n{body}\n${tag}$"


def mark(each: DatabaseObject, version: str) -> str:
    """Marks an object that was just made."""
    schema, table = each.table or ("", "")
    arguments = ", ".join(literal(part) for part in (each.kind, each.name, schema, table, version, each.checksum))
    return f"select holdfast.mark({arguments})"


def function(
    name: str,
    body: str,
    *,
    policy: str,
    purpose: str,
    owner: str | None,
    definer: bool,
    settings: Sequence[tuple[str, str]] = (),
    owner_of: TableName | None = None,
) -> DatabaseObject:
    """A trigger function in the schema holdfast; ``definer`` runs it with its owner's rights, names pinned.

    It belongs to ``owner``, or to whoever owns the table ``owner_of`` where it is made.
    """
    head = ["returns trigger", "language plpgsql"]
    if definer:
        head += ["security definer", "set search_path = pg_catalog, pg_temp"]
    head += [f"set {setting} = {literal(value)}" for setting, value in settings]
    quoted = f"holdfast.{quote(name)}()"
    # A name may go over several lines, a comment may not.
    # Columns are always qualified, so that a bare name is a variable's, whatever the columns are called.
    text = f"-- {' '.join(purpose.split())}\n#variable_conflict use_variable\n{body}"
    create = [f"create or replace function {quoted}\n{chr(10).join(head)}\nas {dollar(text)}"]
    if owner is not None:
        create.append(hand_over(quoted, owner))
    if owner_of is not None:
        create.append(hand_to_owner(quoted, owner_of))
    create.append(f"revoke all on function {quoted} from public")
    return DatabaseObject("function", name, None, policy, tuple(create), (f"drop function if exists {quoted}",))


def journal_function(
    signature: str,
    returns: str,
    body: str,
    *,
    language: str = "plpgsql",
    definer: bool = False,
    options: str = "",
    pinned: bool = True,
) -> str:
    """One of the journal's own functions; ``pinned``, its names are what they are, whatever path a caller sets."""
    security = " security definer" if definer else ""
    path = "set search_path = pg_catalog, pg_temp\n" if pinned else ""
    return (
        f"create or replace function holdfast.{signature}\nreturns {returns}\n"
        f"language {language}{security}{options}\n{path}as {dollar(body)}"
    )


def lend_create(role: str, body: str, *, known: bool = True, declare: str = "") -> str:
    """A block throughout which the role may make objects in the schema holdfast, as whoever is to own one must.

    ``role`` is its name, or the variable with the name where that is not ``known`` before it runs.
    """

    def run(statement: str) -> str:
        return f"{statement} {quote(role)}" if known else f"execute format('{statement} %I', {role})"

    block = f"""\
declare
{declare}    v_lend boolean := not has_schema_privilege({literal(role) if known else role}, 'holdfast', 'create');
begin
    if v_lend then
        {run("grant create on schema holdfast to")};
    end if;
{body}
    if v_lend then
        {run("revoke create on schema holdfast from")};
    end if;
end"""
    return f"do {dollar(block)}"


def hand_over(function: str, owner: str) -> str:
    return lend_create(owner, f"    alter function {function} owner to {quote(owner)};")


def hand_to_owner(function: str, table: TableName) -> str:
    """Gives the function to the table's owner, who need not be called the same in every database."""
    declare = f"""\
    v_owner name := (select pg_get_userbyid(c.relowner) from pg_class as c
                     where c.oid = {literal(qualified(table))}::regclass);
"""
    alter = f"    execute format('alter function %s owner to %I', {literal(function)}, v_owner);"
    return lend_create("v_owner", alter, known=False, declare=declare)


def lock(tables: Sequence[TableName], mode: str, milliseconds: int) -> str:
    """Takes every lock, waiting for all of them together no longer than for one.

    Each attempt goes in another order: against the order of the writers it would never get them all.
    """
    listed = ", ".join(literal(qualified(table)) for table in tables)
    body = f"""\
declare
    v_end timestamptz := clock_timestamp() + interval '{milliseconds} ms';
    v_table text;
begin
    for v_table in select t.name from unnest(array[{listed}]) as t (name) order by random() loop
        perform set_config('lock_timeout', greatest(1, extract(epoch from v_end - clock_timestamp()) * 1000)::integer || 'ms', true);
        execute format('lock table only %s in {mode} mode', v_table);
    end loop;
    set local lock_timeout = {milliseconds};
end"""
    return f"do {dollar(body)}"


def grant_reading(table: TableName, role: str, *, row_security: bool, hidden: bool = False) -> str:
    """What a TRUNCATE takes away is read first: the one right on a user's table that the journal's role has."""
    # Row security would hide the rows from the journal, and they would go unrecorded.
    # Members of the role, who have its rights, see nothing by it: it is for the function alone that records.
    every_row = (
        f"""
    drop policy if exists holdfast_read on {qualified(table)};
    create policy holdfast_read on {qualified(table)} for select to {quote(role)} using (current_user = {literal(role)});"""
        if row_security
        else f"\n    drop policy if exists holdfast_read on {qualified(table)};"
        if hidden
        else ""
    )
    body = f"""\
begin{every_row}
    grant select on table {qualified(table)} to {quote(role)};
    if not has_schema_privilege({literal(role)}, {literal(table.schema)}, 'usage') then
        grant usage on schema {quote(table.schema)} to {quote(role)};
        if not has_schema_privilege({literal(role)}, {literal(table.schema)}, 'usage') then
            raise exception using errcode = '42501',
                message = {literal(f"the role {role} needs USAGE on the schema {table.schema}")};
        end if;
    end if;
end"""
    return f"do {dollar(body)}"


def revoke_reading(table: TableName, role: str) -> str:
    body = f"""\
begin
    drop policy if exists holdfast_read on {qualified(table)};
    revoke select on table {qualified(table)} from {quote(role)};
    if not exists (select from pg_class as c cross join lateral aclexplode(c.relacl) as a
                   where c.relnamespace = {literal(quote(table.schema))}::regnamespace
                       and a.grantee = {literal(quote(role))}::regrole) then
        revoke usage on schema {quote(table.schema)} from {quote(role)};
    end if;
end"""
    return f"do {dollar(body)}"


def trigger(
    name: str,
    table: TableName,
    function_name: str,
    event: str,
    level: str,
    referencing: str = "",
    when: str = "",
    *,
    policy: str,
    extra_create: Sequence[str] = (),
    extra_drop: Sequence[str] = (),
) -> DatabaseObject:
    """A trigger; replaced in place, since dropping one takes the strongest lock there is."""
    lines = [f"create or replace trigger {quote(name)}", f"{event} on {qualified(table)}"]
    if referencing:
        lines.append(referencing)
    lines.append(f"for each {level}")
    if when:
        lines.append(f"when ({when})")
    lines.append(f"execute function holdfast.{quote(function_name)}()")
    return DatabaseObject(
        "trigger",
        name,
        table,
        policy,
        ("\n".join(lines), f"alter table {qualified(table)} enable trigger {quote(name)}", *extra_create),
        (f"drop trigger if exists {quote(name)} on {qualified(table)}", *extra_drop),
    )
