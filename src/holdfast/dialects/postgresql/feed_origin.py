"""Where the journal has lived: what tells the numbers of one cluster from those of another."""

from __future__ import annotations

from holdfast.dialects.postgresql.sql import journal_function

TABLES: dict[str, str] = {
    # Where the journal has lived: each cluster counts its transactions from anew, and the changes that were brought
    # along by a dump have numbers that mean nothing here.
    "origin": """\
create table if not exists holdfast.origin (
    number integer primary key,
    system bigint not null,
    journal_oid oid not null,
    first_change bigint not null,
    at timestamptz not null default clock_timestamp()
)""",
}

# While nobody writes. What was recorded here is younger than the triggers, and a restore makes those after the rows.
_BEGIN_ORIGIN = """\
declare
    v_system bigint := (select c.system_identifier from pg_control_system() as c);
    v_last holdfast.origin;
    v_triggers integer;
begin
    lock table holdfast.origin in share row exclusive mode;
    select o.* into v_last from holdfast.origin as o order by o.number desc limit 1;
    if v_last.number is null then
        insert into holdfast.origin (number, system, journal_oid, first_change)
        values (1, v_system, 'holdfast.change'::regclass, 0);
    elsif (v_last.system, v_last.journal_oid) is distinct from (v_system, 'holdfast.change'::regclass::oid) then
        lock table holdfast.change in share row exclusive mode;
        select max(age(t.xmin)) into v_triggers
        from pg_trigger as t
        join pg_proc as p on p.oid = t.tgfoid
        where p.pronamespace = 'holdfast'::regnamespace;
        insert into holdfast.origin (number, system, journal_oid, first_change)
        values (v_last.number + 1, v_system, 'holdfast.change'::regclass, coalesce(
            (select min(c.id) from holdfast.change as c where age(c.xmin) < v_triggers),
            nextval('holdfast.change_id')));
    end if;
end"""

FUNCTIONS = {"begin_origin()": journal_function("begin_origin()", "void", _BEGIN_ORIGIN)}
ORIGIN = "select holdfast.begin_origin()"
