"""The recording triggers: one function for each table and event."""

from __future__ import annotations

from holdfast.dialects.postgresql.one_row import NOW, OneRow
from holdfast.dialects.postgresql.recording import RECORD_TRANSACTION
from holdfast.dialects.postgresql.retyped import unless_retyped
from holdfast.dialects.postgresql.sql import function, grant_reading, indent, literal, quote, revoke_reading, trigger
from holdfast.dialects.postgresql.values import RUN_BITS, pinned_settings
from holdfast.objects import DatabaseObject, Protection
from holdfast.policies import Audit, SoftDelete, Tenant

_TRANSACTION = "    v_xid xid8;\n"
_NEVER_RUNS = "-- round() is planned away: it refuses a column that is no number any more, whose text would be no JSON."
_TRUNCATE = "holdfast_record_truncate"


class RecordingFunctions(OneRow):
    """The bodies of the functions of one table."""

    __slots__ = ()

    def update_many(self) -> str:
        """All rows of the statement. A FULL JOIN cannot be planned as a nested loop over the two transition
        tables, which is what a plan cached for one row would be; and it stays right when keys change."""
        first = quote(self.protection.table.key[0])
        return self.select_change(
            "from old_rows as o\n"
            f"full join new_rows as n on {self.same_key('o', 'n')}\n"
            f"where o.{first} is null or n.{first} is null\n"
            f"   or {self.changed('o', 'n', self.compared_and_key)}",
            ("o", "n"),
            f"case when o.{first} is null or n.{first} is null then 'U' else {self.operation('o', 'n')} end"
            if self.protection.get(SoftDelete)
            else "'U'",
            f"case when o.{first} is null then {self.key('n')} else {self.key('o')} end",
            before=f"case when o.{first} is null then null\nwhen n.{first} is null then {self.image('o')}\n"
            f"else {self.delta('o', 'n', 'o')} end",
            after=f"case when n.{first} is null then null\nwhen o.{first} is null then {self.image('n')}\n"
            f"else {self.delta('o', 'n', 'n')} end",
        )

    # ------------------------------------------------------------------ functions

    def update_by_statement(self) -> str:
        one = (
            f"if {self.same_key('v_old', 'v_new')} then\n"
            + indent(self.update_one("v_old", "v_new"), "    ")
            + "\nend if;"
        )
        return (
            "declare\n    v_old record;\n    v_new record;\n" + self.declared_for_update + "begin\n"
            # Not one query of whole rows: those would be fetched with all that is stored out of line.
            "    perform 1 from new_rows offset 1;\n"
            "    if not found then\n"
            "        select * into v_old from old_rows;\n"
            "        if not found then\n            return null;\n        end if;\n"
            "        select * into v_new from new_rows;\n"
            + indent(unless_retyped(one, "v_key := null;"), " " * 8)
            + "\n        if v_key is not null then\n"
            + indent(self.record_update(), " " * 12)
            + "\n            return null;\n        end if;\n    end if;\n"
            + indent(self.update_many(), "    ")
            + "\n    if found then\n"
            + indent(RECORD_TRANSACTION, " " * 8)
            + "\n    end if;\n    return null;\nend"
        )

    def insert_by_statement(self) -> str:
        if not self.inserts_in_full and self.key_is_integer:
            return self._insert_runs()
        after = self.image("n") if self.inserts_in_full else "null"
        return self._by_statement(self.select_change("from new_rows as n", ["n"], "'I'", self.key("n"), after=after))

    def _insert_runs(self) -> str:
        """Integer keys, kept as runs: a statement that inserts 1 to 1,000 is one change."""
        key = quote(self.protection.table.key[0])
        relation = self.relation_id
        policy = self.protection.get(Tenant)
        declared = one = into_one = found = into = value = several = ""
        if policy is not None:
            tenant = f"n.{quote(policy.column)}::text"
            declared, value = "\n    v_other text;", ", v_tenant"
            one, into_one = f", {tenant}", ", v_tenant"
            found, into = f", min({tenant}), max({tenant})", ", v_tenant, v_other"
            each = self.select_change("from new_rows as n", ["n"], "'I'", self.key("n"))
            several = "\n    if v_tenant <> v_other then\n        -- A run is of one tenant.\n" + indent(each, " " * 8)
            several += "\n        return null;\n    end if;"
        return f"""\
declare
    v_first bigint;
    v_last bigint;
    v_rows bigint;
    v_several boolean;
{self.declared().rstrip()}{declared}
begin
    -- Times 1, for a key that is no number any more is to be refused and not read as one.
    select n.{key} * 1, exists (select from new_rows offset 1){one} into v_first, v_several{into_one} from new_rows as n;
    if not found then
        return null;
    end if;
{indent(RECORD_TRANSACTION, "    ")}
    if not v_several then
{indent(NOW, "        ")}
        v_key := v_first::text;
        {self.into}
        values (v_xid, v_at, {relation}, 'I', v_key, null, null, null{value});
        return null;
    end if;
    select min(n.{key}), max(n.{key}), count(*){found} into v_first, v_last, v_rows{into} from new_rows as n;{several}
    {self.into}
    select pg_current_xact_id(), now(), {relation}, 'I', run.first_key::text,
           nullif(run.last_key, run.first_key), null, null{value}
    from (
        select min(island.key) as first_key, max(island.key) as last_key
        from (
            select n.{key}::bigint as key, n.{key}::numeric - row_number() over (order by n.{key}) as run
            from new_rows as n
            where v_last::numeric - v_first + 1 <> v_rows
        ) as island
        group by island.run, island.key >> {RUN_BITS}
        union all
        select greatest(v_first, block.number << {RUN_BITS}), least(v_last, block.number << {RUN_BITS} | {2**RUN_BITS - 1})
        from generate_series(v_first >> {RUN_BITS}, v_last >> {RUN_BITS}) as block (number)
        where v_last::numeric - v_first + 1 = v_rows
    ) as run
    order by run.first_key;
    return null;
end"""

    def delete_by_statement(self) -> str:
        return self._by_statement(
            self.select_change("from old_rows as o", ["o"], "'D'", self.key("o"), before=self.image("o"))
        )

    def truncate(self) -> str:
        """Every row is recorded before it goes. The table is named at run time: it may be any partition."""
        statement = self.select_change("from only", ["o"], "'T'", self.key("o"), before=self.image("o"))
        template = statement.replace("%", "%%").removesuffix(";") + " %I.%I as o"
        table = self.protection.table
        hint = "Run holdfast protect, which takes in the partitions that were added."
        if table.kind != "partitioned":
            hint = f"Protect these tables too, or leave them as they are with TRUNCATE ONLY {table.name}."
        return f"""\
declare
    v_rows bigint;
    v_missed text;
{_TRANSACTION}begin
    -- What was made below the table since has no trigger that would record its rows. A TRUNCATE has locked all that it
    -- reaches; TRUNCATE ONLY leaves what inherits alone.
    with recursive below as (
        select i.inhrelid as oid from pg_inherits as i where i.inhparent = tg_relid
        union
        select i.inhrelid from below as b join pg_inherits as i on i.inhparent = b.oid
    )
    select string_agg(b.oid::regclass::text, ', ' order by b.oid::regclass::text) into v_missed
    from below as b
    join pg_class as c on c.oid = b.oid
    where c.relkind <> 'p'
        and not exists (
            select from pg_trigger as t
            where t.tgrelid = b.oid and t.tgname = {literal(_TRUNCATE)} and t.tgenabled in ('O', 'A'))
        and exists (
            select from pg_locks as l
            where l.locktype = 'relation' and l.relation = b.oid and l.mode = 'AccessExclusiveLock' and l.granted
                and l.pid = pg_backend_pid()
                and l.database = (select d.oid from pg_database as d where d.datname = current_database()));
    if v_missed is not null then
        raise exception using errcode = 'HF201',
            message = concat({literal(f"TRUNCATE of {table.name} would remove rows unrecorded: of ")}, v_missed, '.'),
            hint = {literal(hint)};
    end if;
    if (select c.relkind = 'p' from pg_class as c where c.oid = tg_relid) then
        -- Its rows are in the partitions, which record them.
        return null;
    end if;
    execute format({literal(template)}, tg_table_schema, tg_table_name);
    get diagnostics v_rows = row_count;
    if v_rows > 0 then
{indent(RECORD_TRANSACTION, "        ")}
    end if;
    return null;
end"""

    def _by_statement(self, statement: str) -> str:
        return (
            f"declare\n{_TRANSACTION}begin\n"
            + indent(statement, "    ")
            + "\n    if found then\n"
            + indent(RECORD_TRANSACTION, " " * 8)
            + "\n    end if;\n    return null;\nend"
        )


def recording(
    policy: Audit, protection: Protection, owner: str | None, *, reads_all: bool = True
) -> tuple[DatabaseObject, ...]:
    """The functions and triggers that write the journal for one table; ``reads_all``: a policy can show its owner every row."""
    functions = RecordingFunctions(protection, policy)
    table = protection.table
    settings = pinned_settings(table.columns, table.key)
    bodies = {
        "insert": functions.insert_by_statement() if functions.by_statement("insert") else functions.insert_by_row(),
        "update": functions.update_by_statement() if functions.by_statement("update") else functions.update_by_row(),
        "delete": functions.delete_by_statement() if functions.by_statement("delete") else functions.delete_by_row(),
        "truncate": functions.truncate(),
    }
    transition = {
        "insert": "referencing new table as new_rows",
        "update": "referencing old table as old_rows new table as new_rows",
        "delete": "referencing old table as old_rows",
    }
    objects = []
    for event, body in bodies.items():
        name = f"record_{event}_{protection.relation.id}"
        purpose = f"Records each {event} of {table.name}."
        if "round(" in body:
            body = f"{_NEVER_RUNS}\n{body}"
        # Rows that row security hides would be gone without a trace: better an error, until we may read them.
        reading = owner is not None and bool(table.row_security) and reads_all
        hidden = (("row_security", "off"),) if event == "truncate" and not reading else ()
        objects.append(
            function(
                name,
                body,
                policy="Audit",
                purpose=purpose,
                owner=owner,
                settings=(*settings, *hidden),
                definer=True,
            )
        )
        if event == "truncate":
            # A table that has partitions records nothing itself: it looks for those that would not record.
            below = table.children if table.kind == "partitioned" else ()
            for target in (table.name, *below):
                objects.append(
                    trigger(
                        _TRUNCATE,
                        target,
                        name,
                        "before truncate",
                        "statement",
                        policy="Audit",
                        extra_create=(grant_reading(target, owner, row_security=reading, hidden=not reads_all),)
                        if owner is not None
                        else (),
                        extra_drop=() if owner is None else (revoke_reading(target, owner),),
                    )
                )
        else:
            level, rows = ("statement", transition[event]) if functions.by_statement(event) else ("row", "")
            objects.append(
                trigger(functions.trigger_name(event), table.name, name, f"after {event}", level, rows, policy="Audit")
            )
    return tuple(objects)
