"""What is compared with what, and the goal of each comparison."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from bench import statements
from bench.peers import PEERS, Worker
from bench.sampling import Sample, Spread, interleaved, ratios
from bench.sizes import Sizes
from bench.subjects import Bench, Subject

Statement = Callable[[Subject, Sizes], Sample]
Quantity = Literal["cpu", "wall"]


@dataclass(frozen=True)
class Case:
    """A statement under protection against the same one without, or against ``base_statement``."""

    title: str
    statement: Statement
    goal: float | None
    subject: str = "audit"
    base: str = "plain"
    base_statement: Statement | None = None
    quantity: Quantity = "cpu"
    wall_goal: float | None = None
    """Where the elapsed time is shown too, with a goal of its own."""
    peers: bool = False


@dataclass(frozen=True)
class Line:
    """One line of the page."""

    title: str
    goal: str
    ours: str
    met: bool | None = None
    peers: Mapping[str, str] = field(default_factory=dict)


def cases(sizes: Sizes) -> list[Case]:
    deleted, updated = f"{sizes.deleted:,}", f"{sizes.updated:,}"
    row = 'Audit(form="row")'
    s = statements
    return [
        Case(f"COPY of {sizes.loaded:,} rows", s.copy, 1.2, peers=True),
        Case(f"INSERT of {sizes.loaded:,} rows, pages of 1,000", s.multi_row_insert, 1.15, peers=True),
        Case(f"UPDATE of one column of {updated} rows", s.update_many, 1.4, peers=True),
        Case(f"INSERT of one row, {sizes.looped:,} times in a loop", s.insert_loop, 1.4, peers=True),
        Case(
            f"INSERT of one row, {sizes.looped:,} times in a loop, {row}",
            s.insert_loop,
            1.4,
            subject="audit by row",
        ),
        Case(f"UPDATE of one row, {sizes.looped:,} times in a loop", s.update_loop, 2.0, peers=True),
        Case(
            f"UPDATE of one row, {sizes.looped:,} times in a loop, {row}",
            s.update_loop,
            2.0,
            subject="audit by row",
        ),
        Case("UPDATE of one row and commit", s.update_and_commit, 1.8, wall_goal=1.25, peers=True),
        Case(
            f"UPDATE of one row and commit, {row}",
            s.update_and_commit,
            1.8, wall_goal=1.25,
            subject="audit by row",
        ),
        Case(f"DELETE of {deleted} rows", s.delete, 4.0, peers=True),
        Case(
            f"DELETE of {deleted} rows made a mark, against UPDATE … SET deleted_at",
            s.delete, 1.6, subject="soft delete", base_statement=s.mark_deleted,
        ),
        Case(
            "the same, both recorded (Audit, SoftDelete)",
            s.delete, None, subject="audited soft delete", base="audited soft delete", base_statement=s.mark_deleted,
        ),
        Case(f"Timestamps and Version: UPDATE of {updated} rows", s.update_many, 1.2, subject="stamps"),
        Case(
            "All policies: UPDATE of one row and commit", s.update_and_commit, 1.4, subject="all", quantity="wall"
        ),
        Case(
            f"UPDATE of {sizes.planned:,} rows after ten of one row, against a fresh connection",
            s.update_warm, None, base="audit", base_statement=s.update_fresh, peers=True,
        ),
        Case(f"UPDATE of {sizes.wide:,} rows with an unchanged column of 12 kB", s.update_wide, None, peers=True),
        Case(
            "the same, against narrow rows, both recorded",
            s.update_wide, 4.0, base="audit", base_statement=s.update_narrow,
        ),
    ]  # fmt: skip


def run_case(bench: Bench, case: Case) -> list[Line]:
    """Each peer is measured in the same interleaved rounds."""
    sizes = bench.sizes
    base = bench.subjects[case.base]
    runs = {
        "base": partial(case.base_statement or case.statement, base, sizes),
        "ours": partial(case.statement, bench.subjects[case.subject], sizes),
    }
    bases = {"ours": "base"}
    for peer in PEERS if case.peers else ():
        if peer.sees_sql and (subject := bench.subjects.get(peer.name)):
            runs[peer.name] = partial(case.statement, subject, sizes)
            bases[peer.name] = "base"
            if case.base_statement is not None:
                bases[peer.name] = f"{peer.name} base"
                runs[bases[peer.name]] = partial(case.base_statement, subject, sizes)
    samples = interleaved(sizes.rounds, runs)
    lines = [_line(case, case.quantity, case.goal, samples, bases, sizes.patience)]
    if case.wall_goal is not None:
        lines.append(_line(case, "wall", case.wall_goal, samples, bases, sizes.patience))
    return lines


def run_add_all(bench: Bench) -> Line:
    """Each ORM against itself: the peers' may be of another version than ours."""
    sizes = bench.sizes
    runs: dict[str, Callable[[], Sample]] = {
        "base": partial(statements.add_all, bench.subjects["plain"], sizes),
        "ours": partial(statements.add_all, bench.subjects["audit"], sizes),
    }
    bases = {"ours": "base"}
    with ExitStack() as exits:
        for peer in PEERS:
            if peer.serves_orm and (subject := bench.subjects.get(peer.name)):
                for mode, where in ("plain", bench.subjects["plain"]), ("serve", subject):
                    worker = exits.enter_context(Worker(peer, mode, where.url, sizes.added))
                    runs[peer.name if mode == "serve" else f"{peer.name} base"] = partial(_added, worker, where)
                bases[peer.name] = f"{peer.name} base"
        samples = interleaved(sizes.rounds, runs)
    case = Case(f"SQLAlchemy add_all of {sizes.added:,} objects and commit", statements.add_all, 1.1)
    return _line(case, "wall", case.goal, samples, bases, sizes.patience)


def _added(worker: Worker, subject: Subject) -> Sample:
    subject.refill(0)
    return worker.run()


def _line(
    case: Case,
    quantity: Quantity,
    goal: float | None,
    samples: Mapping[str, list[Sample]],
    bases: Mapping[str, str],
    patience: int,
) -> Line:
    found = {name: ratios(samples[name], samples[base], quantity, patience) for name, base in bases.items()}
    return Line(
        case.title + (", elapsed" if quantity == "wall" else ""),
        "" if goal is None else f"{goal:g}x",
        shown(found["ours"]),
        None if goal is None else found["ours"].median <= goal,
        {name: shown(spread) for name, spread in found.items() if name != "ours"},
    )


def shown(spread: Spread, unit: str = "x") -> str:
    if spread.over:
        return f"> {spread.median:.0f}{unit}"
    digits = 0 if spread.median >= 20 else 1 if spread.median >= 10 else 2
    return f"{spread.median:.{digits}f}{unit} ({spread.low:.{digits}f}–{spread.high:.{digits}f})"
