"""Every public name says what it guarantees, and every example in a docstring does what it shows."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
import re

import pytest

import holdfast
from tests.docs.blocks import pages

PUBLIC = ("holdfast", "holdfast.sqlalchemy", "holdfast.testing")
MODULES = [
    found.name for found in pkgutil.walk_packages(holdfast.__path__, "holdfast.") if not found.name.endswith("__main__")
]
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name), optionflags=OPTIONS)
    assert result.failed == 0


@pytest.mark.parametrize("module", PUBLIC)
def test_every_public_name_says_what_it_guarantees(module: str) -> None:
    names = importlib.import_module(module)
    silent = [
        name
        for name in names.__all__
        if callable(getattr(names, name)) and not (inspect.getdoc(getattr(names, name)) or "").strip()
    ]
    assert silent == []


@pytest.mark.parametrize("module", PUBLIC)
def test_every_public_name_is_shown_at_work(module: str) -> None:
    """In a block of the documents, all of which are run, or in an example of its own."""
    names = importlib.import_module(module)
    blocks = "\n".join(block for page in pages() for block in PYTHON.findall(page.read_text()))
    unshown = [
        name
        for name in names.__all__
        if not name.startswith("__")
        and not re.search(rf"\b{name}\b", blocks)
        and ">>>" not in (inspect.getdoc(getattr(names, name)) or "")
    ]
    assert unshown == []
