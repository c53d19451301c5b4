"""Expand and contract where a table is made anew for a change: SQLite. Each step is one transaction of the revision."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.schema import CreateColumn

from holdfast.alembic.operations.renewing import renewal
from holdfast.alembic.operations.stepping import Stepping
from holdfast.alembic.sqlite_batch.columns import (
    Remaking,
    alone,
    beside,
    names_column,
    optional,
    renamed,
    replaced,
    without,
)
from holdfast.database import execute
from holdfast.dialects.expanding import bounded, copy_name
from holdfast.dialects.sqlite import rebuild as sql
from holdfast.dialects.sqlite.expanding import AGAINST_NULL, SQLiteExpanding
from holdfast.dialects.sqlite.pairs import Pair, pair_with, pairs_of
from holdfast.dialects.sqlite.parser import parse
from holdfast.dialects.sqlite.sql import quote
from holdfast.dialects.sqlite.tokens import tokens
from holdfast.errors import MigrationError
from holdfast.inspector import read_tables
from holdfast.tables import Expansion, TableInfo, TableName

Names = Mapping[str, Sequence[str]]


class Replacing:
    """The steps for one table."""

    def __init__(self, stepping: Stepping) -> None:
        self.stepping = stepping
        self.table = stepping.table
        self.connection = stepping.connection
        expanding = stepping.dialect.migrating.expanding
        assert isinstance(expanding, SQLiteExpanding)
        self.expanding = expanding

    # ------------------------------------------------------------------ expand

    def expand(self, expansion: Expansion, type_: Any, what: str) -> None:
        column = next(iter(self.stepping.ask(self.expanding.column(self.table, expansion.old))))
        self._refuse(expansion, column, type_, what)
        not_null = bool(column[1]) and expansion.default is None
        expansion = Expansion(
            expansion.old, expansion.new, expansion.up, expansion.down, expansion.default, not_null=not_null
        )
        added = sa.Column(expansion.new, type_)
        sa.Table(self.table.name, sa.MetaData(), added)
        text = str(CreateColumn(added).compile(dialect=self.stepping.context.dialect))
        if not_null:
            self._remake(lambda definition: beside(definition, expansion.old, text), follow={}).carry_out()
        else:
            self._run(f"alter table main.{quote(self.table.name)} add column {text}")
        self._synchronise(expansion)
        self._protect({expansion.old: (expansion.old, expansion.new)})

    def _refuse(self, expansion: Expansion, column: Any, type_: Any, what: str) -> None:
        spelled = str(type_.compile(dialect=self.stepping.context.dialect))
        why = self.expanding.unlike(expansion, str(column[0]), spelled)
        default = expansion.default
        if default is not None and "(" in default:
            why = f"its default ({default}) is worked out, so nobody can tell whether a row was given it"
        if default is None:
            [(_, text)] = self.stepping.ask(sql.described(self.table.name))
            definition = parse(str(text))
            clauses = [*definition.constraints, *(each for one in definition.columns for each in one.clauses)]
            for each in clauses:
                words = {token.word for token in tokens(each.text)}
                if each.kind == "CHECK" and each.mentions(expansion.old) and words & AGAINST_NULL:
                    why = f"{each.text} may refuse NULL, which {expansion.old} is until it follows from the other"
        if why is not None:
            raise MigrationError(
                "HF466", f"{what}: {why}.", "Change that first, in an earlier revision; op.batch_alter_table does it."
            )

    def _synchronise(self, expansion: Expansion) -> None:
        table = self._info()
        types = {each.name: each.type for each in table.columns}
        pair = Pair(self.table.name, expansion, types[expansion.old], types[expansion.new])
        for statement in self.expanding.synchronise(table, pair):
            self._run(statement)

    # ------------------------------------------------------------------ collapse

    def collapse(self, expansion: Expansion) -> None:
        going = self._going(expansion)
        on_it = [name for name, text, _, columns in self._indexes() if _on(text, columns, expansion.new)]
        remaking = self._remake(
            lambda definition: alone(definition, expansion.old, expansion.new, not_null=expansion.not_null),
            first=(*self.expanding.let_go(self.table.name, expansion.new), *map(_drop_index, on_it)),
            gone=(expansion.new,),
            going={*going, *on_it},
            follow={expansion.new: ()},
        )
        remaking.carry_out()

    # ------------------------------------------------------------------ finalize

    def finalize(self, expansion: Expansion) -> None:
        """Indexes for who reads the new column; its constraints are kept by the old one until it goes."""
        self._refuse_differing(expansion)
        there = {name for name, *_ in self._indexes()}
        for copy, _name, statement in self._copies(expansion):
            if copy not in there:
                self._run(statement)

    def _copies(self, expansion: Expansion) -> list[tuple[str, str | None, str]]:
        """Name of the copy, of what it is copied from (None for that of a constraint), and its SQL."""
        copies: list[tuple[str, str | None, str]] = []
        for name, text, unique, columns in self._indexes():
            if not _on(text, columns, expansion.old):
                continue
            if text is None:
                names = [expansion.new if each == expansion.old else each for each in columns]
                copy = bounded(f"hf_{self.table.name}_{'_'.join(names)}_key")
                listed = ", ".join(quote(each) for each in names)
                copies.append((copy, None, _create_index(copy, self.table.name, f"({listed})", unique=True)))
                continue
            copy = copy_name(name, expansion.old, expansion.new)
            found = tokens(text)
            opening = next(each for each in found if each.text == "(")
            body = renamed(text[opening.start :], expansion.old, expansion.new)
            copies.append((copy, name, _create_index(copy, self.table.name, body, unique=unique)))
        return copies

    def _refuse_differing(self, expansion: Expansion) -> None:
        pair = pair_with(pairs_of(self._info()), expansion.new)
        assert pair is not None
        found = len(execute(self.connection, self.expanding.differing(pair)))
        if found:
            raise MigrationError(
                "HF460",
                f"{expansion.new} of {self.table} does not follow from {expansion.old}, nor the other way round, in "
                f"{found if found < 100 else '100 or more'} rows.",
                f'Fill them: op.hf_backfill("{self.table}", "{expansion.new}"), with a where if they are not NULL. '
                "Then run it again.",
            )

    # ------------------------------------------------------------------ contract

    def contract(self, expansion: Expansion, *, swap: bool, default: str | None) -> None:
        self._refuse_differing(expansion)
        old, new = expansion.old, expansion.new
        there = {name: text for name, text, *_ in self._indexes()}
        copies = self._copies(expansion)
        missing = [f"index {name or copy}" for copy, name, _ in copies if copy not in there]
        if missing:
            raise MigrationError(
                "HF466",
                f"{self.table}.{new} lacks what {old} has: {', '.join(missing)}.",
                f'Run op.hf_finalize_column("{self.table}", "{old}", "{new}") first.',
            )
        # The constraint's own index is made with the table; of the others one of each pair is left.
        drop = [copy for copy, name, _ in copies if swap or name is None]
        drop += [name for _, name, _ in copies if name is not None and not swap]
        name = old if swap else new
        remaking = self._remake(
            lambda definition: replaced(
                definition, old, new, name, not_null=expansion.not_null, default=default or expansion.default
            ),
            first=(*self.expanding.let_go(self.table.name, new), *map(_drop_index, drop)),
            gone=(new,) if swap else (old,),
            dropped=(old,),
            renamed={new: old} if swap else {},
            going={*self._going(expansion), *drop},
            follow={new: (old,)} if swap else {old: (new,)},
        )
        remaking.carry_out()

    # ------------------------------------------------------------------ remove

    def retire(self, column: str) -> None:
        last = self.expanding.retire(self.table.name, column)
        self._remake(lambda definition: optional(definition, column), last=last, follow={}).carry_out()

    def unretire(self, column: str) -> None:
        for statement in self.expanding.unretire(self.table.name, column):
            self._run(statement)

    def remove(self, column: str) -> None:
        on_it = [name for name, text, _, columns in self._indexes() if text and _on(text, columns, column)]
        remaking = self._remake(
            lambda definition: without(definition, column),
            first=(*self.expanding.unretire(self.table.name, column), *map(_drop_index, on_it)),
            gone=(column,),
            going={*on_it, *(f"hf_expand_{self.table.name}_{column}_{event}" for event in ("insert", "update"))},
            follow={column: ()},
        )
        remaking.carry_out()

    # ------------------------------------------------------------------

    def _remake(self, wanted: Any, *, follow: Names, **options: Any) -> Remaking:
        return Remaking(
            self.stepping.operations, self.table.name, wanted, renew=lambda: self._protect(follow), **options
        )

    def _protect(self, names: Names) -> None:
        for statement in renewal(self.stepping, names).after:
            self._run(statement)

    def _going(self, expansion: Expansion) -> set[str]:
        return {
            f"hf_expand_{self.table.name}_{expansion.new}_{event}"
            for event in ("insert", "update", "null_insert", "null_update")
        }

    def _indexes(self) -> list[tuple[str, str | None, bool, list[str]]]:
        found = self.stepping.ask(self.expanding.indexes(self.table))
        return [(str(name), text, bool(unique), json.loads(columns)) for name, text, unique, columns in found]

    def _info(self) -> TableInfo:
        return read_tables(self.connection, self.stepping.dialect)[TableName("main", self.table.name)]

    def _run(self, statement: str) -> None:
        execute(self.connection, statement)


def _on(text: str | None, columns: Sequence[str | None], column: str) -> bool:
    return names_column(text, column) if text else column in columns


def _create_index(name: str, table: str, body: str, *, unique: bool) -> str:
    return f"create {'unique ' if unique else ''}index main.{quote(name)} on {quote(table)} {body}"


def _drop_index(name: str) -> str:
    return f"drop index main.{quote(name)}"
