"""Protection of a table that is made anew: what was installed is installed again, for the table as it is now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection

from holdfast.database import execute, explained
from holdfast.dialects.base import Dialect
from holdfast.dialects.sqlite import rebuild as sql
from holdfast.errors import DeclarationError, MigrationError
from holdfast.inspector import inspect
from holdfast.plan import plan_protect


class Renewal:
    """What protects the table when it is made: nothing where a revision has taken it away, and will put it back."""

    def __init__(self, connection: Connection, dialect: Dialect, table: str) -> None:
        self.connection = connection
        self.table = table
        self._plain = dialect
        self.dialect, inventory = inspect(connection, dialect)
        self.views = {each.name for each in inventory.installed if each.kind == "view"}
        self._relation = next((number for number, found in inventory.matches.items() if found.name.name == table), None)
        own = any(each.table is not None and each.table.name == table for each in inventory.installed)
        self.active = inventory.has_journal and (own or self._is_clean(inventory))

    def _is_clean(self, inventory: object) -> bool:
        """As declared: then it is to be so again, for what protects other tables may name this one."""
        try:
            return plan_protect(self.dialect, inventory, {}).empty  # type: ignore[arg-type]
        except DeclarationError:
            return False

    def tell(self, renamed: Mapping[str, str], dropped: Iterable[str]) -> None:
        """Tells the journal which columns go on under another name, and which do not go on."""
        if not self.active or self._relation is None:
            return
        for column, name in renamed.items():
            execute(self.connection, sql.column_renamed(self._relation, column, name))
        for column in dropped:
            execute(self.connection, sql.column_dropped(self._relation, column))

    def renew(self) -> None:
        """Writes it down as an installation; HF474 where what is declared cannot hold any more."""
        if not self.active:
            return
        dialect, inventory = inspect(self.connection, self._plain)
        dialect = dialect.one_at_a_time()
        try:
            plan = plan_protect(dialect, inventory, {})
        except DeclarationError as error:
            raise MigrationError(
                "HF474",
                f"The batch on {self.table} takes away what its protection needs: {error.message}",
                f"Nothing is changed. {error.hint or ''} Or take it away first: holdfast unprotect {self.table}",
            ) from error
        actions = [action for step in plan.steps for action in step.actions]
        with explained(dialect):
            for step in plan.steps:
                for statement in step.statements:
                    execute(self.connection, statement)
            if self._relation is not None and inventory.relations[self._relation].protected:
                execute(self.connection, dialect.revising.note(self.table, ["make the table anew", *actions]))
