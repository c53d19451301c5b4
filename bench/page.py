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

**Bold**: the goal is missed. *–*: does not apply, or not measured. Lines may be of different runs. The others come from
PyPI, each in an environment of its own, with statement-level triggers where it has them. One that records what passes
through its ORM alone is measured on that alone.

{sections}

## Machine

{machine}
"""

METHOD = """\
Each number is the median of the ratios of {rounds} interleaved rounds (A B A B …), with the quartiles in brackets: CPU
time of the server's process unless a line says *elapsed* (`/proc/<backend>/schedstat`; the client's own time is not
counted). What differs by microseconds has more and shorter rounds. Before each run the table is filled anew, and
`VACUUM ANALYZE` and `CHECKPOINT` are run. The table is a shop's `orders`: 13 columns, about 150 bytes a row, a primary
key and two secondary indexes. Where a line says no more, the protection is `Audit()`."""


INTRODUCTIONS = {
    "SQLite": (
        "Ratios of the CPU time of the process, in which SQLite itself runs. It has no statement triggers: each row\n"
        "is recorded by itself."
    )
}
"""What a section says before its table."""
_HEADING = "## "


@dataclass(frozen=True)
class Measured:
    sizes: Sizes
    sections: Mapping[str, Sequence[Line]]
    """The lines under each heading."""
    peers: Mapping[str, str]
    """Their versions."""
    missing: Mapping[str, str]
    version: str


@dataclass
class Table:
    """A table of the page: its peers, each with its version, and the cells of each row by their heads."""

    peers: dict[str, str]
    rows: list[dict[str, str]]

    @classmethod
    def of(cls, lines: Sequence[Line], versions: Mapping[str, str]) -> Table:
        named = dict.fromkeys(name for line in lines for name in line.peers)
        return cls({name: versions.get(name, "") for name in named}, [_cells(line) for line in lines])

    @classmethod
    def read(cls, text: str) -> Table:
        split = [[cell.strip() for cell in row.strip("|").split(" | ")] for row in text.split("\n") if row[:2] == "| "]
        heads = split[0] if split else ["statement"]
        peers = dict(head.partition(" ")[::2] for head in heads if head not in ("statement", "goal", "holdfast"))
        names = [head.partition(" ")[0] for head in heads]
        return cls(peers, [dict(zip(names, row, strict=True)) for row in split[1:]])

    def take(self, other: Table) -> None:
        """Its rows in the place of those of the same title, new ones after the one before them; what it does not know
        of a peer stays."""
        self.peers |= other.peers
        place = len(self.rows)
        for row in other.rows:
            known = [each["statement"] for each in self.rows]
            if row["statement"] in known:
                place = known.index(row["statement"])
                self.rows[place] |= row
            else:
                self.rows.insert(place, row)
            place += 1

    def __str__(self) -> str:
        goals = ["goal"] if any(row.get("goal", "–") != "–" for row in self.rows) else []
        heads = [
            "statement",
            *goals,
            "holdfast",
            *(f"{name} {version}".strip() for name, version in self.peers.items()),
        ]
        names = [head.partition(" ")[0] for head in heads]
        lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
        return "\n".join([*lines, *(f"| {' | '.join(row.get(name, '–') for name in names)} |" for row in self.rows)])


def render(measured: Measured) -> str:
    tables = {name: Table.of(lines, measured.peers) for name, lines in measured.sections.items()}
    sections = [f"{_HEADING}{name}\n{_body(name, table)}" for name, table in tables.items()]
    missing = [f"Not measured: {name}, {why}." for name, why in measured.missing.items()]
    return PAGE.format(
        method=METHOD.format(rounds=measured.sizes.rounds),
        sections="\n\n".join([*sections, *missing]),
        machine=_machine(measured.version),
    )


def renewed(page: str, measured: Measured) -> str:
    """The page with these lines in it: in the place of those of the same title, new ones after the one before them."""
    begin, *sections = page.split(f"\n{_HEADING}")
    # The last one is about the machine.
    texts = {name: text for name, _, text in (each.partition("\n") for each in sections[:-1])}
    for name, lines in measured.sections.items():
        table = Table.read(texts.get(name, ""))
        table.take(Table.of(lines, measured.peers))
        texts[name] = _body(name, table) + "\n"
    whole = [begin, *(f"{name}\n{text}" for name, text in texts.items()), sections[-1]]
    return f"\n{_HEADING}".join(whole)


def _body(name: str, table: Table) -> str:
    """What stands under a section's heading."""
    introduction = f"\n{INTRODUCTIONS[name]}\n" if name in INTRODUCTIONS else ""
    return f"{introduction}\n{table}"


def _cells(line: Line) -> dict[str, str]:
    ours = line.ours if line.met is not False else f"**{line.ours}**"
    return {"statement": line.title, "goal": line.goal or "–", "holdfast": ours, **line.peers}


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
