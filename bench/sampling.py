"""Interleaved runs, and what is said of them: the median of the ratios of each round, and their spread."""

from __future__ import annotations

import pathlib
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

SHORTER = 20
"""What is told apart by elapsed time alone has so many times the rounds, of as much shorter runs: then a machine that
is slower for a second is so for both."""


def shorter(turns: int) -> int:
    """How many of the turns one of the shorter runs has."""
    return max(turns // SHORTER, 1)


@dataclass
class Sample:
    """What one run took, in seconds; None where it was given up."""

    cpu: float | None = None
    wall: float | None = None


@dataclass(frozen=True)
class Spread:
    """Of several runs: the median and the quartiles. ``over`` where the runs were given up at that much."""

    median: float
    low: float
    high: float
    over: bool = False

    @classmethod
    def of(cls, values: Sequence[float], *, over: bool = False) -> Spread:
        if len(values) == 1:
            return cls(values[0], values[0], values[0], over)
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median, low, high, over)


def cpu_seconds(pid: int) -> float:
    """What the process has computed so far; to the nanosecond, unlike its user and system times."""
    return int(pathlib.Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def timed(run: Callable[[], float]) -> Sample:
    """A run that says itself how many seconds it took."""
    seconds = run()
    return Sample(seconds, seconds)


@contextmanager
def measured(pid: int) -> Iterator[Sample]:
    sample = Sample()
    cpu, wall = cpu_seconds(pid), time.perf_counter()
    yield sample
    sample.wall = time.perf_counter() - wall
    sample.cpu = cpu_seconds(pid) - cpu


def interleaved(rounds: int, runs: Mapping[str, Callable[[], Sample]]) -> dict[str, list[Sample]]:
    """A B C, C B A, B C A, …: whatever disturbs the machine disturbs all of them. Who gave up is not asked again.

    Each has its neighbours before it as often as behind it: a run finds what the one before left in caches.
    """
    names = list(runs)
    samples: dict[str, list[Sample]] = {name: [] for name in names}
    for number in range(rounds):
        first = number // 2 % len(names)
        order = names[first:] + names[:first]
        for name in reversed(order) if number % 2 else order:
            if not any(sample.cpu is None for sample in samples[name]):
                samples[name].append(runs[name]())
    return samples


def ratios(samples: Sequence[Sample], base: Sequence[Sample], quantity: str, patience: float = 0) -> Spread:
    """The runs against those of the same rounds without protection."""
    if any(sample.cpu is None for sample in samples):
        return Spread.of([patience / statistics.median(getattr(each, quantity) for each in base)], over=True)
    return Spread.of(
        [getattr(ours, quantity) / getattr(theirs, quantity) for ours, theirs in zip(samples, base, strict=True)]
    )


def added(samples: Sequence[Sample], base: Sequence[Sample], turns: int) -> list[float]:
    """Round by round, how much longer than the other run's one of a run's ``turns`` took to compute: microseconds."""
    return [((ours.cpu or 0) - (theirs.cpu or 0)) / turns * 1e6 for ours, theirs in zip(samples, base, strict=True)]
