"""What of a database decides how its tenants are kept apart, and the expressions that follow from it."""

from __future__ import annotations

from dataclasses import dataclass, field

from holdfast.dialects.postgresql.sql import quote
from holdfast.roles import Roles
from holdfast.tables import ColumnInfo

CLAIMED = "nullif(current_setting('holdfast.tenant', true), '')"

# Types whose = tells nothing by its errors: the index on the column may then be used before row security.
TYPES = {
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "uuid": "uuid",
    "text": "text",
    "varchar": "text",
    "bpchar": "text",
}


@dataclass(frozen=True, slots=True)
class Isolation:
    """What of the database decides how its tenants are kept apart."""

    roles: Roles = field(default_factory=Roles)
    signed: bool = False
    """Whether a context counts only with a signature."""
    distributed: bool = False
    """Whether the tables may be spread over several servers, which refuses subqueries in policies."""
    keys: bool = False
    """Whether there is a table of keys to sign contexts with."""
    lets_go_of_one: bool = True
    """Whether ON DELETE SET NULL can name its columns: the tenant's must stay."""

    @property
    def tenant(self) -> str:
        """An expression: the tenant of the present transaction, as text; NULL where there is none."""
        return "holdfast.signed_tenant()" if self.signed else CLAIMED

    def present(self, column: ColumnInfo) -> str:
        """The same as a value of the column."""
        return _cast(self.tenant, column)

    def claimed(self, column: ColumnInfo) -> str:
        """The tenant that the transaction says it is of. Cheap enough to be asked for each row; the policies check it."""
        return _cast(CLAIMED, column)

    def is_own(self, column: ColumnInfo) -> str:
        """A condition: the row is the present tenant's. Asked once for a statement, where subqueries are allowed."""
        present = self.present(column)
        return f"{quote(column.name)} = " + (present if self.distributed else f"(select {present})")


def _cast(expression: str, column: ColumnInfo) -> str:
    kind = TYPES[column.base_type]
    return expression if kind == "text" else f"{expression}::{kind}"
