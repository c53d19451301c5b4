"""What a partial run puts into the page."""

from __future__ import annotations

from bench.cases import Line
from bench.page import Measured, render, renewed
from bench.sizes import TINY

PEERS = {"peer": "1.0", "other": "2.0"}


def measured(**sections: list[Line]) -> Measured:
    return Measured(TINY, sections, PEERS, {}, "18.4")


def changes(page: str, now: str) -> tuple[list[str], list[str]]:
    """The rows that went, and those that came."""
    before, after = page.splitlines(), now.splitlines()
    return [row for row in before if row not in after], [row for row in after if row not in before]


PAGE = render(
    measured(
        Recording=[
            Line("COPY", "1.2x", "1.10x (1–2)", True, {"peer": "2.22x (2–3)"}),
            Line("DELETE", "4x", "9.00x (8–9)", False, {"peer": "8.00x (7–9)"}),
            Line("Growth", "", "148 bytes"),
        ],
        SQLite=[Line("DELETE", "", "15x (14–16)")],
    )
)


def test_lines_take_the_place_of_those_of_their_title_and_the_others_stay() -> None:
    lines = [Line("DELETE", "4x", "3.00x (2–4)", True), Line("DELETE by row", "", "5.00x (4–6)")]
    now = renewed(PAGE, measured(Recording=lines))
    assert changes(PAGE, now) == (
        ["| DELETE | 4x | **9.00x (8–9)** | 8.00x (7–9) |"],
        ["| DELETE | 4x | 3.00x (2–4) | 8.00x (7–9) |", "| DELETE by row | – | 5.00x (4–6) | – |"],
    )
    assert now.index("| DELETE by row") < now.index("| Growth")
    assert renewed(now, measured(Recording=lines)) == now


def test_a_peer_that_is_new_has_a_column_in_its_section_alone() -> None:
    now = renewed(PAGE, measured(Recording=[Line("COPY", "1.2x", "1.10x (1–2)", True, {"other": "5.00x (4–6)"})]))
    assert changes(PAGE, now)[1] == [
        "| statement | goal | holdfast | peer 1.0 | other 2.0 |",
        "|---|---|---|---|---|",
        "| COPY | 1.2x | 1.10x (1–2) | 2.22x (2–3) | 5.00x (4–6) |",
        "| DELETE | 4x | **9.00x (8–9)** | 8.00x (7–9) | – |",
        "| Growth | – | 148 bytes | – | – |",
    ]


def test_a_section_that_is_new_comes_after_the_others() -> None:
    now = renewed(PAGE, measured(Paging=[Line("deep", "1.2x", "1.00x (1–1)", True)]))
    headings = [row for row in now.splitlines() if row.startswith("## ")]
    assert headings == ["## Recording", "## SQLite", "## Paging", "## Machine"]
    assert (
        "\n## Paging\n\n| statement | goal | holdfast |\n|---|---|---|\n| deep | 1.2x | 1.00x (1–1) |\n\n## Mach" in now
    )
    assert changes(PAGE, now)[0] == []
