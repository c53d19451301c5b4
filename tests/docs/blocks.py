"""The code blocks of a page: found by sybil, run in the order of the page, their output compared.

A comment in front of a block says what cannot be seen from the block itself:

``<!-- database: postgresql -->``   from here on a fresh database; with two names the page runs once on each
``<!-- shop -->``                   the tables and rows of ``shop.sql`` are put into it
``<!-- setup … -->``                SQL that the reader need not see
``<!-- file: name -->``             the block is the content of that file
``<!-- output -->``                 the block is what the one before it printed
``<!-- refused: HF204 -->``         the block fails, with that code
``<!-- exit: 1 -->``                the last command of the block ends with that code
``<!-- not run: reason -->``        an illustration
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sybil import Document, Example, Region, Sybil
from sybil.parsers.markdown.lexers import RawFencedCodeBlockLexer

ROOT = Path(__file__).resolve().parents[2]
DIRECTIVE = re.compile(
    r"^<!-- *(?P<name>database|shop|setup|file|output|refused|exit|not run)\b:? *(?P<argument>.*?)\s*-->",
    re.MULTILINE | re.DOTALL,
)
STANDING = {"database", "shop", "setup"}
"""These act where they stand; the others say something of the block that follows."""


@dataclass(frozen=True)
class Block:
    """What a page asks for at one place: run this, or compare that."""

    language: str
    source: str
    marks: dict[str, str]


def pages() -> list[Path]:
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def find_blocks(document: Document) -> Iterable[Region]:
    """A sybil parser: the fenced blocks, each with the comments before it, and the comments that act by themselves."""
    lexer = RawFencedCodeBlockLexer(re.compile(r"(?P<language>[^\n]*)$\n", re.MULTILINE))
    fences = [region for region in lexer(document) if not document.text[: region.start].endswith("`")]
    directives = [
        match
        for match in DIRECTIVE.finditer(document.text)
        if not any(fence.start <= match.start() < fence.end for fence in fences)
    ]
    for fence in fences:
        marks = {}
        position = fence.start
        for match in reversed(directives):
            if match["name"] in STANDING or document.text[match.end() : position].strip() or match.start() > position:
                continue
            marks[match["name"]] = match["argument"]
            position = match.start()
        fence.parsed = Block(fence.lexemes["language"].strip(), str(fence.lexemes["source"]), marks)
        fence.evaluator = evaluate
        yield fence
    for match in directives:
        if match["name"] in STANDING:
            block = Block(match["name"], match["argument"], {})
            yield Region(match.start(), match.end(), parsed=block, evaluator=evaluate)


def evaluate(example: Example) -> str | None:
    """What went wrong, for sybil to report with page and line."""
    problem: str | None = example.namespace["runner"].run(example.parsed)
    return problem


SYBIL = Sybil(parsers=[find_blocks])


def variants(page: Path) -> list[str | None]:
    """The databases that the page runs on in turn; None where it names one for itself, or several one by one."""
    named = [match["argument"] for match in DIRECTIVE.finditer(page.read_text()) if match["name"] == "database"]
    return list(named[0].split()) if len(named) == 1 else [None]


def has_blocks(page: Path) -> bool:
    return "```" in page.read_text()
