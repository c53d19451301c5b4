"""SQL as words, names and signs: enough to take a statement of the catalog apart."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*|/\*.*?(?:\*/|\Z))
    |(?P<string>[xX]?'(?:[^']|'')*')
    |(?P<quoted>"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\])
    |(?P<word>[^\W\d][\w$]*)
    |(?P<number>\.?\d[\w.]*(?:(?<=[eE])[+-]\d+)?)
    |(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    @property
    def word(self) -> str:
        """The keyword that it may be."""
        return self.text.upper() if self.kind == "word" else self.text if self.kind == "other" else ""

    @property
    def name(self) -> str:
        if self.kind != "quoted" and not (self.kind == "string" and self.text[0] == "'"):
            return self.text
        mark = self.text[-1]
        return self.text[1:-1].replace(mark * 2, mark)


def tokens(sql: str) -> list[Token]:
    """All but space and comments."""
    found = (Token(str(each.lastgroup), each.group(), each.start()) for each in _TOKEN.finditer(sql))
    return [each for each in found if each.kind != "space"]


def closing_of(found: Sequence[Token], opening: int) -> int:
    """Where the parenthesis that is opened there is closed."""
    depth = 0
    for i, each in enumerate(found[opening:], opening):
        depth += (each.text == "(") - (each.text == ")")
        if not depth:
            return i
    raise ValueError("parentheses")
