"""Recording of one row: what the journal says of it is put together by plain assignments, which start no executor."""

from __future__ import annotations

from collections.abc import Mapping

from holdfast.dialects.postgresql.recording import RECORD_TRANSACTION, Recorder
from holdfast.dialects.postgresql.retyped import ask, unless_retyped
from holdfast.dialects.postgresql.sql import indent, quote
from holdfast.dialects.postgresql.values import is_exact, json_value
from holdfast.policies import SoftDelete, Tenant
from holdfast.tables import ColumnInfo

NOW = "v_xid := pg_current_xact_id();\nv_at := now();"
"""What the INSERT would have to compute is prepared anew each time it runs; a variable is not."""


class OneRow(Recorder):
    """Functions that know the row as two records; whatever names a column comes before the first write."""

    __slots__ = ()

    def declared(self, *texts: str) -> str:
        variables = (f"{name} text;" for name in ("v_key", *texts, *self._tenant_variable))
        return "".join(f"    {each}\n" for each in ("v_xid xid8;", "v_at timestamptz;", *variables))

    @property
    def declared_for_update(self) -> str:
        operation = '    v_operation "char";\n' if self.protection.get(SoftDelete) else ""
        return self.declared("v_before", "v_after") + operation

    @property
    def _tenant_variable(self) -> tuple[str, ...]:
        return ("v_tenant",) if self.protection.get(Tenant) else ()

    def _own(self, old: str, new: str) -> dict[str, str]:
        """Variables, and what they hold of an UPDATE beside its images."""
        operation = {"v_operation": self.operation(old, new)} if self.protection.get(SoftDelete) else {}
        return {"v_key": self.key(old), **operation, **self._tenant(old)}

    def _tenant(self, row: str) -> dict[str, str]:
        policy = self.protection.get(Tenant)
        return {} if policy is None else {"v_tenant": f"{row}.{quote(policy.column)}::text"}

    @property
    def _updated(self) -> str:
        return "v_operation" if self.protection.get(SoftDelete) else "'U'"

    def insert_one(self, operation: str, before: str, after: str, key: str = "v_key") -> str:
        """One change, of what the variables hold by now."""
        tenant = "".join(f", {name}" for name in self._tenant_variable)
        return f"{self.into}\nvalues (v_xid, v_at, {self.relation_id}, {operation}, {key}, null, {before}, {after}{tenant});"

    # ------------------------------------------------------------------ updates

    def update_one(self, old: str, new: str) -> str:
        """The variables of a row that keeps its key: a chain of IFs, each a simple expression."""
        same = [column for column in self.key_columns if is_exact(column)]
        steps = []
        for column in self.compared:
            if column in same:
                continue
            name = self.column_id(column)
            steps.append(
                f"if {self.changed(old, new, [column])} then\n"
                f"    v_before := concat(v_before, ',\"{name}\":', coalesce({self.value(column, old, json_value)}, 'null'));\n"
                f"    v_after := concat(v_after, ',\"{name}\":', coalesce({self.value(column, new, json_value)}, 'null'));\n"
                "end if;"
            )
        unchanged = "v_after is null"
        if hidden := self._hidden:
            unchanged += f" and not ({self.changed(old, new, hidden)})"
        steps.append(f"if {unchanged} then\n    return null;\nend if;")
        steps.append(_assigned(self._own(old, new)))
        steps.append("v_before := '{' || substr(v_before, 2) || '}';\nv_after := '{' || substr(v_after, 2) || '}';")
        return "\n".join(steps)

    @property
    def _hidden(self) -> list[ColumnInfo]:
        """Columns of the key that are not told, and can be other ones in the same key."""
        return [column for column in self.key_columns if column not in self.compared and not is_exact(column)]

    @property
    def compared_and_key(self) -> list[ColumnInfo]:
        names = {column.name for column in self.compared}
        return self.compared + [column for column in self.key_columns if column.name not in names]

    def record_update(self) -> str:
        """What the variables hold, of a row that keeps its key."""
        return "\n".join([RECORD_TRANSACTION, NOW, self.insert_one(self._updated, "v_before", "v_after")])

    def update_by_row(self) -> str:
        # It left the one key and came to the other.
        moved = {
            **self._own("old", "new"),
            "v_moved_to": self.key("new"),
            "v_before": self.image("old"),
            "v_after": self.image("new"),
        }
        steps = (
            f"if not ({self.same_key('old', 'new')}) then\n"
            + indent(_assigned(moved), "    ")
            + "\nelse\n"
            + indent(self.update_one("old", "new"), "    ")
            + "\nend if;"
        )
        same = self.same_key("o", "n")
        asked = {
            **self._own("o", "n"),
            "v_moved_to": f"case when not ({same}) then {self.key('n')} end",
            "v_before": f"case when {same} then {self.delta('o', 'n', 'o')} else {self.image('o')} end",
            "v_after": f"case when {same} then {self.delta('o', 'n', 'n')} else {self.image('n')} end",
            "v_unchanged": f"not ({self.changed('o', 'n', self.compared_and_key)})",
        }
        otherwise = f"{ask(asked, o='old', n='new')}\nif v_unchanged then\n    return null;\nend if;"
        return (
            "declare\n"
            + self.declared_for_update
            + "    v_moved_to text;\n    v_unchanged boolean;\nbegin\n"
            + indent(unless_retyped(steps, otherwise), "    ")
            + f"\n{indent(RECORD_TRANSACTION, '    ')}\n{indent(NOW, '    ')}\n"
            + "    if v_moved_to is not null then\n"
            "        -- The row went from one key to another: it left the one and came to the other.\n"
            + indent(self.insert_one("'U'", "v_before", "null"), " " * 8)
            + "\n"
            + indent(self.insert_one("'U'", "null", "v_after", "v_moved_to"), " " * 8)
            + "\n        return null;\n    end if;\n"
            + indent(self.insert_one(self._updated, "v_before", "v_after"), "    ")
            + "\n    return null;\nend"
        )

    # ------------------------------------------------------------------ inserts and deletes

    def insert_by_row(self) -> str:
        return self._by_row("new", "'I'", after=self.inserts_in_full)

    def delete_by_row(self) -> str:
        return self._by_row("old", "'D'", before=True)

    def _by_row(self, row: str, operation: str, *, before: bool = False, after: bool = False) -> str:
        images = [name for name, wanted in (("v_before", before), ("v_after", after)) if wanted]

        def values(of: str) -> dict[str, str]:
            return {"v_key": self.key(of), **{name: self.image(of) for name in images}, **self._tenant(of)}

        steps, otherwise = _assigned(values(row)), ask(values("r"), r=row)
        sides = (name if name in images else "null" for name in ("v_before", "v_after"))
        body = [RECORD_TRANSACTION, unless_retyped(steps, otherwise), NOW, self.insert_one(operation, *sides)]
        return f"declare\n{self.declared(*images)}begin\n" + indent("\n".join(body), "    ") + "\n    return null;\nend"


def _assigned(variables: Mapping[str, str]) -> str:
    return "\n".join(f"{name} := {value};" for name, value in variables.items())
