"""The policies: what must hold for a table, said once.

A policy is plain data. It names columns and never makes them; the dialects turn it into SQL.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any, Literal, TypeVar

from holdfast.durations import Duration, duration, spelled
from holdfast.rights import Permission

RawDelete = Literal["convert", "refuse", "allow"]
Inserts = Literal["key", "full"]
Form = Literal["auto", "statement", "row"]
Reads = Literal["database", "application"]


@dataclass(frozen=True, slots=True)
class Audit:
    """Every insert, update, delete and truncate is in the journal, with before and after, whoever wrote it.

    ``exclude``: columns whose values are in no copy. ``mask``: columns of which the journal says that they
    changed, not from what to what. ``large``: columns kept as a digest (on SQLite each value waits in the journal, as
    it is, until the next ``holdfast maintain`` or ``holdfast seal``). ``inserts="key"`` records the key of
    an inserted row alone (the row itself and later before-images hold the rest); ``"full"`` records all of it.
    ``form`` chooses the trigger: ``"statement"`` is cheaper in bulk, ``"row"`` for single-row updates,
    ``"auto"`` takes the statement form wherever the database can. ``keep`` is how long ``holdfast maintain`` keeps the
    history, a number of days, a text such as ``"36h"`` or a timedelta; without it history is kept for ever.

    >>> Audit(exclude={"iban"}).exclude
    frozenset({'iban'})
    >>> Audit(keep=400).keep == Audit(keep="400d").keep
    True
    """

    exclude: frozenset[str] = frozenset()
    mask: frozenset[str] = frozenset()
    large: frozenset[str] = frozenset()
    inserts: Inserts = "key"
    form: Form = "auto"
    keep: timedelta | None = None

    def __init__(
        self,
        *,
        exclude: Iterable[str] = (),
        mask: Iterable[str] = (),
        large: Iterable[str] = (),
        inserts: Inserts = "key",
        form: Form = "auto",
        keep: Duration | None = None,
    ) -> None:
        object.__setattr__(self, "exclude", frozenset(exclude))
        object.__setattr__(self, "mask", frozenset(mask))
        object.__setattr__(self, "large", frozenset(large))
        object.__setattr__(self, "inserts", inserts)
        object.__setattr__(self, "form", form)
        object.__setattr__(self, "keep", None if keep is None else duration(keep))


@dataclass(frozen=True, slots=True)
class SoftDelete:
    """A row leaves by being marked in ``column``; children follow, and come back with exactly their parent.

    ``raw_delete`` says what becomes of a DELETE that did not go through an ORM: ``"convert"`` marks the row
    instead, ``"refuse"`` raises HF201, ``"allow"`` really deletes it. ``None`` takes the database's default.
    ``live_view`` makes a view of the rows that live: ``True`` calls it ``<table>_live``, a text is its name.
    ``purge_after`` is how long ``holdfast purge`` leaves a marked row before it really deletes it, as ``Audit.keep``
    is written; without it a purge must be told.

    >>> SoftDelete("removed_on", raw_delete="refuse").column
    'removed_on'
    >>> SoftDelete(live_view=True).live_view_of("orders")
    'orders_live'
    """

    column: str = "deleted_at"
    raw_delete: RawDelete | None = None
    live_view: bool | str = False
    parts: frozenset[str] = frozenset()
    """Tables that hold the rest of the very same row (joined inheritance): they neither follow a mark nor forbid it."""
    purge_after: Duration | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", frozenset(self.parts))
        if self.purge_after is not None:
            object.__setattr__(self, "purge_after", duration(self.purge_after))

    def live_view_of(self, table: str) -> str | None:
        """The name of the table's view of the rows that live, if it is to have one."""
        return f"{table}_live" if self.live_view is True else self.live_view or None


@dataclass(frozen=True, slots=True)
class Timestamps:
    """``created`` and ``updated`` are set by the database for every writer; ``updated`` strictly grows.

    >>> Timestamps(updated="changed_on")
    Timestamps(created='created_at', updated='changed_on')
    """

    created: str = "created_at"
    updated: str = "updated_at"


@dataclass(frozen=True, slots=True)
class Version:
    """Every real change counts ``column`` up by one, for every writer; a stale write is refused.

    A writer says which version it read by writing that number back: ``SET …, version = 3``.

    >>> Version()
    Version(column='version')
    """

    column: str = "version"


@dataclass(frozen=True, slots=True)
class Tenant:
    """A session sees and writes the rows of one tenant, keys and foreign keys included; without a tenant, nothing.

    ``column`` says whose row it is; it is NOT NULL, comes from the context by itself, and never changes. A unique key
    holds within each tenant, but for those named in ``global_keys`` (constraints, indexes, columns), which hold over
    all of them: by such a key a tenant can tell that another has a value. ``reads="application"`` accepts a database
    that cannot hide rows: there writes are checked by the database, and reads by the ORM alone.

    >>> Tenant("shop_id", global_keys={"shops_slug_key"}).column
    'shop_id'
    """

    column: str = "tenant_id"
    global_keys: frozenset[str] = frozenset()
    reads: Reads = "database"

    def __init__(
        self, column: str = "tenant_id", *, global_keys: Iterable[str] = (), reads: Reads = "database"
    ) -> None:
        object.__setattr__(self, "column", column)
        object.__setattr__(self, "global_keys", frozenset(global_keys))
        object.__setattr__(self, "reads", reads)

    def is_global(self, name: str | None, columns: Iterable[str]) -> bool:
        """Whether the unique key is meant to hold over all tenants.

        >>> Tenant(global_keys={"code"}).is_global("sqlite_autoindex_tags_2", ["code"])
        True
        """
        return name in self.global_keys or ",".join(columns) in self.global_keys


@dataclass(frozen=True, slots=True)
class Permit:
    """A command on the table needs a permission that the transaction holds; without it the database refuses.

    Each is a permission's code. What is not named needs none. Where the table has a ``SoftDelete``, a row that an
    UPDATE leaves marked needs ``delete``, whatever else was written to it.

    >>> Permit(insert="order:create", delete="order:delete").delete
    'order:delete'
    """

    insert: str | None = None
    update: str | None = None
    delete: str | None = None
    select: str | None = None

    def __post_init__(self) -> None:
        for code in (self.insert, self.update, self.delete, self.select):
            if code is not None:
                Permission(code)


@dataclass(frozen=True, slots=True)
class Guard:
    """An UPDATE or DELETE of more than ``max_rows`` rows, and a TRUNCATE, is refused unless it says so first.

    >>> Guard(max_rows=1000)
    Guard(max_rows=1000, truncate=False)
    """

    max_rows: int | None = None
    truncate: bool = False
    """Whether TRUNCATE is allowed."""


Policy = Audit | SoftDelete | Timestamps | Version | Tenant | Permit | Guard
P = TypeVar("P", Audit, SoftDelete, Timestamps, Version, Tenant, Permit, Guard)
KINDS: tuple[type[Policy], ...] = (Audit, SoftDelete, Timestamps, Version, Tenant, Permit, Guard)
ORDER = {kind: position for position, kind in enumerate(KINDS)}


def find(policies: Iterable[Policy], kind: type[P]) -> P | None:
    """The policy of that kind, if it is declared."""
    return next((policy for policy in policies if isinstance(policy, kind)), None)


def to_json(policies: Iterable[Policy]) -> list[dict[str, Any]]:
    """A declaration as plain JSON values, the form in which the database keeps it; defaults are left out."""
    documents = []
    for policy in sorted(policies, key=lambda policy: ORDER[type(policy)]):
        default = type(policy)()
        document: dict[str, Any] = {"policy": type(policy).__name__}
        for each in fields(policy):
            value = getattr(policy, each.name)
            if value != getattr(default, each.name):
                document[each.name] = _plain(value)
        documents.append(document)
    return documents


def _plain(value: Any) -> Any:
    if isinstance(value, frozenset):
        return sorted(value)
    return spelled(value) if isinstance(value, timedelta) else value


def from_json(documents: Iterable[dict[str, Any]]) -> tuple[Policy, ...]:
    """The declaration that ``to_json`` wrote."""
    kinds = {kind.__name__: kind for kind in KINDS}
    policies = []
    for document in documents:
        arguments = {name: value for name, value in document.items() if name != "policy"}
        policies.append(kinds[document["policy"]](**arguments))
    return tuple(policies)


def columns_needed(policies: Iterable[Policy]) -> tuple[tuple[str, str], ...]:
    """The columns that the policies need, each with the sort of value it holds: ``time``, ``mark``, ``count`` or
    ``tenant``."""
    needed: list[tuple[str, str]] = []
    for policy in policies:
        match policy:
            case SoftDelete():
                needed.append((policy.column, "mark"))
            case Timestamps():
                needed += [(policy.created, "time"), (policy.updated, "time")]
            case Version():
                needed.append((policy.column, "count"))
            case Tenant():
                needed.append((policy.column, "tenant"))
            case Audit() | Permit() | Guard():
                pass
    return tuple(needed)
