"""A file's text as statements: with their lines, their comments, and the transaction that each runs in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from holdfast.errors import HoldfastError
from holdfast.lint.actions import Action, Allow, Boundary, Statement
from holdfast.lint.reading.statement import read_statement
from holdfast.lint.servers import Server
from holdfast.lint.words import Cursor, NotUnderstoodError, Word, words_of

_MARK = "holdfast:"


def statements_of(
    sql: str, server: Server, *, file: str = "-", in_transaction: bool = False, first: int = 0
) -> list[Statement]:
    """The statements of a file; ``in_transaction``: whatever runs the file does so in one transaction. The transactions
    are numbered from ``first`` on.

    What cannot be read is a statement with a ``problem``. One word after another is from sqlglot.
    """
    try:
        words = words_of(sql, server)
    except NotUnderstoodError as error:
        return [Statement(text=sql.strip(), file=file, line=1, migration=file, problem=error.message)]
    found = [
        _statement(sql, part, after, server, file)
        for part, after in _parts(words, statement_ends_with_batch=server.kind == "mssql")
    ]
    return within_transactions(found, starts_in_one=in_transaction, first=first)


def read(sql: str, server: Server, *, file: str, line: int, migration: str) -> list[Statement]:
    """The statements of a text that a migration sends, all of them at that line of the migration."""
    return [replace(each, line=line, migration=migration) for each in statements_of(sql, server, file=file)]


def _statement(sql: str, words: Sequence[Word], after: Sequence[str], server: Server, file: str) -> Statement:
    text = sql[words[0].start : words[-1].end + 1]
    comments = [comment for word in words for comment in word.comments] + list(after)
    actions: tuple[Action, ...] = ()
    problem = ""
    try:
        actions = read_statement(tuple(words), text, Cursor(words, server))
    except NotUnderstoodError as error:
        problem = error.message
    return Statement(
        text=text,
        file=file,
        line=words[0].line,
        migration=file,
        words=tuple(words),
        actions=actions,
        allows=tuple(allows_of(comments)),
        problem=problem,
    )


def _parts(words: Sequence[Word], *, statement_ends_with_batch: bool) -> Iterable[tuple[list[Word], tuple[str, ...]]]:
    """The words of each statement, and the comments at its semicolon. A body of BEGIN … END is in one piece."""
    part: list[Word] = []
    depth = parentheses = 0
    for word in words:
        parentheses = max(0, parentheses + word.is_("(") - word.is_(")"))
        if word.is_(";") and depth == 0 and parentheses == 0:
            if part:
                yield part, word.comments
            part = []
            continue
        if statement_ends_with_batch and word.is_("GO") and depth == 0:
            if part:
                yield part, word.comments
            part = []
            continue
        part.append(word)
        if _has_body(part):
            depth += word.is_("BEGIN", "CASE") - word.is_("END")
    if part:
        yield part, ()


def _has_body(words: Sequence[Word]) -> bool:
    """Whether it is a CREATE TRIGGER, FUNCTION or PROCEDURE, whose body may have semicolons."""
    return words[0].is_("CREATE", "ALTER") and any(word.is_("TRIGGER", "FUNCTION", "PROCEDURE") for word in words[1:6])


def allows_of(comments: Iterable[str]) -> Iterable[Allow]:
    """``holdfast: allow <rule> <reason>``; HF443 where there is no reason."""
    for comment in comments:
        for line in comment.splitlines():
            text = line.strip().lstrip("-#*/ ").strip()
            if not text.lower().startswith(_MARK):
                continue
            words = text[len(_MARK) :].split()
            if words[:1] != ["allow"]:
                continue
            if len(words) < 3:
                raise HoldfastError(
                    "HF443",
                    f"An allow without a reason: {text!r}.",
                    "Write why: -- holdfast: allow drop-column nobody has read it since May",
                )
            yield Allow(words[1], " ".join(words[2:]))


def within_transactions(statements: Sequence[Statement], *, starts_in_one: bool, first: int = 0) -> list[Statement]:
    """The statements with the number of their transaction, by the BEGIN and COMMIT among them."""
    number, inside = first, starts_in_one
    result = []
    for statement in statements:
        for action in statement.actions:
            if isinstance(action, Boundary) and action.verb == "begin":
                number, inside = number + (not starts_in_one or not inside), True
        result.append(replace(statement, transaction=number if inside else None))
        for action in statement.actions:
            if isinstance(action, Boundary) and action.verb != "begin":
                inside = False
                number += 1
    return result
