"""Measures everything and writes the page.

python -m bench [--quick] [--no-peers] [--only WORD] [--journal N] [--migrated N] [--output FILE]
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
from bench.sizes import FULL, QUICK, Sizes
from bench.subjects import SETTINGS, Bench

_PAGING = "Paging"
_REPOSITORY = "Repository"
_UNUSED = "Unused"
_BULK = "Bulk"
_JOURNAL = "Journal"
_SEALING = "Sealing"
_TENANTS = "Tenants"
_SIGNING = "Signed context"
_PERMISSIONS = "Permissions"
_MIGRATIONS = "Migrations"
PAGE = pathlib.Path(__file__).parents[1] / "docs" / "reference" / "performance.md"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measures what protection costs.")
    parser.add_argument("--quick", action="store_true", help="few rows and three rounds, to see that it works")
    parser.add_argument("--no-peers", action="store_true", help="holdfast alone; downloads nothing")
    parser.add_argument("--only", default="", help="the lines whose title has this word")
    parser.add_argument("--journal", type=int, metavar="N", help="changes in the journal that is read")
    parser.add_argument("--migrated", type=int, metavar="N", help="rows of the table that is migrated")
    parser.add_argument("--output", type=pathlib.Path, help=f"instead of {PAGE.name}; quick and partial runs print")
    chosen = parser.parse_args(arguments)
    sizes = QUICK if chosen.quick else FULL
    if chosen.journal:
        sizes = replace(sizes, journal=chosen.journal)
    if chosen.migrated:
        sizes = replace(sizes, migrated=chosen.migrated)
    text = run(sizes, with_peers=not chosen.no_peers, only=chosen.only)
    partial = chosen.quick or chosen.only or chosen.no_peers or chosen.journal or chosen.migrated
    output = chosen.output or (None if partial else PAGE)
    if output is None:
        print(text)
    else:
        output.write_text(text, encoding="utf-8")


def run(
    sizes: Sizes,
    *,
    with_peers: bool = True,
    only: str = "",
    binaries: pathlib.Path | None = None,
    settings: Mapping[str, str] = SETTINGS,
) -> str:
    """The page."""
    bench = Bench(sizes, binaries, settings)
    with bench.running():
        versions: dict[str, str] = {}
        missing: dict[str, str] = {}
        # Those that protect tables are not asked for pages.
        alone = (
            _PAGING
            + _REPOSITORY
            + _UNUSED
            + _BULK
            + _JOURNAL
            + _SEALING
            + _TENANTS
            + _SIGNING
            + _PERMISSIONS
            + _MIGRATIONS
        )
        if with_peers and not (only and only.lower() in "".join(alone).lower()):
            versions, missing = _add_peers(bench)
        lines: list[Line] = []
        for title, measure in _measurements(bench):
            if only.lower() in title.lower():
                lines += _told(title, measure)
        if only.lower() in _PAGING.lower():
            lines += _told(_PAGING, lambda: paging.lines(bench, versions, missing, with_peers=with_peers))
        if only.lower() in _REPOSITORY.lower():
            lines += _told(_REPOSITORY, lambda: repository.lines(bench, versions, missing, with_peers=with_peers))
        if only.lower() in _UNUSED.lower():
            lines += _told(_UNUSED, lambda: unused.lines(bench))
        if only.lower() in _BULK.lower():
            lines += _told(_BULK, lambda: bulk.lines(bench, versions, missing, with_peers=with_peers))
        if only.lower() in _JOURNAL.lower():
            lines += _told(_JOURNAL, lambda: journal.lines(bench))
        if only.lower() in _SEALING.lower():
            lines += _told(_SEALING, lambda: sealing.lines(bench))
        if only.lower() in _TENANTS.lower():
            lines += _told(_TENANTS, lambda: tenants.lines(bench))
        if only.lower() in _SIGNING.lower():
            lines += _told(_SIGNING, lambda: signing.lines(bench))
        if only.lower() in _PERMISSIONS.lower():
            lines += _told(_PERMISSIONS, lambda: permissions.lines(bench))
        if only.lower() in _MIGRATIONS.lower():
            lines += _told(_MIGRATIONS, lambda: migrations.lines(bench))
        sqlite_lines = _told("SQLite", lambda: lite.lines(sizes)) if only.lower() in "sqlite" else []
        return page.render(sizes, lines, sqlite_lines, versions, missing, bench.version)


def _measurements(bench: Bench) -> list[tuple[str, Callable[[], list[Line]]]]:
    def measuring(case: Case) -> Callable[[], list[Line]]:
        return lambda: run_case(bench, case)

    found = [(case.title, measuring(case)) for case in cases(bench.sizes)]
    orm = ("SQLAlchemy add_all", lambda: [run_add_all(bench)])
    return [
        *found[:3],
        orm,
        *found[3:],
        ("Context", lambda: figures.context_lines(bench)),
        ("Growth", lambda: [figures.growth_line(bench)]),
        ("Undo", lambda: figures.undo_lines(bench)),
    ]


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
