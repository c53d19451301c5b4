"""What a plan says beside its steps: where protection ends, and what it does not undo."""

from __future__ import annotations

from collections.abc import Iterator

from holdfast.dialects.base import Dialect
from holdfast.inventory import Inventory
from holdfast.objects import Protections
from holdfast.policies import Audit, Permit, Tenant, find
from holdfast.tables import TableInfo, UniqueKey
from holdfast.waiting import notes_of_waiting


def notes_of(dialect: Dialect, inventory: Inventory, protections: Protections) -> Iterator[str]:
    yield from _unrecorded_cascades(protections)
    yield from _unlike_their_parents(protections)
    yield from _still_in_history(inventory, protections)
    yield from notes_of_waiting(dialect, inventory, protections)
    yield from _of_tenants(dialect, inventory, protections)


def _unrecorded_cascades(protections: Protections) -> list[str]:
    """What a foreign key takes along out of a recorded table into one that nobody records, a sentence each."""
    notes = []
    for protection in protections.values():
        if protection.get(Audit) is None:
            continue
        for key in protection.table.referenced_by:
            child = protections.get(key.table)
            acts = key.enforced and key.on_delete in ("CASCADE", "SET NULL", "SET DEFAULT")
            if acts and (child is None or child.get(Audit) is None):
                notes.append(
                    f"{key.table} is not recorded, and a delete in {protection.table.name} changes its rows "
                    f"({key.name}, ON DELETE {key.on_delete}): an undo could not bring those back. Protect it too."
                )
    return notes


def _unlike_their_parents(protections: Protections) -> Iterator[str]:
    """What a statement on a table reaches in those that inherit from it, where the table's own triggers do not run."""
    for protection in protections.values():
        if protection.table.kind != "ordinary":
            continue
        for name in protection.table.children:
            there = {type(each) for each in protections[name].policies} if name in protections else set()
            # Row security is given to what inherits, too.
            wanting = [type(each) for each in protection.policies if type(each) not in {*there, Tenant, Permit}]
            if wanting:
                yield (
                    f"{name} inherits from {protection.table.name}, and {', '.join(each.__name__ for each in wanting)} "
                    "does not hold for its rows, whichever of the two a statement names. Protect it too."
                )


def _of_tenants(dialect: Dialect, inventory: Inventory, protections: Protections) -> list[str]:
    """What changes for whoever knew the keys as they were, and which tables refer to a tenant's rows and have none."""
    notes = []
    for protection in protections.values():
        policy = protection.get(Tenant)
        if policy is None:
            continue
        stored = inventory.relations.get(protection.relation.id)
        # What was said once, and accepted, is for the doctor.
        new = dialect.features.hides_rows and (stored is None or not stored.protected or policy not in stored.policies)
        for key in protection.table.uniques:
            if not (key.primary or key.ours or policy.is_global(key.name, key.columns) or policy.column in key.columns):
                notes.append(
                    f"{key.name} of {protection.table.name} holds within each tenant from now on: two may have the "
                    f"same {', '.join(key.columns)}. Over all tenants: global_keys."
                )
            if new and key.primary and _is_chosen(key, protection.table, policy):
                notes.append(
                    f"The primary key of {protection.table.name} holds over all tenants, and the client chooses its "
                    "values: by a duplicate one can tell which are taken. Let the database give them (identity, uuid), "
                    f"make it ({', '.join((policy.column, *key.columns))}), or accept it: "
                    f"global_keys=[{','.join(key.columns)!r}]."
                )
        for reference in protection.table.referenced_by:
            child = protections.get(reference.table)
            if child is None or child.get(Tenant) is None:
                notes.append(
                    f"{reference.table} refers to {protection.table.name} ({reference.name}) and has no tenant: by its "
                    "rows one tenant can meet another's. Give it the tenant's column, and Tenant."
                )
    return notes


def _is_chosen(key: UniqueKey, table: TableInfo, policy: Tenant) -> bool:
    """Whether the key's values come from the client, and could be guessed."""
    if policy.column in key.columns or policy.is_global(key.name, key.columns):
        return False
    columns = [each for each in table.columns if each.name in key.columns]
    return not any(each.default or each.identity or each.generated or each.base_type == "uuid" for each in columns)


def _still_in_history(inventory: Inventory, protections: Protections) -> list[str]:
    """What the journal is not to keep from now on, and has of the time before, a sentence for each table."""
    notes = []
    for protection in protections.values():
        stored = inventory.relations.get(protection.relation.id)
        before, now = find(stored.policies, Audit) if stored else None, protection.get(Audit)
        if stored is None or before is None or now is None:
            continue
        hidden = before.exclude | before.mask
        newly = (now.exclude | now.mask) - hidden | now.large - hidden - before.large
        if columns := sorted(newly & {column.name for column in stored.columns}):
            options = " ".join(f"--column {name}" for name in columns)
            notes.append(
                f"The history of {protection.table.name} from before has values of {', '.join(columns)}. "
                f"They go row by row: holdfast erase {protection.table.name} KEY --history-only {options} --reason R."
            )
    return notes
