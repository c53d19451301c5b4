"""The words of a statement, from sqlglot's tokenizer, and a cursor over them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from holdfast.errors import HoldfastError, UnsupportedError
from holdfast.lint.servers import Server
from holdfast.tables import TableName

WordKind = Literal["word", "name", "string", "number", "symbol"]


class NotUnderstoodError(HoldfastError):
    """The statement, or a part of it, is not known to us."""


@dataclass(frozen=True, slots=True)
class Word:
    """A keyword or name without quotes (word), a quoted name, a string, a number, or a symbol."""

    text: str
    kind: WordKind
    line: int
    start: int
    end: int
    comments: tuple[str, ...] = ()

    def is_(self, *keywords: str) -> bool:
        return self.kind in ("word", "symbol") and self.text.upper() in keywords


Words = tuple[Word, ...]


def words_of(sql: str, server: Server) -> list[Word]:
    """The words with their lines and comments; HF442 where a quote or a comment is never closed."""
    sqlglot = _sqlglot()
    try:
        tokens = _tokenizer(server.sqlglot)(sql)
    except sqlglot.errors.TokenError as error:
        raise NotUnderstoodError("HF442", f"A quote or a comment is not closed: {error}", "Close it.") from error
    # The tokenizer's own lines are wrong after a parameter such as $1.
    ends = [at for at, character in enumerate(sql) if character == "\n"]
    return [word for token in tokens for word in _split(token, bisect_left(ends, token.start) + 1)]


def _sqlglot() -> Any:
    try:
        import sqlglot
        import sqlglot.errors
    except ImportError as error:
        raise UnsupportedError(
            "HF440", "The linter reads SQL by means of sqlglot, which is not installed.", "pip install 'holdfast[lint]'"
        ) from error
    return sqlglot


def parsed(sql: str, server: Server) -> Any:
    """The statement as sqlglot's tree; HF442 where it is not one."""
    sqlglot = _sqlglot()
    try:
        return sqlglot.parse_one(sql, dialect=server.sqlglot)
    except sqlglot.errors.SqlglotError as error:
        message = next(iter(str(error).splitlines()), "it cannot be read")
        raise NotUnderstoodError("HF442", f"sqlglot cannot read it: {message}") from error


@cache
def _tokenizer(name: str) -> Any:
    """sqlglot's own tokenizer keeps what follows VACUUM, DO and the like as one piece; these take it apart as well."""
    _sqlglot()
    from holdfast.lint import tokenizing

    return tokenizing.TOKENIZERS[name]().tokenize


_STRINGS = {
    *("STRING", "NATIONAL_STRING", "RAW_STRING", "HEREDOC_STRING", "BYTE_STRING", "UNICODE_STRING"),
    *("HEX_STRING", "BIT_STRING"),
}


def _split(token: Any, line: int) -> Iterable[Word]:
    """One word for each word of a keyword such as PRIMARY KEY."""
    kind, text, comments = token.token_type.name, token.text, tuple(token.comments)
    if kind in _STRINGS:
        yield Word(text, "string", line, token.start, token.end, comments)
    elif kind == "IDENTIFIER":
        yield Word(text, "name", line, token.start, token.end, comments)
    elif kind == "NUMBER":
        yield Word(text, "number", line, token.start, token.end, comments)
    else:
        word: WordKind = "word" if text[:1].isalpha() or text[:1] == "_" else "symbol"
        for part in text.split() or [text]:
            yield Word(part, word, line, token.start, token.end, comments)
            comments = ()


class Cursor:
    """Goes through the words of one statement."""

    def __init__(self, words: Sequence[Word], server: Server) -> None:
        self.words = words
        self.server = server
        self.at = 0

    @property
    def done(self) -> bool:
        return self.at >= len(self.words)

    @property
    def next(self) -> Word:
        if self.done:
            raise NotUnderstoodError("HF442", "It ends too early.")
        return self.words[self.at]

    def sees(self, *keywords: str) -> bool:
        """Whether these are the next words; ``A|B`` stands for either."""
        if self.at + len(keywords) > len(self.words):
            return False
        return all(
            word.is_(*keyword.split("|"))
            for word, keyword in zip(self.words[self.at : self.at + len(keywords)], keywords, strict=True)
        )

    def take(self, *keywords: str) -> bool:
        """Goes past these words, if they are next."""
        if not self.sees(*keywords):
            return False
        self.at += len(keywords)
        return True

    def expect(self, *keywords: str) -> None:
        if not self.take(*keywords):
            self.refuse(f"{' '.join(keywords)} is missing")

    def refuse(self, why: str) -> None:
        where = "at its end" if self.done else f"at {self.next.text!r}"
        raise NotUnderstoodError("HF442", f"{why}, {where}.")

    def skip(self) -> Word:
        word = self.next
        self.at += 1
        return word

    def identifier(self) -> str:
        word = self.skip()
        if word.kind == "name":
            return word.text
        if word.kind != "word":
            self.at -= 1
            self.refuse("A name is missing")
        return word.text.lower() if self.server.folds_names else word.text

    def name(self) -> TableName:
        """A name, with its schema if one is written; the default schema is the empty one."""
        parts = [self.identifier()]
        while self.take("."):
            parts.append(self.identifier())
        schema = parts[-2] if len(parts) > 1 else ""
        return TableName("" if schema == self.server.default_schema else schema, parts[-1])

    def names(self) -> tuple[TableName, ...]:
        found = [self.name()]
        while self.take(","):
            found.append(self.name())
        return tuple(found)

    def group(self) -> Words:
        """What stands between the next pair of parentheses."""
        self.expect("(")
        start, depth = self.at, 1
        while depth:
            word = self.skip()
            depth += word.is_("(", "[") - word.is_(")", "]")
        return tuple(self.words[start : self.at - 1])

    def until(self, *keywords: str) -> Words:
        """The words before the first of these, or before a comma, outside of parentheses."""
        start, depth = self.at, 0
        while not self.done:
            word = self.next
            if depth == 0 and (word.is_(*keywords) or word.is_(",")):
                break
            depth += word.is_("(", "[") - word.is_(")", "]")
            self.at += 1
        return tuple(self.words[start : self.at])

    def rest(self) -> Words:
        rest = tuple(self.words[self.at :])
        self.at = len(self.words)
        return rest

    def inside(self, words: Sequence[Word]) -> Cursor:
        return Cursor(words, self.server)


def split_at_commas(words: Sequence[Word]) -> list[Words]:
    """The parts of a list, by the commas outside of parentheses."""
    parts: list[list[Word]] = [[]]
    depth = 0
    for word in words:
        depth += word.is_("(", "[") - word.is_(")", "]")
        if word.is_(",") and depth == 0:
            parts.append([])
        else:
            parts[-1].append(word)
    return [tuple(part) for part in parts if part]


def has(words: Sequence[Word], *keywords: str) -> bool:
    """Whether these keywords stand somewhere among the words, next to each other."""
    return any(
        all(word.is_(keyword) for word, keyword in zip(words[at : at + len(keywords)], keywords, strict=True))
        for at in range(len(words) - len(keywords) + 1)
    )


def text_of(words: Sequence[Word]) -> str:
    """The words as text that can be compared."""
    shown = []
    for word in words:
        if word.kind == "string":
            shown.append("'" + word.text.replace("'", "''") + "'")
        else:
            shown.append(word.text.lower() if word.kind == "word" else word.text)
    return " ".join(shown)
