"""A table made anew for a column that is replaced by another, with all that hangs on it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from alembic.operations import Operations
from sqlalchemy import Column

from holdfast.alembic.sqlite_batch import Recorded
from holdfast.alembic.sqlite_batch.rebuilding import Rebuild
from holdfast.alembic.sqlite_batch.renewing import Renewal
from holdfast.dialects.sqlite import rebuild as sql
from holdfast.dialects.sqlite.defaults import default_value
from holdfast.dialects.sqlite.definition import Clause, ColumnDefinition, TableDefinition
from holdfast.dialects.sqlite.parser import parse_column
from holdfast.dialects.sqlite.sql import quote
from holdfast.dialects.sqlite.tokens import tokens


class Remaking(Rebuild):
    """``first`` is run before, ``wanted`` says how the table shall be, ``last`` is run after; all of it or nothing."""

    def __init__(
        self,
        operations: Operations,
        table: str,
        wanted: Callable[[TableDefinition], TableDefinition],
        *,
        first: Sequence[str] = (),
        last: Sequence[str] = (),
        gone: Sequence[str] = (),
        dropped: Sequence[str] | None = None,
        renamed: Mapping[str, str] | None = None,
        going: Collection[str] = (),
        renew: Callable[[], None],
    ) -> None:
        recorded = Recorded(operations, table, None, {"recreate": "always"})
        for each in gone:
            recorded.batch.append(("drop_column", (table, Column(each)), {}))
        super().__init__(operations, recorded)
        self.wanted = wanted
        self.first, self.last = tuple(first), tuple(last)
        self.dropped = tuple(gone if dropped is None else dropped)
        self.renamed = dict(renamed or {})
        """Columns whose values go on under another name."""
        self.going = frozenset(going)
        """Indexes and triggers that are taken away on purpose."""
        self.protect = renew

    def _change(self) -> None:
        for each in self.first:
            self._run(each)
        self.name, self.definition = self._table()
        kept = [row for row in self._ask(sql.hanging(self.name)) if not _protects(str(row[0]), str(row[1]))]
        self._make_anew(self.wanted(self.definition))
        for kind, name, text in kept:
            with self._refused(f"{kind} {name} cannot be made again"):
                self._run(text)
        for each in self.last:
            with self._refused("what belongs to the column cannot be made"):
                self._run(each)

    def _copied(self, wanted: TableDefinition) -> list[str]:
        copied = super()._copied(wanted)
        there = {each.lower() for each in copied}
        return copied + [quote(name) for name in self.renamed.values() if quote(name).lower() not in there]

    def _from(self, column: str) -> str:
        sources = {quote(name).lower(): quote(source) for source, name in self.renamed.items()}
        return sources.get(column.lower(), column)

    def _tell(self, renewal: Renewal) -> None:
        # What goes makes room for what takes its name.
        renewal.tell({}, self.dropped)
        renewal.tell(self.renamed, [])

    def _renew(self, renewal: Renewal) -> None:
        if renewal.active:
            self.protect()

    def _may_name_it(self, kind: str, name: str, ours: Collection[str]) -> bool:  # type: ignore[override]
        return name in self.going or super()._may_name_it(kind, name, ours)

    def _constraints_naming(self, probe: str, text: str) -> list[str]:
        return []


def _protects(kind: str, name: str) -> bool:
    """What protection will make itself, for the columns that are there then."""
    return kind == "trigger" and name.startswith("holdfast_")


# ---------------------------------------------------------------------- definitions


def beside(definition: TableDefinition, old: str, added: str) -> TableDefinition:
    """With the new column, and the old one free to be NULL."""
    column = parse_column(added)
    columns = [each.without("NOT NULL") if _is(each, old) else each for each in definition.columns]
    return replace(definition, columns=(*columns, column))


def alone(definition: TableDefinition, old: str, new: str, *, not_null: bool) -> TableDefinition:
    """Without the new column, the old one as it was."""
    columns = [
        _not_null(each) if not_null and _is(each, old) else each for each in definition.columns if not _is(each, new)
    ]
    return replace(definition, columns=tuple(columns))


def replaced(
    definition: TableDefinition, old: str, new: str, name: str, *, not_null: bool, default: str | None
) -> TableDefinition:
    """One column called ``name`` in the place of both: the new one's type, and what is said of the old one."""
    before, after = (next(each for each in definition.columns if _is(each, one)) for one in (old, new))
    clauses = [replace(each, text=renamed(each.text, old, name)) for each in before.clauses if each.kind != "DEFAULT"]
    if after.has("COLLATE"):
        clauses = [each for each in clauses if each.kind != "COLLATE"]
    kept = [each for each in after.clauses if each.kind in ("COLLATE", "CHECK", "UNIQUE", "FOREIGN KEY")]
    if default is not None:
        clauses.append(Clause("DEFAULT", f"DEFAULT {default if default.startswith('(') else default_value(default)}"))
    column = replace(before, name=name).changed(sort=after.type, clauses=(*kept, *clauses))
    if not_null:
        column = _not_null(column)
    columns = tuple(column if _is(each, old) else each for each in definition.columns if not _is(each, new))
    constraints = tuple(
        replace(
            each,
            text=renamed(each.text, old, name),
            columns=tuple(name.lower() if one == old.lower() else one for one in each.columns),
        )
        for each in definition.constraints
    )
    return replace(definition, columns=columns, constraints=constraints)


def optional(definition: TableDefinition, column: str) -> TableDefinition:
    """With the column free to be left out."""
    columns = [each.without("NOT NULL", "DEFAULT") if _is(each, column) else each for each in definition.columns]
    return replace(definition, columns=tuple(columns))


def without(definition: TableDefinition, column: str) -> TableDefinition:
    return replace(
        definition,
        columns=tuple(each for each in definition.columns if not _is(each, column)),
        constraints=tuple(each for each in definition.constraints if not each.mentions(column)),
    )


def _is(column: ColumnDefinition, name: str) -> bool:
    return column.name.lower() == name.lower()


def _not_null(column: ColumnDefinition) -> ColumnDefinition:
    if column.has("NOT NULL"):
        return column
    return column.changed(clauses=(Clause("NOT NULL", "NOT NULL"), *column.clauses))


def renamed(text: str, old: str, new: str) -> str:
    """The SQL of an index or a constraint with the column under its other name."""
    if old == new:
        return text
    found, parts, end = tokens(text), [], 0
    for i, each in enumerate(found):
        called = i + 1 < len(found) and found[i + 1].text == "(" and each.kind == "word"
        if each.kind in ("word", "quoted") and each.name.lower() == old.lower() and not called:
            parts += [text[end : each.start], quote(new)]
            end = each.end
    return "".join((*parts, text[end:]))


def names_column(text: str, column: str) -> bool:
    return any(each.kind in ("word", "quoted") and each.name.lower() == column.lower() for each in tokens(text))
