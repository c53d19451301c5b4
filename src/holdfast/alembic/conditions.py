"""A condition as a tree: whatever the database and the models spell otherwise is the same in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

Node = tuple[Any, ...]
"""A kind, and what belongs to it."""


class NotUnderstoodError(Exception):
    """The condition has something of which it is not known how the database spells it."""


TOKEN = re.compile(
    r"""\s*(?:
    (?P<text>[eE]?'(?:[^']|'')*') | (?P<quoted>"(?:[^"]|"")*") | (?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
    | (?P<word>[A-Za-z_][A-Za-z_0-9$]*) | (?P<cast>::) | (?P<mark>[()\[\],.]) | (?P<operator>[-+*/<>=~!@\#%^&|`?]+)
    )""",
    re.VERBOSE,
)
_AS_WRITTEN = {"text", "character varying", "varchar", "character", "char", "bpchar", "name", "citext"}
"""Types whose literals the database keeps as they were written."""
_COMPARISONS = {"=", "<>", "!=", "<", ">", "<=", ">=", "~~", "!~~", "~~*", "!~~*", "~", "!~", "~*", "!~*"}
_STOPS = {"and", "or", "then", "end", "when", "else"}
_STRANGE = {
    "case", "array", "row", "extract", "substring", "position", "overlay", "trim", "exists", "select", "any", "all",
    "some", "interval", "collate", "escape", "similar", "overlaps", "at",
}  # fmt: skip
"""Words with a grammar of their own."""


def parse(text: str) -> Node:
    """The condition as a tree; NotUnderstoodError for what may be spelled in ways that are not known here."""
    parser = _Parser(list(_tokens(text)))
    node = parser.either()
    if parser.tokens:
        raise NotUnderstoodError(parser.tokens[0][1])
    return node


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    position = 0
    text = text.rstrip()
    while position < len(text):
        match = TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise NotUnderstoodError(text[position:])
        position = match.end()
        kind, value = match.lastgroup, match[match.lastgroup]
        if kind == "text" and value[0] in "eE" and "\\" in value:
            raise NotUnderstoodError(value)
        yield (kind, value.lower() if kind == "word" else value)


@dataclass
class _Parser:
    tokens: list[tuple[str, str]] = field(default_factory=list)

    def peek(self, number: int = 0) -> tuple[str, str]:
        return self.tokens[number] if number < len(self.tokens) else ("end", "")

    def take(self, *values: str) -> str | None:
        kind, value = self.peek()
        if value in values and kind not in ("text", "quoted"):
            self.tokens.pop(0)
            return value
        return None

    def need(self, value: str) -> None:
        if self.take(value) is None:
            raise NotUnderstoodError(self.peek()[1])

    # ------------------------------------------------------------------ conditions

    def either(self) -> Node:
        return self._chain("or", self.both)

    def both(self) -> Node:
        return self._chain("and", self.negated)

    def _chain(self, word: str, part: Any) -> Node:
        parts = [part()]
        while self.take(word):
            parts.append(part())
        flat = [inner for each in parts for inner in (each[1:] if each[0] == word else (each,))]
        return flat[0] if len(flat) == 1 else (word, *flat)

    def negated(self) -> Node:
        return ("not", self.negated()) if self.take("not") else self.compared()

    def compared(self) -> Node:
        left = self.computed()
        while True:
            if self.take("is"):
                left = self._is(left)
            elif self.peek()[1] in ("not", "in", "between", "like", "ilike"):
                left = self._listed(left, negated=bool(self.take("not")))
            elif self.peek()[0] == "operator" and self.peek()[1] in _COMPARISONS:
                left = self._operator(left, self.tokens.pop(0)[1])
            else:
                return left

    def _is(self, left: Node) -> Node:
        negated = bool(self.take("not"))
        if self.take("distinct"):
            self.need("from")
            return ("is distinct", negated, left, self.computed())
        word = self.take("null", "true", "false", "unknown")
        if word is None:
            raise NotUnderstoodError(self.peek()[1])
        return ("is", negated, word, left)

    def _listed(self, left: Node, *, negated: bool) -> Node:
        if self.take("in"):
            self.need("(")
            return _one_of(left, self._arguments(")"), negated=negated)
        if self.take("between"):
            low = self.computed()
            self.need("and")
            high = self.computed()
            if negated:
                return ("or", ("<", left, low), (">", left, high))
            return ("and", (">=", left, low), ("<=", left, high))
        operator = {"like": "~~", "ilike": "~~*"}[self.tokens.pop(0)[1]]
        return ("!" + operator if negated else operator, left, self.computed())

    def _operator(self, left: Node, operator: str) -> Node:
        operator = "<>" if operator == "!=" else operator
        if (operator, self.peek()[1]) in (("=", "any"), ("<>", "all")):
            self.tokens.pop(0)
            self.need("(")
            array = self.either()
            self.need(")")
            if array[0] != "array":
                raise NotUnderstoodError(operator)
            return _one_of(left, list(array[1:]), negated=operator == "<>")
        return (operator, left, self.computed())

    # ------------------------------------------------------------------ values

    def computed(self) -> Node:
        left = self.summed()
        while self.peek()[0] == "operator" and self.peek()[1] not in _COMPARISONS:
            left = (self.tokens.pop(0)[1], left, self.summed())
        return left

    def summed(self) -> Node:
        left = self.multiplied()
        while operator := self.take("+", "-"):
            left = (operator, left, self.multiplied())
        return left

    def multiplied(self) -> Node:
        left = self.signed()
        while operator := self.take("*", "/", "%"):
            left = (operator, left, self.signed())
        return left

    def signed(self) -> Node:
        if self.take("-"):
            value = self.signed()
            return ("number", "-" + value[1]) if value[0] == "number" else ("-", value)
        return self.cast()

    def cast(self) -> Node:
        value = self.value()
        while self.take("::"):
            value = _cast(value, self._type())
        return value

    def _type(self) -> str:
        words = []
        while self.peek()[0] in ("word", "quoted") and self.peek()[1] not in _STOPS | {
            "is",
            "not",
            "in",
            "like",
            "between",
        }:
            words.append(self.tokens.pop(0)[1])
            if self.take("."):
                words.clear()
        if self.take("("):
            self._arguments(")")
        while self.peek()[0] == "word" and self.peek()[1] in ("with", "without", "time", "zone"):
            words.append(self.tokens.pop(0)[1])
        while self.take("["):
            self.need("]")
        return " ".join(words)

    def value(self) -> Node:
        kind, value = self.peek()
        if kind == "mark" and self.take("("):
            inner = self.either()
            self.need(")")
            return inner
        if kind not in ("text", "quoted", "number", "word"):
            raise NotUnderstoodError(value)
        self.tokens.pop(0)
        if kind == "text":
            return ("text", value.lstrip("eE")[1:-1].replace("''", "'"), False)
        if kind == "number":
            return ("number", value)
        return self._named(kind, value)

    def _named(self, kind: str, value: str) -> Node:
        if kind == "word" and value == "array" and self.take("["):
            return ("array", *self._arguments("]"))
        if kind == "word" and value == "cast" and self.take("("):
            inner = self.either()
            self.need("as")
            node = _cast(inner, self._type())
            self.need(")")
            return node
        if kind == "word" and (value in _STRANGE or self.peek()[0] == "text"):
            raise NotUnderstoodError(value)
        name = value[1:-1].replace('""', '"') if kind == "quoted" else value
        while self.take("."):
            kind, value = self.tokens.pop(0)
            name = value[1:-1].replace('""', '"') if kind == "quoted" else value
        if self.take("("):
            return ("call", name, *self._arguments(")"))
        return ("name", name)

    def _arguments(self, closing: str) -> list[Node]:
        if self.take(closing):
            return []
        found = [self.either()]
        while self.take(","):
            found.append(self.either())
        self.need(closing)
        return found


def _one_of(left: Node, values: list[Node], *, negated: bool) -> Node:
    if len(values) == 1:
        return ("<>" if negated else "=", left, values[0])
    return ("in", negated, left, *values)


def _cast(value: Node, kind: str) -> Node:
    """The database casts where the models did not; a literal of most types it spells anew besides."""
    if value[0] == "text" and re.fullmatch(r"-?\d+(\.\d+)?", value[1]) and kind not in _AS_WRITTEN:
        return ("number", value[1])
    if value[0] == "text":
        return ("text", value[1], value[2] or kind not in _AS_WRITTEN)
    return value
