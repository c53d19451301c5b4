"""The recording triggers: one function for each table and event, with literal column lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from holdfast.dialects.postgresql.sql import function, grant_reading, indent, literal, quote, revoke_reading, trigger
from holdfast.dialects.postgresql.values import (
    differs,
    equal_keys,
    is_exact,
    json_text,
    json_value,
    key_text,
    pinned_settings,
)
from holdfast.objects import DatabaseObject, Protection
from holdfast.policies import Audit, SoftDelete, Tenant
from holdfast.tables import ColumnInfo

# Written once for each transaction that changes something. The flag is a setting that ends with the
# transaction and goes back with a savepoint, as the row does.
RECORD_TRANSACTION = """\
if current_setting('holdfast.xid', true) is distinct from pg_current_xact_id()::text then
    perform holdfast.record_transaction();
end if;"""

# Of a change of one row.
_VARIABLES = """\
    v_xid xid8;
    v_at timestamptz;
    v_key text;
    v_before text;
    v_after text;
"""


@dataclass(frozen=True, slots=True)
class Recorder:
    """Renders the recording functions of one table."""

    protection: Protection
    policy: Audit

    @property
    def relation_id(self) -> int:
        return self.protection.relation.id

    @property
    def key_columns(self) -> list[ColumnInfo]:
        return [column for column in self.protection.table.columns if column.name in self.protection.table.key]

    @property
    def kept(self) -> list[ColumnInfo]:
        """The columns of which the journal may say anything; a virtual one is not there for a trigger to read, and what
        is generated of a column that is to be hidden would show it."""
        hides = bool(self.policy.exclude | self.policy.mask | self.policy.large)
        return [
            column
            for column in self.protection.table.columns
            if column.name not in self.policy.exclude and not column.virtual and not (hides and column.generated)
        ]

    @property
    def compared(self) -> list[ColumnInfo]:
        """Without those that follow from the change itself: the version and the time of the update."""
        return [column for column in self.kept if column.name not in self.protection.stamps]

    def by_statement(self, event: str) -> bool:
        """Whether one trigger call for the whole statement sees all that happened, and in its order."""
        table = self.protection.table
        if self.policy.form == "row" or table.kind != "ordinary" or table.inherits:
            # A statement trigger misses what is aimed at a leaf or a child.
            return False
        if event in table.row_triggers:
            # It would come after a row trigger that writes the same row again.
            return False
        # The actions of foreign keys join the statement that set them off, so that one row may be in its
        # transition tables several times.
        return event != "update" or not any(
            key.on_delete in ("SET NULL", "SET DEFAULT") or key.on_update in ("CASCADE", "SET NULL", "SET DEFAULT")
            for key in table.foreign_keys
        )

    def trigger_name(self, event: str) -> str:
        """Triggers run in the order of their names, and this one before what the users' own write."""
        first = "00_" if event in self.protection.table.row_triggers else ""
        return f"{first}holdfast_record_{event}"

    @property
    def into(self) -> str:
        tenant = ", tenant" if self.protection.get(Tenant) else ""
        return f"insert into holdfast.change (xid, at, relation, operation, key, key_last, before, after{tenant})"

    def tenant(self, *rows: str) -> str:
        """What follows the after-image: whose row it is, of the first of the rows that is there."""
        policy = self.protection.get(Tenant)
        if policy is None:
            return ""
        values = [f"{row}.{quote(policy.column)}::text" for row in rows]
        return ",\n    " + (values[0] if len(values) == 1 else f"coalesce({', '.join(values)})")

    @property
    def key_is_integer(self) -> bool:
        keys = self.key_columns
        return len(keys) == 1 and keys[0].base_type in ("int2", "int4", "int8")

    # ------------------------------------------------------------------ expressions

    def column_id(self, column: ColumnInfo) -> int:
        return self.protection.relation.column_id(column.name)

    def key(self, row: str) -> str:
        by_name = {column.name: column for column in self.key_columns}
        columns = [by_name[name] for name in self.protection.table.key]
        return key_text(columns, [f"{row}.{quote(column.name)}" for column in columns])

    def same_key(self, old: str, new: str) -> str:
        return equal_keys((c, f"{old}.{quote(c.name)}", f"{new}.{quote(c.name)}") for c in self.key_columns)

    def value(self, column: ColumnInfo, row: str, spelled: Callable[[ColumnInfo, str], str] = json_text) -> str:
        reference = f"{row}.{quote(column.name)}"
        if column.name in self.policy.mask:
            return f"case when {reference} is not null then '\"***\"' end"
        if column.name in self.policy.large:
            content = reference if column.base_type == "bytea" else f"convert_to({reference}::text, 'UTF8')"
            return f"'\"sha256:' || encode(sha256({content}), 'hex') || '\"'"
        return spelled(column, reference)

    def image(self, row: str) -> str:
        """The whole row as a document."""
        parts = []
        for position, column in enumerate(self.kept):
            opening = "{" if position == 0 else ","
            value = self.value(column, row, json_value)
            if column.nullable:
                value = f"coalesce({value}, 'null')"
            parts.append(f"'{opening}\"{self.column_id(column)}\":', {value}")
        # A function takes a hundred arguments, which is not enough for every table.
        several = [parts[i : i + 45] for i in range(0, len(parts), 45)]
        several[-1][-1] += ", '}'"
        return " || ".join("concat(\n    " + ",\n    ".join(each) + "\n)" for each in several)

    def changed(self, old: str, new: str, columns: Sequence[ColumnInfo]) -> str:
        return differs((c, f"{old}.{quote(c.name)}", f"{new}.{quote(c.name)}") for c in columns)

    def delta(self, old: str, new: str, side: str) -> str:
        """The columns that changed, as they are on one side, as a document. concat_ws skips the others."""
        parts = []
        for column in self.compared:
            parts.append(
                f"case when {self.changed(old, new, [column])} "
                f"then '\"{self.column_id(column)}\":' || coalesce({self.value(column, side)}, 'null') end"
            )
        several = ["concat_ws(',',\n    " + ",\n    ".join(parts[i : i + 90]) + "\n)" for i in range(0, len(parts), 90)]
        if len(several) == 1:
            return f"concat('{{', {several[0]}, '}}')"
        return "concat('{', concat_ws(',', " + ", ".join(f"nullif({each}, '')" for each in several) + "), '}')"

    def operation(self, old: str, new: str) -> str:
        """What an UPDATE is called: setting the mark is a delete, taking it away a restore."""
        soft_delete = self.protection.get(SoftDelete)
        if soft_delete is None:
            return "'U'"
        before, after = (f"{row}.{quote(soft_delete.column)}" for row in (old, new))
        return (
            f"case when {before} is null and {after} is not null then 'S'"
            f" when {before} is not null and {after} is null then 'R' else 'U' end"
        )

    # ------------------------------------------------------------------ statements

    def insert_change(self, row: str, operation: str, key: str, before: str = "null", after: str = "null") -> str:
        return (
            f"{self.into}\nvalues (pg_current_xact_id(), now(), {self.relation_id}, {operation}, {key}, null,\n"
            f"{indent(before, '    ')},\n{indent(after, '    ')}{self.tenant(row)});"
        )

    def select_change(
        self, source: str, rows: Sequence[str], operation: str, key: str, before: str = "null", after: str = "null"
    ) -> str:
        return (
            f"{self.into}\nselect pg_current_xact_id(), now(), {self.relation_id}, {operation}, {key}, null,\n"
            f"{indent(before, '    ')},\n{indent(after, '    ')}{self.tenant(*rows)}\n{source};"
        )

    def update_one(self, old: str, new: str) -> str:
        """One row: a chain of plain IFs, each a simple expression that starts no executor."""
        moved = [
            RECORD_TRANSACTION,
            self.insert_change(old, "'U'", self.key(old), before=self.image(old)),
            self.insert_change(new, "'U'", self.key(new), after=self.image(new)),
            "return null;",
        ]
        steps = [
            f"if not ({self.same_key(old, new)}) then\n"
            "    -- The row went from one key to another: it left the one and came to the other.\n"
            + indent("\n".join(moved), "    ")
            + "\nend if;"
        ]
        same = [column for column in self.key_columns if is_exact(column)]
        for column in self.compared:
            if column in same:
                continue
            name = self.column_id(column)
            steps.append(
                f"if {self.changed(old, new, [column])} then\n"
                f"    v_before := concat(v_before, ',\"{name}\":', coalesce({self.value(column, old)}, 'null'));\n"
                f"    v_after := concat(v_after, ',\"{name}\":', coalesce({self.value(column, new)}, 'null'));\n"
                "end if;"
            )
        unchanged = "v_after is null"
        if hidden := [column for column in self.key_columns if column not in self.compared and column not in same]:
            unchanged += f" and not ({self.changed(old, new, hidden)})"
        steps.append(f"if {unchanged} then\n    return null;\nend if;")
        steps.append(RECORD_TRANSACTION)
        # What the INSERT would have to compute is prepared anew each time it runs, unlike these.
        steps.append(
            "v_xid := pg_current_xact_id();\nv_at := now();\n"
            f"v_key := {self.key(old)};\n"
            "v_before := '{' || substr(v_before, 2) || '}';\nv_after := '{' || substr(v_after, 2) || '}';"
        )
        steps.append(
            f"{self.into}\nvalues (v_xid, v_at, {self.relation_id}, {self.operation(old, new)}, v_key, null,"
            f" v_before, v_after{self.tenant(old)});"
        )
        return "\n".join(steps)

    def _compared_and_key(self) -> list[ColumnInfo]:
        names = {column.name for column in self.compared}
        return self.compared + [column for column in self.key_columns if column.name not in names]

    def update_many(self) -> str:
        """All rows of the statement. A FULL JOIN cannot be planned as a nested loop over the two transition
        tables, which is what a plan cached for one row would be; and it stays right when keys change."""
        first = quote(self.protection.table.key[0])
        return self.select_change(
            "from old_rows as o\n"
            f"full join new_rows as n on {self.same_key('o', 'n')}\n"
            f"where o.{first} is null or n.{first} is null\n"
            f"   or {self.changed('o', 'n', self._compared_and_key())}",
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
        return (
            "declare\n    v_old record;\n    v_new record;\n" + _VARIABLES + "begin\n"
            # Not one query of whole rows: those would be fetched with all that is stored out of line.
            "    perform 1 from new_rows offset 1;\n"
            "    if not found then\n"
            "        select * into v_old from old_rows;\n"
            "        if not found then\n            return null;\n        end if;\n"
            "        select * into v_new from new_rows;\n"
            + indent(self.update_one("v_old", "v_new"), " " * 8)
            + "\n        return null;\n    end if;\n"
            + indent(self.update_many(), "    ")
            + "\n    if found then\n"
            + indent(RECORD_TRANSACTION, " " * 8)
            + "\n    end if;\n    return null;\nend"
        )

    def update_by_row(self) -> str:
        return (
            "declare\n"
            + _VARIABLES
            + "begin\n"
            + indent(self.update_one("old", "new"), "    ")
            + "\n    return null;\nend"
        )

    def insert_by_statement(self) -> str:
        if self.policy.inserts == "key" and self.key_is_integer:
            return self._insert_runs()
        after = self.image("n") if self.policy.inserts == "full" else "null"
        return self._by_statement(self.select_change("from new_rows as n", ["n"], "'I'", self.key("n"), after=after))

    def _insert_runs(self) -> str:
        """Integer keys, kept as runs: a statement that inserts 1 to 100,000 is one change."""
        key = quote(self.protection.table.key[0])
        relation = self.relation_id
        policy = self.protection.get(Tenant)
        declared = found = into = value = several = ""
        if policy is not None:
            tenant = f"n.{quote(policy.column)}::text"
            declared, value = "\n    v_tenant text;\n    v_other text;", ", v_tenant"
            found, into = f", min({tenant}), max({tenant})", ", v_tenant, v_other"
            each = self.select_change("from new_rows as n", ["n"], "'I'", self.key("n"))
            several = "\n    elsif v_tenant <> v_other then\n        -- A run is of one tenant.\n" + indent(
                each, " " * 8
            )
        return f"""\
declare
    v_first bigint;
    v_last bigint;
    v_rows bigint;{declared}
begin
    select min(n.{key}), max(n.{key}), count(*){found} into v_first, v_last, v_rows{into} from new_rows as n;
    if v_rows = 0 then
        return null;
    end if;
{indent(RECORD_TRANSACTION, "    ")}
    if v_rows = 1 then
        {self.into}
        values (pg_current_xact_id(), now(), {relation}, 'I', v_first::text, null, null, null{value});{several}
    else
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
            group by island.run
            union all
            select v_first, v_last where v_last::numeric - v_first + 1 = v_rows
        ) as run;
    end if;
    return null;
end"""

    def insert_by_row(self) -> str:
        after = self.image("new") if self.policy.inserts == "full" else "null"
        return self._by_row(self.insert_change("new", "'I'", self.key("new"), after=after))

    def delete_by_statement(self) -> str:
        return self._by_statement(
            self.select_change("from old_rows as o", ["o"], "'D'", self.key("o"), before=self.image("o"))
        )

    def delete_by_row(self) -> str:
        return self._by_row(self.insert_change("old", "'D'", self.key("old"), before=self.image("old")))

    def truncate(self) -> str:
        """Every row is recorded before it goes. The table is named at run time: it may be any partition."""
        statement = self.select_change("from only", ["o"], "'T'", self.key("o"), before=self.image("o"))
        template = statement.replace("%", "%%").removesuffix(";") + " %I.%I as o"
        return (
            "declare\n    v_rows bigint;\nbegin\n"
            f"    execute format({literal(template)}, tg_table_schema, tg_table_name);\n"
            "    get diagnostics v_rows = row_count;\n"
            "    if v_rows > 0 then\n" + indent(RECORD_TRANSACTION, " " * 8) + "\n    end if;\n    return null;\nend"
        )

    def _by_statement(self, statement: str) -> str:
        return (
            "begin\n"
            + indent(statement, "    ")
            + "\n    if found then\n"
            + indent(RECORD_TRANSACTION, " " * 8)
            + "\n    end if;\n    return null;\nend"
        )

    def _by_row(self, statement: str) -> str:
        return "begin\n" + indent(RECORD_TRANSACTION + "\n" + statement, "    ") + "\n    return null;\nend"


def recording(
    policy: Audit, protection: Protection, owner: str | None, *, reads_all: bool = True
) -> tuple[DatabaseObject, ...]:
    """The functions and triggers that write the journal for one table; ``reads_all``: a policy can show its owner every row."""
    recorder = Recorder(protection, policy)
    table = protection.table
    settings = pinned_settings(table.columns, table.key)
    bodies = {
        "insert": recorder.insert_by_statement() if recorder.by_statement("insert") else recorder.insert_by_row(),
        "update": recorder.update_by_statement() if recorder.by_statement("update") else recorder.update_by_row(),
        "delete": recorder.delete_by_statement() if recorder.by_statement("delete") else recorder.delete_by_row(),
        "truncate": recorder.truncate(),
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
            for target in table.partitions or (table.name,):
                objects.append(
                    trigger(
                        "holdfast_record_truncate",
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
            level, rows = ("statement", transition[event]) if recorder.by_statement(event) else ("row", "")
            objects.append(
                trigger(recorder.trigger_name(event), table.name, name, f"after {event}", level, rows, policy="Audit")
            )
    return tuple(objects)
