"""The hostile list, tried on an application's own models: ``pytest --holdfast-leaks``."""

from holdfast.testing.leaks import connections, keys, orm, reads, rights, writes
from holdfast.testing.leaks.probe import DoesNotApplyError, Leaked, Outcome, Probe, Result, tried
from holdfast.testing.leaks.stage import Stage, staged
from holdfast.testing.leaks.subject import LeakSubject, protected_subject

PROBES: tuple[Probe, ...] = tuple(
    sorted(
        (*reads.PROBES, *writes.PROBES, *keys.PROBES, *connections.PROBES, *rights.PROBES, *orm.PROBES),
        key=lambda each: (each.number, each.name),
    )
)
"""All of them, in the order of the list."""

__all__ = [
    "PROBES",
    "DoesNotApplyError",
    "LeakSubject",
    "Leaked",
    "Outcome",
    "Probe",
    "Result",
    "Stage",
    "protected_subject",
    "staged",
    "tried",
]
