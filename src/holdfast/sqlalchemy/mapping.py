"""What a mapper must know of the columns that the database keeps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnDefault, FetchedValue, Table, event
from sqlalchemy.orm import Mapper

from holdfast.policies import SoftDelete, Tenant, Timestamps, Version, find
from holdfast.sqlalchemy.stamps import note_matched
from holdfast.sqlalchemy.tables import declare_for, policies_of, policy_of

SOFT_DELETED = "holdfast.soft_deleted"
"""The key in ``MetaData.info`` of the mappers whose rows are marked."""
FILTERED = "holdfast.filtered"
"""The same of those of whose rows a read leaves some out: marked ones, and those of other tenants."""
PART = "holdfast.part"
"""The key in ``Table.info`` of a table that holds a part of a marked row, by joined inheritance."""


def configure(mapper: Mapper[Any]) -> None:
    """Lets the ORM fetch what the database writes at once, and check the version on every flush."""
    table = mapper.local_table
    if not isinstance(table, Table):
        return
    policies = policies_of(table)
    if timestamps := find(policies, Timestamps):
        # Without this an async program would meet a lazy load where it reads the time after an update.
        mapper.eager_defaults = True
        column = table.c[timestamps.updated]
        if column.server_onupdate is None:
            column.server_onupdate = FetchedValue(for_update=True)
    if (version := find(policies, Version)) and mapper.version_id_col is None:
        mapper.eager_defaults = True
        number = mapper.version_id_col = table.c[version.column]
        mapper.version_id_generator = False
        if number.default is None and number.server_default is None:
            # The database would number a new row by itself, but the ORM wants to know, and SQLite cannot return it.
            ColumnDefault(1)._set_parent_with_dispatch(number)
    if find(policies, Timestamps) or find(policies, Version):
        event.listen(mapper.class_, "refresh", note_matched, propagate=True)
    if find(policies, SoftDelete):
        _note(table, SOFT_DELETED, mapper)
    elif mapper.inherits is not None:
        _join_parent(table, mapper.inherits)
    if find(policies, SoftDelete) or find(policies, Tenant):
        _note(table, FILTERED, mapper)


def _note(table: Table, key: str, mapper: Mapper[Any]) -> None:
    known = table.metadata.info.setdefault(key, [])
    if mapper not in known:
        known.append(mapper)


def _join_parent(table: Table, parent: Mapper[Any]) -> None:
    """A table of joined inheritance holds a part of a row: what is said of the row is said where its mark is."""
    for each in parent.iterate_to_root():
        marked = each.local_table
        if marked is not table and isinstance(marked, Table) and (policy := policy_of(marked, SoftDelete)):
            table.info[PART] = True
            declare_for(marked, [replace(policy, parts=policy.parts | {table.name})])
