"""What a revision does, as one digest of its source: the same for as long as it does the same, in any Python."""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Any

# What says something of the code and does nothing.
_SAYS = {"annotation", "returns", "type_comment", "kind", "ctx"}
_TYPING = {"__future__", "typing", "typing_extensions", "collections.abc"}


def digest_of(source: str) -> str:
    """Comments, docstrings, formatting, annotations and the order of imports make no difference, nor does
    ``downgrade()``: mended later, it changes no database.

    >>> digest_of("def upgrade(): op.execute('a')") == digest_of('def upgrade() -> None:\\n  op.execute("a")  # b')
    True
    """
    body = ast.parse(source).body
    imports = sorted({each for node in body for each in _imported(node)})
    does = [node for node in body if not isinstance(node, ast.Import | ast.ImportFrom) and not _is_downgrade(node)]
    text = json.dumps([imports, _plain(does)], separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(node: Any) -> Any:
    """Lists, texts and mappings alone: how a tree of Python's own is printed differs from one version to the next."""
    match node:
        case list():
            return [_plain(each) for each in node if not _does_nothing(each)]
        case ast.Constant(value=str() as text):
            return ["str", text]
        case ast.Constant(value=value):
            return [type(value).__name__, repr(value)]
        case ast.JoinedStr(values=values):
            return ["JoinedStr", list(_joined(values))]
        case ast.AnnAssign(target=target, value=value):
            return ["Assign", {"targets": [_plain(target)], "value": _plain(value)}]
        case ast.AST():
            return [type(node).__name__, dict(_fields(node))]
    return node


def _fields(node: ast.AST) -> Iterator[tuple[str, Any]]:
    """Those that have something in them: a newer Python knows more of them."""
    for name, value in ast.iter_fields(node):
        if name not in _SAYS and value is not None and value != []:
            yield name, _plain(value)


def _does_nothing(node: Any) -> bool:
    """A docstring, ``pass``, or an annotation alone."""
    match node:
        case ast.Pass() | ast.Expr(value=ast.Constant()) | ast.AnnAssign(value=None):
            return True
    return False


def _joined(values: Iterable[ast.expr]) -> Iterator[Any]:
    """The parts of an f-string: what stands between two values is one text, in however many it came."""
    text = ""
    for each in values:
        if isinstance(each, ast.Constant):
            text += str(each.value)
            continue
        if text:
            yield ["str", text]
        text = ""
        yield _plain(each)
    if text:
        yield ["str", text]


def _is_downgrade(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name == "downgrade"


def _imported(node: ast.stmt) -> Iterator[str]:
    """Each name that is imported, by itself."""
    match node:
        case ast.Import(names=names):
            yield from (f"import {each.name} as {each.asname}" for each in names)
        case ast.ImportFrom(module=module, names=names, level=level) if module not in _TYPING:
            origin = "." * level + (module or "")
            yield from (f"from {origin} import {each.name} as {each.asname}" for each in names)
