"""``holdfast explain``: a page for each code, and no page without one."""

from __future__ import annotations

import pathlib
import re

import pytest

import holdfast
from tests.cli.conftest import Shell

SOURCE = pathlib.Path(holdfast.__file__).parent
PAGES = SOURCE / "cli" / "pages"


def raised() -> set[str]:
    """Every code that stands quoted in the source, in Python or in SQL."""
    return {
        code for path in SOURCE.rglob("*.py") for code in re.findall(r"['\"](HF\d{3})['\"]", path.read_text("utf-8"))
    }


def test_each_code_has_a_page_and_each_page_a_code() -> None:
    assert {path.stem for path in PAGES.glob("*.md")} == raised()


@pytest.mark.parametrize("code", sorted(raised()))
def test_a_page_says_the_problem_and_the_solution(code: str) -> None:
    outcome = Shell(None)("explain", code)
    assert outcome.code == 0
    assert re.match(rf"# {code}: \S[^\n]+[^\n.]\n\n## Problem\n\n\S.*\n## Solution\n\n\S", outcome.out, re.DOTALL)


def test_the_code_may_be_pasted_as_it_was_printed() -> None:
    assert Shell(None)("explain", "hf202").out == Shell(None)("explain", "HF202:").out != ""


def test_an_unknown_code() -> None:
    outcome = Shell(None)("explain", "HF999")
    assert (outcome.code, outcome.out) == (1, "")
    assert "HF202" in outcome.err
