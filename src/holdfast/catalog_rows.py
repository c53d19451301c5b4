"""The answers of the catalog, as what they tell about: tables, what was declared for them, what is installed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from holdfast.objects import InstalledObject
from holdfast.policies import from_json
from holdfast.stored import StoredColumn, StoredRelation
from holdfast.tables import Action, ColumnInfo, Expansion, ForeignKey, TableInfo, TableName, UniqueKey

_ACTIONS: Mapping[str, Action] = {
    "a": "NO ACTION",
    "r": "RESTRICT",
    "c": "CASCADE",
    "n": "SET NULL",
    "d": "SET DEFAULT",
}


def document_of(value: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(value) if isinstance(value, str) else value
    return document


def installed_of(row: Any) -> InstalledObject:
    return InstalledObject(
        kind=row.kind,
        name=row.name,
        table=None if row.table_name is None else TableName(row.schema_name, row.table_name),
        source=row.source or "",
        altered=bool(row.altered),
        enabled=bool(row.enabled),
        replaceable=bool(getattr(row, "replaceable", True)),
        per_table=bool(getattr(row, "per_table", True)),
        used_by=_listed(getattr(row, "used_by", None)),
    )


def _listed(value: Any) -> tuple[str, ...]:
    return tuple(json.loads(value) if isinstance(value, str) else value or ())


def relation_of(document: Mapping[str, Any]) -> StoredRelation:
    return StoredRelation(
        id=document["id"],
        table=TableName(document["schema"], document["name"]),
        oid=document.get("oid") or 0,
        key=tuple(document["key"]),
        policies=from_json(document["policies"]),
        added=tuple(document["added"]),
        protected=bool(document["protected"]),
        columns=tuple(
            StoredColumn(each["id"], each["name"], each["position"], each["type"]) for each in document["columns"] or ()
        ),
        next_column=document["next_column"],
        carrier=document.get("carrier") or 0,
        since=datetime.fromisoformat(document["since"]) if document.get("since") else None,
        typed=bool(document.get("typed")),
    )


def table_of(document: Mapping[str, Any]) -> TableInfo:
    name = TableName(document["schema"], document["name"])
    columns = tuple(ColumnInfo(**each) for each in document["columns"] or ())
    uniques = tuple(_unique(each) for each in document["uniques"] or ())
    return TableInfo(
        name=name,
        columns=columns,
        key=key_of(columns, uniques),
        kind=document["kind"],
        oid=document.get("oid") or 0,
        last_position=document.get("last_position") or max((each.position for each in columns), default=0),
        owner=document.get("owner") or "",
        uniques=uniques,
        foreign_keys=tuple(_foreign_key(name, each) for each in document["foreign_keys"] or ()),
        partitions=tuple(TableName(*each) for each in document.get("partitions") or ()),
        partition_columns=tuple(document.get("partition_columns") or ()),
        row_triggers=tuple(document.get("row_triggers") or ()),
        early_triggers=tuple(document.get("early_triggers") or ()),
        row_security=tuple(TableName(*each) for each in document.get("row_security") or ()),
        own_policies=bool(document.get("own_policies")),
        closed=bool(document.get("closed")),
        inherits=bool(document.get("inherits")),
        children=tuple(TableName(*each) for each in document.get("children") or ()),
        without_rowid=bool(document.get("without_rowid")),
        autoincrement=bool(document.get("autoincrement")),
        conflict_clauses=bool(document.get("conflict_clauses")),
        expansions=tuple(Expansion(**each) for each in document.get("expansions") or ()),
    )


def _unique(document: Mapping[str, Any]) -> UniqueKey:
    return UniqueKey(
        document["name"],
        tuple(document["columns"]),
        document["primary"],
        document["partial"],
        document.get("deferrable", False),
        document.get("constraint", False),
        document.get("ours", False),
        tuple(document.get("collations") or ()),
    )


def _foreign_key(table: TableName, document: Mapping[str, Any]) -> ForeignKey:
    return ForeignKey(
        name=document["name"],
        table=table,
        columns=tuple(document["columns"]),
        target=TableName(document["target_schema"], document["target"]),
        target_columns=tuple(document["target_columns"]),
        on_delete=_ACTIONS.get(document["on_delete"], document["on_delete"]),
        on_update=_ACTIONS.get(document["on_update"], document["on_update"]),
        let_go=tuple(document.get("let_go") or ()),
        deferral=document.get("deferral") or "",
        ours=bool(document.get("ours")),
        period=bool(document.get("period")),
        enforced=document.get("enforced") is not False,
    )


def key_of(columns: tuple[ColumnInfo, ...], uniques: tuple[UniqueKey, ...]) -> tuple[str, ...]:
    """The primary key, else the first unique key over columns that cannot be null."""
    by_name = {column.name: column for column in columns}
    for unique in sorted(uniques, key=lambda unique: (not unique.primary, len(unique.columns), unique.name)):
        if not unique.columns or unique.partial:
            continue
        if unique.primary or all(not by_name[name].nullable for name in unique.columns if name in by_name):
            return unique.columns
    return ()
