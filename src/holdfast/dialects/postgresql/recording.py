"""What a recording trigger says of a row: its key, its values, and which of them differ, as SQL for the journal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from holdfast.dialects.postgresql.sql import indent, quote
from holdfast.dialects.postgresql.values import differs, equal_keys, json_text, json_value, key_text
from holdfast.objects import Protection
from holdfast.policies import Audit, SoftDelete, Tenant
from holdfast.tables import ColumnInfo

# Written once for each transaction that changes something. The flag is a setting that ends with the
# transaction and goes back with a savepoint, as the row does. An assignment starts no executor, as PERFORM would.
RECORD_TRANSACTION = """\
if current_setting('holdfast.xid', true) is distinct from pg_current_xact_id()::text then
    v_xid := holdfast.record_transaction();
end if;"""


@dataclass(frozen=True, slots=True)
class Recorder:
    """Of one table, with literal column lists."""

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
        if event == "update" and self.protection.table.key_is_deferrable:
            # Where several rows have one key, nothing says which row before became which row after.
            return False
        # The actions of foreign keys join the statement that set them off, so that one row may be in its
        # transition tables several times.
        return event != "update" or not any(
            key.on_delete in ("SET NULL", "SET DEFAULT") or key.on_update in ("CASCADE", "SET NULL", "SET DEFAULT")
            for key in table.foreign_keys
        )

    def trigger_name(self, event: str) -> str:
        """Triggers run in the order of their names, and this one before what the users' own write."""
        table = self.protection.table
        first = "00_" if event in table.row_triggers or event in table.early_triggers else ""
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
    def inserts_in_full(self) -> bool:
        """Where several rows may have one key it must be known which of them left."""
        return self.policy.inserts == "full" or self.protection.table.key_is_deferrable

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
            return f"'{{' || {several[0]} || '}}'"
        return "'{' || concat_ws(',', " + ", ".join(f"nullif({each}, '')" for each in several) + ") || '}'"

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
