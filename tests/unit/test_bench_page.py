"""What a partial run puts into the page."""

from __future__ import annotations

from bench.cases import Line
from bench.page import Measured, render, renewed
from bench.sizes import TINY

PEERS = {"peer": "1.0"}


def measured(*lines: Line) -> Measured:
    return Measured(TINY, lines, (), PEERS, {}, "18.4")


def test_lines_take_the_place_of_those_of_their_title_and_the_others_stay() -> None:
    page = render(
        measured(
            Line("COPY", "1.2x", "1.10x (1–2)", True, {"peer": "2.22x (2–3)"}),
            Line("DELETE", "4x", "9.00x (8–9)", False, {"peer": "8.00x (7–9)"}),
            Line("Growth", "", "148 bytes"),
        )
    )
    now = renewed(page, measured(Line("DELETE", "4x", "3.00x (2–4)", True), Line("DELETE by row", "", "5.00x (4–6)")))
    assert [row for row in now.splitlines() if row not in page.splitlines()] == [
        "| DELETE | 4x | 3.00x (2–4) | 8.00x (7–9) |",
        "| DELETE by row | – | 5.00x (4–6) | – |",
    ]
    assert [row for row in page.splitlines() if row not in now.splitlines()] == [
        "| DELETE | 4x | **9.00x (8–9)** | 8.00x (7–9) |"
    ]
    assert now.index("| DELETE by row") < now.index("| Growth")
