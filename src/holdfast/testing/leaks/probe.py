"""One way to leak, as a function that tries it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from holdfast.testing.leaks.stage import Stage

Outcome = Literal["holds", "leaks", "does not apply"]


class Leaked(AssertionError):
    """Rows of another tenant were read, written or told of; ``mend`` is the line that mends it."""

    def __init__(self, sentence: str, mend: str) -> None:
        super().__init__(f"{sentence}\n{mend}")
        self.sentence = sentence
        self.mend = mend


class DoesNotApplyError(Exception):
    """There is nothing here that could leak in this way; the text says why."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Row ``number`` of the list of leaks, tried on one table, or on the database as a whole.

    ``run`` gets the stage and the table (None where ``each_table`` is false); it raises ``Leaked`` or
    ``DoesNotApplyError``, and otherwise it holds.
    """

    number: int
    name: str
    why: str
    run: Callable[[Stage, Any], None]
    each_table: bool = True
    by_session: bool = False
    """Whether it is about the ORM, and is tried by an asynchronous engine as well where there is one."""

    @property
    def title(self) -> str:
        return f"leak-{self.number:02}-{self.name}"


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one probe."""

    probe: Probe
    table: str
    outcome: Outcome
    sentence: str = ""
    mend: str = ""


def tried(probe: Probe, stage: Stage, table: Any = None) -> Result:
    """The probe's result; what it did is undone."""
    name = "" if table is None else table.fullname
    try:
        with stage.undone():
            probe.run(stage, table)
    except Leaked as leak:
        return Result(probe, name, "leaks", leak.sentence, leak.mend)
    except DoesNotApplyError as reason:
        return Result(probe, name, "does not apply", str(reason))
    return Result(probe, name, "holds")
