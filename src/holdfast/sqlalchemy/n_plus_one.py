"""Finds what is loaded once for each parent where one statement would have loaded it for all of them."""

from __future__ import annotations

import sys
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import FrameType
from typing import Any, Literal

from sqlalchemy import Engine, event
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession
from sqlalchemy.orm import ORMExecuteState, RelationshipProperty, Session, scoped_session, sessionmaker

from holdfast.errors import HoldfastError

Action = Literal["raise", "warn", "collect"]
Kind = Literal["relationship", "columns", "statement"]
Target = Session | AsyncSession | scoped_session[Any] | sessionmaker[Any] | type[Session] | Engine | AsyncEngine

_NOT_THE_CALLER = {"sqlalchemy", "holdfast", "greenlet"}
_LIBRARIES = ("site-packages", "dist-packages", f"python{sys.version_info[0]}.{sys.version_info[1]}")
_HINTS = {
    "relationship": "Load it along with the parents: .options(selectinload({0})), or joinedload({0}) for a to-one.",
    "columns": "Load the columns along with the rows: without defer(), or with undefer(); "
    "after a commit keep them with expire_on_commit=False.",
    "statement": "Ask once for all of them: where(column.in_(values)).",
}
_open: ContextVar[tuple[Detection, ...]] = ContextVar("holdfast_n_plus_one", default=())
_listening = threading.Lock()


class NPlusOneError(HoldfastError):
    """Something was loaded once for each parent; ``found`` says what, how often and where.

    >>> error = NPlusOneError([NPlusOne("Order.lines", "relationship", 20, "shop/views.py", 31)])
    >>> print(error.message)
    Order.lines was loaded 20 times, one by one, at shop/views.py:31.
    """

    def __init__(self, found: Sequence[NPlusOne]) -> None:
        hints = {each.kind: _HINTS[each.kind].format(each.what) for each in reversed(found)}
        super().__init__("HF631", "; ".join(map(str, found)) + ".", " ".join(reversed(hints.values())))
        self.found = tuple(found)


class NPlusOneWarning(UserWarning):
    """The same as a warning, at the line that loads.

    >>> issubclass(NPlusOneWarning, UserWarning)
    True
    """


@dataclass(frozen=True, slots=True)
class NPlusOne:
    """One thing that one line of code loaded ``count`` times within one session.

    >>> print(NPlusOne("Order.lines", "relationship", 20, "shop/views.py", 31))
    Order.lines was loaded 20 times, one by one, at shop/views.py:31
    """

    what: str
    """The relationship (``Order.lines``), the class whose columns were loaded, or the statement."""
    kind: Kind
    count: int
    file: str
    """The first frame that is neither SQLAlchemy nor holdfast."""
    line: int
    called_from: tuple[str, int] | None = None
    """Where that is a library's (a serializer's): the file and line that called it."""

    def __str__(self) -> str:
        loaded = {
            "relationship": f"{self.what} was loaded",
            "columns": f"Columns of {self.what} were loaded",
            "statement": f"The statement {self.what!r} was sent",
        }
        place = f"{self.file}:{self.line}"
        if self.called_from is not None:
            place += " (called from {}:{})".format(*self.called_from)
        return f"{loaded[self.kind]} {self.count} times, one by one, at {place}"


class Detection:
    """What a block has loaded so far; ``found`` can be asked within the block as well as after it."""

    def __init__(
        self,
        target: Target | None = None,
        *,
        threshold: int = 2,
        ignore: Collection[str] = (),
        statements: bool = False,
        everywhere: bool = False,
    ) -> None:
        if threshold < 2:
            raise ValueError("threshold is 2 at least: what is loaded once is loaded as it should be")
        self._threshold = threshold
        self._ignore = frozenset(ignore)
        self._statements = statements
        self._everywhere = everywhere
        self._listens_to, self._belongs = _source(target)
        self._loads: Counter[tuple[int, Kind, str, tuple[tuple[str, int], tuple[str, int] | None]]] = Counter()
        self._counting = threading.Lock()

    @property
    def found(self) -> tuple[NPlusOne, ...]:
        """What reached the threshold, the most frequent first; a line that did so in several sessions is named once."""
        with self._counting:
            loads = dict(self._loads)
        most: dict[tuple[Any, ...], int] = {}
        for (_, *what), count in loads.items():
            if count >= self._threshold:
                most[tuple(what)] = max(count, most.get(tuple(what), 0))
        listed = [
            NPlusOne(what, kind, count, file, line, caller)
            for (kind, what, ((file, line), caller)), count in most.items()
        ]
        return tuple(sorted(listed, key=lambda each: (-each.count, each.what, each.file, each.line)))

    @contextmanager
    def listening(self) -> Iterator[None]:
        token = _open.set((*_open.get(), self)) if not self._everywhere else None
        with _listening:
            event.listen(self._listens_to, "do_orm_execute", self._executed)
        try:
            yield
        finally:
            with _listening:
                event.remove(self._listens_to, "do_orm_execute", self._executed)
            if token is not None:
                _open.reset(token)

    def _executed(self, state: ORMExecuteState) -> None:
        in_context = self._everywhere or self in _open.get()
        if not in_context or not self._belongs(state):
            return
        loaded = _loaded(state, self._statements)
        if loaded is None or loaded[1] in self._ignore:
            return
        load = (state.session.hash_key, *loaded, _caller())
        with self._counting:
            self._loads[load] += 1


@contextmanager
def detect_n_plus_one(
    target: Target | None = None,
    *,
    threshold: int = 2,
    action: Action = "raise",
    ignore: Collection[str] = (),
    statements: bool = False,
) -> Iterator[Detection]:
    """What one line of code loads lazily ``threshold`` times or more within one session is an error, HF631.

    That is a relationship (``Order.lines``), or columns that were deferred or expired; what a query loads eagerly,
    in as many batches as it takes, is not counted. The error names what, how often, and the line, and is raised at
    the end of the block, unless the block raises something else; ``action="warn"`` warns at that line instead,
    and ``"collect"`` leaves it to ``found``. ``ignore`` names what may be so (``{"Order.lines"}``). With
    ``statements=True`` a SELECT that one line sends again and again through a session counts too: that finds
    ``session.get()`` in a loop, and also loops that are as they should be, like one that reads page after page.

    It sees every session of SQLAlchemy, or those of ``target``: a session, a ``sessionmaker``, a session class, an
    engine; asynchronous, a session or an engine. It counts what is done in the block's own context, with the asyncio
    tasks that start there; a thread counts if it was given that context (``asyncio.to_thread`` gives it). When the
    block ends nothing stays behind. What listens to more than one session is set and taken away for the class: begin
    and end such a block while no other thread is in a query.
    """
    detection = Detection(target, threshold=threshold, ignore=ignore, statements=statements)
    with detection.listening():
        yield detection
    if action == "raise" and detection.found:
        raise NPlusOneError(detection.found)
    if action == "warn":
        for each in detection.found:
            warnings.warn_explicit(str(each), NPlusOneWarning, each.file, each.line)


def _source(target: Target | None) -> tuple[Any, Callable[[ORMExecuteState], bool]]:
    """What to listen to, and which of its statements are meant."""
    if isinstance(target, AsyncSession):
        target = target.sync_session
    if isinstance(target, AsyncEngine):
        target = target.sync_engine
    if isinstance(target, Engine):
        engine = target
        return Session, lambda state: state.session.get_bind(**state.bind_arguments).engine is engine
    return Session if target is None else target, lambda state: True


def _loaded(state: ORMExecuteState, statements: bool) -> tuple[Kind, str] | None:
    """What is being loaded for the sake of one object alone."""
    parent = state.lazy_loaded_from
    if parent is not None and state.is_relationship_load:
        path = state.loader_strategy_path
        loading = [each for each in path.path if isinstance(each, RelationshipProperty)] if path is not None else []
        # An eager load within a lazy one belongs to that.
        return ("relationship", str(loading[-1])) if loading and parent.mapper.isa(loading[-1].parent) else None
    if state.is_relationship_load:
        return None
    mapper = state.bind_mapper
    if state.is_column_load:
        return None if mapper is None else ("columns", mapper.class_.__name__)
    if statements and (state.is_select or state.is_from_statement):
        text = " ".join(str(state.statement).split())
        return "statement", text if len(text) <= 200 else f"{text[:200]}…"
    return None


def _caller() -> tuple[tuple[str, int], tuple[str, int] | None]:
    """Who called: the first frame outside of what loads; and where that is a library, who called that."""
    first: tuple[str, int] | None = None
    for frame in _frames():
        if frame.f_globals.get("__name__", "").partition(".")[0] in _NOT_THE_CALLER:
            continue
        place = frame.f_code.co_filename, frame.f_lineno
        if not any(f"/{each}/" in place[0].replace("\\", "/") for each in _LIBRARIES):
            return (place, None) if first is None else (first, place)
        first = first or place
    return first or ("<unknown>", 0), None


def _frames() -> Iterator[FrameType]:
    """From here outwards, and where SQLAlchemy's greenlet ends, on into the coroutine that awaits it."""
    frame: FrameType | None = sys._getframe(1)
    greenlets = sys.modules.get("greenlet")
    current = None if greenlets is None else greenlets.getcurrent()
    while frame is not None:
        yield frame
        frame = frame.f_back
        if frame is None and current is not None:
            current = current.parent
            frame = None if current is None else current.gr_frame
