"""From the options of ``protect`` to the policies of each table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import click

from holdfast.declaration import protections_of, without_protection
from holdfast.inventory import Inventory
from holdfast.policies import (
    Audit,
    Guard,
    Inserts,
    Policy,
    RawDelete,
    Reads,
    SoftDelete,
    Tenant,
    Timestamps,
    Version,
    find,
    to_json,
)
from holdfast.tables import TableInfo, TableName
from holdfast.toml import Configuration, declared

Declared = dict[TableName, tuple[Policy, ...]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """The policy options as they were typed; None and empty stand for "not said"."""

    audit: bool = False
    guard: int | None = None
    soft_delete: str | None = None
    timestamps: bool = False
    version: str | None = None
    exclude: tuple[str, ...] = ()
    mask: tuple[str, ...] = ()
    inserts: Inserts | None = None
    keep: timedelta | None = None
    raw_delete: RawDelete | None = None
    live_view: bool = False
    purge_after: timedelta | None = None
    tenant: str | None = None
    global_key: tuple[str, ...] = ()
    reads: Reads | None = None

    @property
    def any_policy(self) -> bool:
        return bool(
            self.audit
            or self.guard
            or self.soft_delete
            or self.live_view
            or self.purge_after
            or self.timestamps
            or self.version
            or self.tenant
        )

    @property
    def anything(self) -> bool:
        return self != Wanted()


DEFAULT_COLUMN = "\0"
"""What an option without its COLUMN holds: the declared column if there is one, else the policy's own default."""


def chosen_tables(
    inventory: Inventory, configuration: Configuration, names: Sequence[str], wanted: Wanted, everything: bool
) -> tuple[list[TableInfo], list[tuple[TableInfo, str]]]:
    """The tables that are meant, and those that ``--all`` leaves out, with the reason."""
    if names and everything:
        raise click.UsageError("Name tables or say --all, not both.")
    if everything:
        left = without_protection(inventory)
        out = {table.name for table, _ in left}
        return [table for name, table in inventory.tables.items() if name not in out], left
    if names:
        return list({table.name: table for table in map(inventory.resolve, names)}.values()), []
    if configuration.tables:
        return [table for table, _ in declared(configuration, inventory)], []
    _check_option_columns(inventory, [], wanted)
    raise click.UsageError("Which tables? Name them, or say --all.")


def declare(
    inventory: Inventory, configuration: Configuration, tables: Sequence[TableInfo], wanted: Wanted, everything: bool
) -> Declared:
    """The policies of each table: what holds already, then holdfast.toml, then the options."""
    _check_option_columns(inventory, tables, wanted)
    present = protections_of(inventory)
    written = {table.name: policies for table, policies in declared(configuration, inventory)}
    excluded, masked = (
        _by_table("--exclude", wanted.exclude, inventory, tables),
        _by_table("--mask", wanted.mask, inventory, tables),
    )
    result: Declared = {}
    for table in tables:
        policies = dict[type[Policy], Policy]()
        if table.name in present:
            policies |= {type(each): each for each in present[table.name].policies}
        if table.name in written:
            policies |= {type(each): each for each in written[table.name]}
        for each in _asked(
            tuple(policies.values()),
            wanted,
            excluded.get(table.name, ()),
            masked.get(table.name, ()),
            # Without a word about policies, and for --all in any case.
            defaults=table.name not in written and (everything or not wanted.any_policy),
        ):
            if everything and isinstance(each, Tenant) and table.column(each.column) is None:
                continue
            policies[type(each)] = each
        result[table.name] = tuple(policies.values())
    return result


def _asked(
    present: Sequence[Policy], wanted: Wanted, exclude: Sequence[str], mask: Sequence[str], *, defaults: bool
) -> list[Policy]:
    """What the options ask for, each on top of what holds: an option changes what it names and nothing else."""
    asked: list[Policy] = []
    if wanted.audit or defaults or exclude or mask or wanted.inserts or wanted.keep:
        audit = find(present, Audit) or Audit()
        asked.append(
            Audit(
                exclude={*audit.exclude, *exclude},
                mask={*audit.mask, *mask},
                large=audit.large,
                inserts=wanted.inserts or audit.inserts,
                form=audit.form,
                keep=wanted.keep or audit.keep,
            )
        )
    if wanted.soft_delete is not None or wanted.raw_delete or wanted.live_view or wanted.purge_after:
        asked.append(_soft_delete(find(present, SoftDelete), wanted))
    if wanted.timestamps:
        asked.append(find(present, Timestamps) or Timestamps())
    if wanted.version is not None:
        asked.append(replace(find(present, Version) or Version(), **_column(wanted.version)))
    if wanted.tenant is not None or wanted.global_key or wanted.reads:
        asked.append(_tenant(find(present, Tenant), wanted))
    if wanted.guard is not None or defaults:
        guard = find(present, Guard) or Guard()
        asked.append(replace(guard, max_rows=wanted.guard) if wanted.guard is not None else guard)
    return asked


def _soft_delete(present: SoftDelete | None, wanted: Wanted) -> SoftDelete:
    if present is None and wanted.soft_delete is None:
        if wanted.raw_delete:
            raise click.UsageError("--raw-delete says what a raw DELETE becomes under --soft-delete: say that too.")
        if wanted.purge_after:
            raise click.UsageError("--purge-after is of rows that are marked under --soft-delete: say that too.")
        raise click.UsageError("--live-view is of the rows that live under --soft-delete: say that too.")
    soft = present or SoftDelete()
    return replace(
        soft,
        **_column(wanted.soft_delete),
        raw_delete=wanted.raw_delete or soft.raw_delete,
        live_view=wanted.live_view or soft.live_view,
        purge_after=wanted.purge_after or soft.purge_after,
    )


def _tenant(present: Tenant | None, wanted: Wanted) -> Tenant:
    if present is None and wanted.tenant is None:
        raise click.UsageError("--global-key and --reads are about --tenant COLUMN: say that too.")
    tenant = present or Tenant()
    return Tenant(
        wanted.tenant or tenant.column,
        global_keys={*tenant.global_keys, *wanted.global_key},
        reads=wanted.reads or tenant.reads,
    )


def _column(given: str | None) -> dict[str, Any]:
    return {} if given in (None, DEFAULT_COLUMN) else {"column": given}


def _check_option_columns(inventory: Inventory, tables: Sequence[TableInfo], wanted: Wanted) -> None:
    """``--soft-delete orders`` reads orders as the column; say so rather than add a column of that name."""
    for option, column in (("--soft-delete", wanted.soft_delete), ("--version", wanted.version)):
        if column in (None, DEFAULT_COLUMN) or any(table.column(str(column)) for table in tables):
            continue
        if any(name.name == column for name in inventory.tables):
            raise click.UsageError(
                f"{column!r} after {option} is read as the name of its column, and it is a table. "
                f"Write the tables first: holdfast protect {column} {option}."
            )


def _by_table(
    option: str, columns: Sequence[str], inventory: Inventory, tables: Sequence[TableInfo]
) -> Mapping[TableName, list[str]]:
    """``COLUMN`` where one table is meant, else ``TABLE.COLUMN``."""
    result: dict[TableName, list[str]] = {}
    for given in columns:
        if len(tables) == 1 and (tables[0].column(given) or "." not in given):
            result.setdefault(tables[0].name, []).append(given)
            continue
        name, _, column = given.rpartition(".")
        if not name:
            raise click.UsageError(f"{option} {given}: of which table? Write {option} TABLE.{given}.")
        table = inventory.resolve(name)
        if table not in tables:
            raise click.UsageError(f"{option} {given}: {name} is not among the tables to protect.")
        result.setdefault(table.name, []).append(column)
    return result


def described(policies: Sequence[Policy]) -> str:
    """``Audit(exclude=iban), Guard(max_rows=100)``: what differs from the defaults is said."""
    parts = []
    for document in to_json(policies):
        name = document.pop("policy")
        options = ", ".join(
            f"{key}={'+'.join(value) if isinstance(value, list) else value}" for key, value in document.items()
        )
        parts.append(f"{name}({options})" if options else name)
    return ", ".join(parts)
