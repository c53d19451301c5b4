"""Every way to leak of the hostile list: first that it leaks without us, then that it does not with us."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator

import pytest

from tests.docs.blocks import ROOT
from tests.duties import server_of, versions
from tests.servers import Servers
from tests.tenancy.hostile import outside, reads, sessions, settings, writes
from tests.tenancy.hostile.sides import Row, Sides, sides
from tests.tenancy.own_databases import own_databases

ROWS = sorted((*reads.ROWS, *writes.ROWS, *settings.ROWS, *sessions.ROWS, *outside.ROWS), key=lambda each: each.number)
PAGE = ROOT / "docs" / "reference" / "leaks.md"


@pytest.fixture(scope="module", params=versions())
def both(servers: Servers, request: pytest.FixtureRequest) -> Iterator[Sides]:
    with sides(server_of(servers, request.param)) as each:
        yield each


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.number:02}")
def test_it_leaks_without_us(both: Sides, row: Row) -> None:
    assert row.show is not None
    row.show(both)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.number:02}")
def test_it_does_not_leak_with_us(both: Sides, row: Row) -> None:
    assert row.hold is not None
    row.hold(both)


def test_what_no_right_can_hide(both: Sides) -> None:
    outside.totals_show(both)


def test_totals_are_hidden_by_a_database_each(both: Sides) -> None:
    with own_databases(both.held.url) as (url, names):
        outside.totals_hold_apart(url, names)


def test_the_list_is_whole() -> None:
    assert [each.number for each in ROWS] == list(range(1, 51))


def test_what_is_said_to_be_tested_elsewhere_is() -> None:
    for row in ROWS:
        for each in row.elsewhere:
            file, _, name = each.partition("::")
            tree = ast.parse((ROOT / file).read_text())
            assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}, each


def table() -> str:
    lines = ["| | leaks without | held here by | tested |", "|--:|---|---|---|"]
    for row in ROWS:
        here = f"`test_hostile_list.py[{row.number:02}]`"
        more = [f"`{each.rpartition('/')[2]}`" for each in row.elsewhere]
        sort = " (a rule or a text)" if row.documented else ""
        lines.append(f"| {row.number} | {row.leak} | {row.held} | {', '.join([here + sort, *more])} |")
    return "\n".join(lines) + "\n"


def test_the_page_is_current() -> None:
    text = PAGE.read_text()
    begin, end = "<!-- generated: leaks -->\n", "<!-- end: leaks -->"
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    wanted = f"{before}{begin}\n{table()}\n{end}{after}"
    if os.environ.get("HOLDFAST_UPDATE_DOCS"):
        PAGE.write_text(wanted)
    assert PAGE.read_text() == wanted, "run: HOLDFAST_UPDATE_DOCS=1 pytest tests/tenancy/test_hostile_list.py"
