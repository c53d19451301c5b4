"""Measures everything and writes the page.

python -m bench [--quick] [--no-peers] [--only WORD] [--journal N] [--migrated N] [--renew] [--output FILE]
"""

from __future__ import annotations

import argparse
import pathlib
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from bench import (
    bulk,
    figures,
    journal,
    lite,
    migrations,
    page,
    paging,
    peers,
    permissions,
    repository,
    sealing,
    signing,
    tenants,
    unused,
)
from bench.cases import Case, Line, cases, run_add_all, run_case
from bench.page import Measured
from bench.sizes import FULL, QUICK, Sizes
from bench.subjects import SETTINGS, Bench

PAGE = pathlib.Path(__file__).parents[1] / "docs" / "reference" / "performance.md"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measures what protection costs.")
    parser.add_argument("--quick", action="store_true", help="few rows and three rounds, to see that it works")
    parser.add_argument("--no-peers", action="store_true", help="holdfast alone; downloads nothing")
    parser.add_argument("--only", default="", help="the lines whose title has this word")
    parser.add_argument("--journal", type=int, metavar="N", help="changes in the journal that is read")
    parser.add_argument("--migrated", type=int, metavar="N", help="rows of the table that is migrated")
    parser.add_argument("--output", type=pathlib.Path, help=f"instead of {PAGE.name}; quick and partial runs print")
    parser.add_argument("--renew", action="store_true", help="puts the lines into the page; the others stay")
    chosen = parser.parse_args(arguments)
    sizes = QUICK if chosen.quick else FULL
    if chosen.journal:
        sizes = replace(sizes, journal=chosen.journal)
    if chosen.migrated:
        sizes = replace(sizes, migrated=chosen.migrated)
    measured = measure(sizes, with_peers=not chosen.no_peers, only=chosen.only)
    partial = chosen.quick or chosen.only or chosen.no_peers or chosen.journal or chosen.migrated
    if chosen.renew:
        output = chosen.output or PAGE
        output.write_text(page.renewed(output.read_text(encoding="utf-8"), measured), encoding="utf-8")
    elif output := chosen.output or (None if partial else PAGE):
        output.write_text(page.render(measured), encoding="utf-8")
    else:
        print(page.render(measured))


def measure(
    sizes: Sizes,
    *,
    with_peers: bool = True,
    only: str = "",
    binaries: pathlib.Path | None = None,
    settings: Mapping[str, str] = SETTINGS,
) -> Measured:
    """What was measured, the lines whose title has the word ``only``."""
    bench = Bench(sizes, binaries, settings)
    versions: dict[str, str] = {}
    missing: dict[str, str] = {}

    def beside_peers(lines: Callable[..., list[Line]]) -> Callable[[], list[Line]]:
        return lambda: lines(bench, versions, missing, with_peers=with_peers)

    topics: dict[str, tuple[str, Callable[[], list[Line]]]] = {
        "Context": ("Context", lambda: figures.context_lines(bench)),
        "Signed context": ("Context", lambda: signing.lines(bench)),
        "Growth": ("Journal", lambda: [figures.growth_line(bench)]),
        "Undo": ("Journal", lambda: figures.undo_lines(bench)),
        "Journal": ("Journal", lambda: journal.lines(bench)),
        "Sealing": ("Journal", lambda: sealing.lines(bench)),
        "Repository": ("Repository", beside_peers(repository.lines)),
        "Paging": ("Paging", beside_peers(paging.lines)),
        "Bulk": ("Many rows at once", beside_peers(bulk.lines)),
        "Unused": ("Statements that nothing protects", lambda: unused.lines(bench)),
        "Tenants": ("Tenants and permissions", lambda: tenants.lines(bench)),
        "Permissions": ("Tenants and permissions", lambda: permissions.lines(bench)),
        "Migrations": ("Migrations", lambda: migrations.lines(bench)),
        "SQLite": ("SQLite", lambda: lite.lines(sizes)),
    }
    word = only.lower()
    sections: dict[str, list[Line]] = {}
    with bench.running():
        statements = [(title, each) for title, each in _measurements(bench) if word in title.lower()]
        # Those that protect tables are asked for nothing else.
        if with_peers and statements:
            found, lacking = _add_peers(bench)
            versions.update(found)
            missing.update(lacking)
        chosen = [("Recording", title, each) for title, each in statements]
        chosen += [(name, title, each) for title, (name, each) in topics.items() if word in title.lower()]
        for name, title, each in chosen:
            sections.setdefault(name, []).extend(_told(title, each))
        return Measured(sizes, sections, versions, missing, bench.version)


def _measurements(bench: Bench) -> list[tuple[str, Callable[[], list[Line]]]]:
    def measuring(case: Case) -> Callable[[], list[Line]]:
        return lambda: run_case(bench, case)

    found = [(case.title, measuring(case)) for case in cases(bench.sizes)]
    orm = ("SQLAlchemy add_all", lambda: [run_add_all(bench)])
    return [*found[:3], orm, *found[3:]]


def _told(title: str, measure: Callable[[], list[Line]]) -> list[Line]:
    """Says on the terminal what goes on; a full run takes minutes."""
    started = time.perf_counter()
    print(f"{title} …", end=" ", file=sys.stderr, flush=True)
    lines = measure()
    print("; ".join(line.ours for line in lines), f"[{time.perf_counter() - started:.0f} s]", file=sys.stderr)
    return lines


def _add_peers(bench: Bench) -> tuple[dict[str, str], dict[str, str]]:
    """The versions of the peers that are there, and why the others are not."""
    versions, missing = {}, {}
    for peer in peers.PEERS:
        try:
            version = peers.prepare(peer)
            subject = bench.add(peer.name)
            peers.protect(peer, subject.url)
            versions[peer.name] = version
        except peers.PeerError as error:
            bench.subjects.pop(peer.name, None)
            missing[peer.name] = str(error)
    return versions, missing


if __name__ == "__main__":
    main()
