"""What the source of a revision says beside its statements: what it allows, what it imports, whether it goes back."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

from alembic.script import Script

from holdfast.alembic.recording import shown
from holdfast.lint.actions import Allow, Statement
from holdfast.lint.statements import allows_of

EDITED = "edited-revision"
"""The rule for revisions that were edited after they were run; a comment that allows it accepts the edit."""


def annotated(script: Script, statements: Sequence[Statement]) -> list[Statement]:
    """The statements with what a comment allows: at the call that sends them, in the lines above it, or, at the left
    margin, for the whole revision."""
    source = Path(script.path).read_text(encoding="utf-8")
    comments = _comments(source)
    if not comments:
        return list(statements)
    spans = _spans(source)
    everywhere = tuple(replace(allow, whole=True) for allow, margin in comments.values() if margin)
    marked = {line for line, (_, margin) in comments.items() if not margin}
    lines = source.splitlines()
    result = []
    for statement in statements:
        first, last = spans.get(statement.line, (statement.line, statement.line))
        while first > 1 and lines[first - 2].strip().startswith("#"):
            first -= 1
        here = [comments[line][0] for line in range(first, last + 1) if line in marked]
        result.append(replace(statement, allows=(*statement.allows, *here, *everywhere)))
    return result


def header(script: Script, *, several_heads: bool) -> Statement | None:
    """A statement that does nothing, for what there is to say of the revision as a whole."""
    source = Path(script.path).read_text(encoding="utf-8")
    notes = {f"model:{name}" for name in _models(script)}
    line = 1
    downgrade = next((each for each in _functions(source) if each.name == "downgrade"), None)
    if downgrade is None or _does_nothing(downgrade):
        notes.add("irreversible")
        line = downgrade.lineno if downgrade is not None else 1
    if several_heads:
        notes.add("heads")
    if not notes:
        return None
    return Statement(
        text=f"revision {script.revision}",
        file=shown(script.path),
        line=line,
        migration=script.revision,
        notes=frozenset(notes),
    )


def edited_header(script: Script, on: date) -> Statement:
    """The same, for a revision that was run long ago, and edited since."""
    return Statement(
        text=f"revision {script.revision}",
        file=shown(script.path),
        line=1,
        migration=script.revision,
        allows=accepted_edits(script),
        notes=frozenset({f"edited:{on}"}),
    )


def accepted_edits(script: Script) -> tuple[Allow, ...]:
    """The comments at the left margin by which an edit of a revision that was run is accepted."""
    comments = _comments(Path(script.path).read_text(encoding="utf-8")).values()
    return tuple(replace(allow, whole=True) for allow, margin in comments if margin and allow.rule == EDITED)


def _comments(source: str) -> dict[int, tuple[Allow, bool]]:
    """By line: what is allowed, and whether the comment stands at the left margin."""
    found = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            for allow in allows_of([token.string]):
                found[token.start[0]] = (allow, token.start[1] == 0)
    return found


def _spans(source: str) -> dict[int, tuple[int, int]]:
    """For each line, the first and the last line of the simple statement that it belongs to."""
    spans = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr | ast.Assign | ast.AnnAssign | ast.Return):
            for line in range(node.lineno, (node.end_lineno or node.lineno) + 1):
                spans[line] = (node.lineno, node.end_lineno or node.lineno)
    return spans


def _functions(source: str) -> list[ast.FunctionDef]:
    return [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]


def _does_nothing(function: ast.FunctionDef) -> bool:
    """Whether there is nothing in it but a docstring, ``pass`` or ``raise`` without a word of why."""
    for node in function.body:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        if isinstance(node, ast.Pass):
            continue
        if isinstance(node, ast.Raise) and not (isinstance(node.exc, ast.Call) and node.exc.args):
            continue
        return False
    return True


def _models(script: Script) -> list[str]:
    """The mapped classes that the revision has from elsewhere."""
    module = script.module
    return sorted(
        name
        for name, value in vars(module).items()
        if isinstance(value, type) and hasattr(value, "__mapper__") and value.__module__ != module.__name__
    )
