"""Every code block of README.md and docs/ does what the page says. HOLDFAST_UPDATE_DOCS=1 shows what is printed now."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.docs.blocks import SYBIL, has_blocks, name_of, pages, variants
from tests.docs.runner import UPDATING, Runner, differs, environment
from tests.servers import Server

RUNS = [
    pytest.param(page, variant, id=name_of(page) + (f"-{variant}" if variant else ""))
    for page in pages()
    if has_blocks(page)
    for variant in variants(page)
]


@pytest.fixture
def new_postgresql(request: pytest.FixtureRequest) -> Iterator[Callable[[], str]]:
    """Gives the URL of a fresh database, each time it is called."""
    with contextlib.ExitStack() as exits:

        def new() -> str:
            server: Server = request.getfixturevalue("postgresql")
            return exits.enter_context(server.new_database())

        yield new


@pytest.mark.parametrize("page, variant", RUNS)
def test_blocks_do_what_the_page_says(
    page: Path,
    variant: str | None,
    new_postgresql: Callable[[], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    runner = Runner(folder, variant, new_postgresql, environment(folder))
    document = SYBIL.parse(page)
    document.namespace["runner"] = runner
    rewritten = []
    for example in document.examples():
        example.evaluate()
        if runner.url:
            monkeypatch.setenv("HOLDFAST_URL", runner.environment["HOLDFAST_URL"])
        if UPDATING and example.parsed.language == "console" and "not run" not in example.parsed.marks:
            rewritten.append((example.start, example.parsed.source, runner.rewritten))
    for start, source, shown in reversed(rewritten):
        text = page.read_text()
        at = text.index(source, start)
        page.write_text(text[:at] + shown + text[at + len(source) :])


@pytest.mark.parametrize(
    "wanted, printed",
    [
        ("2 rows", "3 rows"),
        ("transaction 1 ... done", "transaction 1, not finished"),
        ("", "something"),
        ("at 2026-01-01 10:00:00 by ada", "at 2026-01-01 10:00:00 by grace"),
    ],
)
def test_the_comparison_sees_what_differs(wanted: str, printed: str) -> None:
    assert differs(wanted, printed)


def test_the_comparison_passes_over_what_is_another_every_time() -> None:
    wanted = "1  2026-01-01 10:00:00  postgresql://ada@localhost/shop  0.2 s  ... end"
    printed = "1  2027-12-31 23:59:59.123456+00:00   postgresql+psycopg://x@127.0.0.1:5433/y  17 ms  anything end"

    assert differs(wanted, printed) is None
