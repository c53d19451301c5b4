"""The page docs/reference/performance.md."""

from __future__ import annotations

import os
import platform
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.cases import Line
from bench.sizes import Sizes
from bench.subjects import SETTINGS

PAGE = """\
# Performance

What protection costs, as ratios to the same statement on the same table without it. Written by `make bench`; measure on
your own machine before you decide.

{method}

## PostgreSQL

{postgresql}

{notes}

## SQLite

Ratios of the CPU time of the process, in which SQLite itself runs. It has no statement triggers: each row is
recorded by itself.

{sqlite}

## Machine

{machine}
"""

METHOD = """\
Each number is the median of the ratios of {rounds} interleaved rounds (A B A B …), with the quartiles in brackets: CPU
time of the server's process unless a line says *elapsed* (`/proc/<backend>/schedstat`; the client's own time is not
counted). What differs by microseconds has more and shorter rounds. Before each run the table is filled anew, and
`VACUUM ANALYZE` and `CHECKPOINT` are run. The table is a shop's `orders`: 13 columns, about 150 bytes a row, a primary
key and two secondary indexes. Where a line says no more, the protection is `Audit()`."""


@dataclass(frozen=True)
class Measured:
    sizes: Sizes
    lines: Sequence[Line]
    sqlite_lines: Sequence[Line]
    peers: Mapping[str, str]
    """Their versions."""
    missing: Mapping[str, str]
    version: str


def render(measured: Measured) -> str:
    return PAGE.format(
        method=METHOD.format(rounds=measured.sizes.rounds),
        postgresql=_table(measured.lines, list(measured.peers)),
        notes=_notes(measured.peers, measured.missing),
        sqlite=_table(measured.sqlite_lines, []),
        machine=_machine(measured.version),
    )


def renewed(page: str, measured: Measured) -> str:
    """The page with these lines in it: in the place of those of the same title, new ones after the one before them."""
    before, heading, after = page.partition("## SQLite")
    return _with(before, measured.lines) + heading + _with(after, measured.sqlite_lines)


def _with(part: str, lines: Sequence[Line]) -> str:
    rows = part.split("\n")
    head = next(number for number, row in enumerate(rows) if row.startswith("|---"))
    heads = _cells(rows[head - 1])
    peers = heads[heads.index("holdfast") + 1 :]
    place = max(number for number, row in enumerate(rows) if row.startswith("| "))
    for line in lines:
        found = next((number for number, row in enumerate(rows) if row.startswith(f"| {line.title} |")), None)
        known = dict(zip(heads, _cells(rows[found]), strict=True)) if found is not None else {}
        row = _row(line, peers, "goal" in heads, known)
        if found is None:
            rows.insert(place + 1, row)
            place += 1
        else:
            rows[found] = row
            place = found
    return "\n".join(rows)


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip().strip("|").split(" | ")] if " | " in row else []


def _row(line: Line, peers: Sequence[str], with_goals: bool, known: Mapping[str, str]) -> str:
    goal = [line.goal or "–"] if with_goals else []
    ours = line.ours if line.met is not False else f"**{line.ours}**"
    theirs = [line.peers.get(peer, known.get(peer, "–")) for peer in peers]
    return f"| {' | '.join([line.title, *goal, ours, *theirs])} |"


def _table(lines: Sequence[Line], peers: Sequence[str]) -> str:
    with_goals = any(line.goal for line in lines)
    heads = ["statement", *(["goal"] if with_goals else []), "holdfast", *peers]
    rows = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    rows += [_row(line, peers, with_goals, {}) for line in lines]
    return "\n".join(rows)


def _notes(peers: Mapping[str, str], missing: Mapping[str, str]) -> str:
    notes = ["**Bold**: the goal is missed. *–*: does not apply, or not measured. Lines may be of different runs."]
    if peers:
        named = ", ".join(f"{name} {version}" for name, version in peers.items())
        notes.append(
            f"Peers: {named}; from PyPI, each in an environment of its own, with statement-level triggers where it\n"
            "has them. A peer that records what passes through its ORM alone is measured on that alone."
        )
    notes += [f"Not measured: {name}, {why}." for name, why in missing.items()]
    return "\n\n".join(notes)


def _machine(version: str) -> str:
    settings = ", ".join(f"`{name} = {value}`" for name, value in SETTINGS.items())
    return (
        f"{os.cpu_count()} cores ({platform.machine()}), PostgreSQL {version}, SQLite {sqlite3.sqlite_version}, "
        f"Python {platform.python_version()}.\n\n"
        f"Server settings: {settings}.\n"
        "Autovacuum is off so that it does not fall into one run and not into another. The client is on the same\n"
        "machine and speaks TCP. Every session has freed a large block once, as a pooled one has sooner or later.\n"
        "Without that, glibc gives memory back after each statement, and triggers would seem to save time."
    )
