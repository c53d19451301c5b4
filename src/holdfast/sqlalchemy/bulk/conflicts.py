"""What an upsert matches by: a unique key that the model declares, found by its columns or by its name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from sqlalchemy import Column, ColumnElement, Index, UniqueConstraint

from holdfast.dialects import dialect_for
from holdfast.errors import DeclarationError
from holdfast.policies import Tenant
from holdfast.sqlalchemy.bulk.targets import Target
from holdfast.sqlalchemy.tables import policy_of


@dataclass(frozen=True)
class ConflictTarget:
    """A unique key, and the rows that it is over."""

    name: str | None
    columns: tuple[Column[Any], ...]
    where: ColumnElement[bool] | None = None
    tenant: Column[Any] | None = None
    """Whose row it is, where that is part of the key and the rows do not give it: each is the present tenant's."""

    @property
    def elements(self) -> list[Column[Any]]:
        """The columns of the key as the database has it."""
        return [*([] if self.tenant is None else [self.tenant]), *self.columns]

    def __str__(self) -> str:
        shown = ", ".join(column.name for column in self.columns)
        over = "" if self.where is None else f" where {self.where.compile(compile_kwargs={'literal_binds': True})}"
        return f"{self.name or 'the key'} ({shown}{over})"


def conflict_target(target: Target, on: Iterable[str] | str, dialect: str) -> ConflictTarget:
    """The unique key over just these attributes, or these and the tenant, or of that name; HF654 where there is none.

    Of two over the same columns the one over the rows that live is meant.
    """
    known = list(_declared(target, dialect))
    if isinstance(on, str):
        found = [each for each in known if each.name == on]
        said = f"no unique key {on!r}"
    else:
        wanted = tuple(on)
        target.check(wanted)
        columns = set(target.of(wanted))
        found = [each for each in known if set(each.columns) == columns]
        if not found:
            # Within the tenant, whose column the rows need not give.
            found = [each for each in map(partial(_within_tenant, target), known) if set(each.columns) == columns]
        said = f"no unique key over {', '.join(wanted)}"
    if not found:
        there = "; ".join(map(str, known)) or "none"
        raise DeclarationError(
            "HF654",
            f"{target.name} declares {said} alone.",
            f"There are: {there}. Declare one (unique_live, UniqueConstraint), or match by one of these.",
        )
    chosen = max(found, key=lambda each: each.where is not None)
    return replace(chosen, tenant=chosen.tenant if chosen.tenant is not None else _tenant(target, chosen, dialect))


def _within_tenant(target: Target, key: ConflictTarget) -> ConflictTarget:
    """The key without the tenant that it was declared with."""
    policy = policy_of(target.table, Tenant)
    tenant = None if policy is None else target.table.c[policy.column]
    if tenant is None or tenant not in set(key.columns):
        return key
    return replace(key, columns=tuple(each for each in key.columns if each is not tenant), tenant=tenant)


def _tenant(target: Target, key: ConflictTarget, dialect: str) -> Column[Any] | None:
    policy = policy_of(target.table, Tenant)
    if policy is None or not dialect_for(dialect).features.hides_rows:
        return None
    names = [column.name for column in key.columns]
    # The server's own name, where the model gives none.
    name = key.name or "_".join((target.table.name, *names, "key"))
    whole = policy.column in names or set(key.columns) == set(target.table.primary_key) or policy.is_global(name, names)
    return None if whole else target.table.c[policy.column]


def has_rivals(target: Target, conflict: ConflictTarget) -> bool:
    """Whether rows of the table must be unique in something else too, beside their primary key."""
    unique: list[Any] = [each for each in target.table.constraints if isinstance(each, UniqueConstraint)]
    unique += [each for each in target.table.indexes if each.unique]
    return any(str(each.name) != conflict.name for each in unique)


def _declared(target: Target, dialect: str) -> Iterator[ConflictTarget]:
    """Deferrable ones, and those over expressions, leave no row to be named by its values."""
    table = target.table
    yield ConflictTarget(str(table.primary_key.name or "") or None, tuple(table.primary_key))
    for constraint in table.constraints:
        if isinstance(constraint, UniqueConstraint) and not constraint.deferrable:
            yield ConflictTarget(str(constraint.name or "") or None, tuple(constraint.columns))
    for index in table.indexes:
        columns = [column for column in index.expressions if isinstance(column, Column)]
        if index.unique and len(columns) == len(index.expressions):
            yield ConflictTarget(str(index.name or "") or None, tuple(columns), _where(index, dialect))


def _where(index: Index, dialect: str) -> Any:
    return index.dialect_options[dialect].get("where")
