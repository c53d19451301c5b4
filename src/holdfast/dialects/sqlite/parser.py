"""Reads CREATE TABLE as SQLite keeps it: what it says of columns and constraints, each in its own words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from holdfast.dialects.sqlite.definition import Clause, ColumnDefinition, TableDefinition
from holdfast.dialects.sqlite.tokens import Token, closing_of, tokens

_COLUMN_CLAUSES = frozenset(
    ("CONSTRAINT", "PRIMARY", "NOT", "NULL", "UNIQUE", "CHECK", "DEFAULT", "COLLATE", "REFERENCES", "GENERATED", "AS")
)
_TABLE_CLAUSES = frozenset(("CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"))


def parse(sql: str) -> TableDefinition:
    """What ``sqlite_schema`` says of a table; ValueError for what is no ordinary table."""
    found = tokens(sql)
    if [each.word for each in found[:2]] != ["CREATE", "TABLE"]:
        raise ValueError(sql.split("(")[0].strip())
    opening = next(i for i, each in enumerate(found) if each.text == "(")
    closing = closing_of(found, opening)
    columns: list[ColumnDefinition] = []
    constraints: list[Clause] = []
    for part in _parts(found[opening + 1 : closing]):
        if part[0].word in _TABLE_CLAUSES:
            constraints += _Reader(sql, part).clauses(_TABLE_CLAUSES)
        else:
            columns.append(_column(sql, part))
    return TableDefinition(
        found[opening - 1].name, tuple(columns), tuple(constraints), sql[found[closing].end :].rstrip()
    )


def parse_column(sql: str) -> ColumnDefinition:
    return _column(sql, tokens(sql))


def parse_constraint(sql: str) -> Clause:
    [clause] = _Reader(sql, tokens(sql)).clauses(_TABLE_CLAUSES)
    return clause


def _column(sql: str, part: Sequence[Token]) -> ColumnDefinition:
    start = next((i for i, each in enumerate(part) if i and each.word in _COLUMN_CLAUSES), len(part))
    sort = sql[part[1].start : part[start - 1].end] if start > 1 else ""
    clauses = _Reader(sql, part[start:]).clauses(_COLUMN_CLAUSES)
    return ColumnDefinition(part[0].name, sort, tuple(clauses), sql[part[0].start : part[-1].end])


def _parts(found: Sequence[Token]) -> Iterator[list[Token]]:
    depth = 0
    part: list[Token] = []
    for each in found:
        depth += (each.text == "(") - (each.text == ")")
        if each.text == "," and not depth:
            yield part
            part = []
        else:
            part.append(each)
    yield part


class _Reader:
    """Reads clauses one after the other: no sign stands between those of a column."""

    def __init__(self, sql: str, found: Sequence[Token]) -> None:
        self.sql = sql
        self.found = found
        self.at = 0

    def clauses(self, beginnings: frozenset[str]) -> list[Clause]:
        read = []
        while self.at < len(self.found):
            start, name = self.at, None
            if self._take("CONSTRAINT"):
                name = self._next().name
            if self._word() not in beginnings:
                raise ValueError(f"{self._word() or 'the end'} after {self.sql[: self.found[start].end]}")
            clause = self._rules[self._next().word](self)
            text = self.sql[self.found[start].start : self.found[self.at - 1].end]
            read.append(replace(clause, text=text, name=name))
        return read

    def _word(self, ahead: int = 0) -> str:
        return self.found[self.at + ahead].word if self.at + ahead < len(self.found) else ""

    def _next(self) -> Token:
        self.at += 1
        return self.found[self.at - 1]

    def _take(self, *words: str) -> bool:
        if [self._word(i) for i in range(len(words))] != list(words):
            return False
        self.at += len(words)
        return True

    def _group(self) -> list[Token]:
        """What is in parentheses, if some follow."""
        if self._word() != "(":
            return []
        closing = closing_of(self.found, self.at)
        inside = list(self.found[self.at + 1 : closing])
        self.at = closing + 1
        return inside

    def _names(self) -> tuple[str, ...]:
        inside = self._group()
        return tuple(part[0].name.lower() for part in _parts(inside)) if inside else ()

    def _conflict(self) -> None:
        if self._take("ON", "CONFLICT"):
            self._next()

    def _primary(self) -> Clause:
        self._take("KEY")
        columns = self._names()
        _ = self._take("ASC") or self._take("DESC")
        self._conflict()
        self._take("AUTOINCREMENT")
        return Clause("PRIMARY KEY", "", columns=columns)

    def _not(self) -> Clause:
        self._take("NULL")
        self._conflict()
        return Clause("NOT NULL", "")

    def _null(self) -> Clause:
        self._conflict()
        return Clause("NULL", "")

    def _unique(self) -> Clause:
        columns = self._names()
        self._conflict()
        return Clause("UNIQUE", "", columns=columns)

    def _check(self) -> Clause:
        self._group()
        self._conflict()
        return Clause("CHECK", "")

    def _default(self) -> Clause:
        if self._word() == "(":
            self._group()
        else:
            _ = self._take("+") or self._take("-")
            self._next()
        return Clause("DEFAULT", "")

    def _collate(self) -> Clause:
        self._next()
        return Clause("COLLATE", "")

    def _generated(self) -> Clause:
        self._take("ALWAYS")
        self._take("AS")
        return self._as()

    def _as(self) -> Clause:
        self._group()
        _ = self._take("STORED") or self._take("VIRTUAL")
        return Clause("GENERATED", "")

    def _foreign(self) -> Clause:
        self._take("KEY")
        columns = self._names()
        self._take("REFERENCES")
        return replace(self._references(), columns=columns)

    def _references(self) -> Clause:
        table = self._next().name
        target = (table, self._names())
        while True:
            if self._take("ON"):
                self._next()
                _ = (
                    self._take("SET", "NULL")
                    or self._take("SET", "DEFAULT")
                    or self._take("NO", "ACTION")
                    or self._next()
                )
            elif self._take("MATCH"):
                self._next()
            elif self._take("DEFERRABLE") or self._take("NOT", "DEFERRABLE"):
                if self._take("INITIALLY"):
                    self._next()
            else:
                return Clause("FOREIGN KEY", "", target=target)

    _rules: dict[str, Callable[[_Reader], Clause]] = {  # noqa: RUF012
        "PRIMARY": _primary, "NOT": _not, "NULL": _null, "UNIQUE": _unique, "CHECK": _check, "DEFAULT": _default,
        "COLLATE": _collate, "REFERENCES": _references, "GENERATED": _generated, "AS": _as, "FOREIGN": _foreign,
    }  # fmt: skip
