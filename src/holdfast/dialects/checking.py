"""Declarations that cannot hold on any database: each is refused with the line that mends it."""

from __future__ import annotations

from holdfast.errors import DeclarationError
from holdfast.objects import Protection, Protections
from holdfast.policies import Audit, Guard, RawDelete, SoftDelete, columns_needed
from holdfast.tables import ForeignKey, TableName


def check_declared(protection: Protection) -> None:
    """HF101 to HF104 for a declaration that the table cannot bear."""
    table = protection.table
    for column, _sort in columns_needed(protection.policies):
        if table.column(column) is None:
            raise DeclarationError(
                "HF102",
                f"{table.name} has no column {column!r}, which its declaration names.",
                "Add the column, name another one, or let holdfast add it: --add-columns.",
            )
    audit = protection.get(Audit)
    if audit is not None:
        if not table.key:
            raise DeclarationError(
                "HF101",
                f"{table.name} has no primary key and no unique key over NOT NULL columns, "
                "so a change could not be said to be of a certain row.",
                "Add a primary key, or a unique constraint over NOT NULL columns.",
            )
        unknown = sorted((audit.exclude | audit.mask | audit.large) - {c.name for c in table.columns})
        if unknown:
            raise DeclarationError(
                "HF102",
                f"{table.name} has no column {unknown[0]!r}, which Audit names.",
                "Name columns that exist.",
            )
        hidden_key = sorted((audit.exclude | audit.mask | audit.large) & set(table.key))
        if hidden_key:
            raise DeclarationError(
                "HF103",
                f"{hidden_key[0]!r} is part of the key of {table.name} and cannot be excluded, masked or kept as a digest.",
                "A change must say of which row it is; keep secrets out of keys.",
            )
    guard = protection.get(Guard)
    if guard is not None and guard.max_rows is not None and guard.max_rows < 1:
        raise DeclarationError(
            "HF104",
            f"Guard(max_rows={guard.max_rows}) of {table.name} would refuse every write.",
            "Use 1 or more.",
        )


def check_fillable(table: TableName, column: str, sort: str) -> None:
    """HF102 for a column that only people can fill."""
    if sort == "tenant":
        raise DeclarationError(
            "HF102",
            f"{table} has no column {column!r}, and nobody but you can say whose rows are whose.",
            "Add the column and fill it first, or name another one: Tenant('…').",
        )


def check_family(policy: SoftDelete, protection: Protection, protections: Protections, default: RawDelete) -> None:
    """HF106 and HF107 for what would leave a key dangling, or children alive under a dead parent."""
    table = protection.table
    for key in table.foreign_keys:
        parent = _soft_delete(key.target, protections)
        hard = parent is None or (parent.raw_delete or default) == "allow"
        if key.on_delete == "CASCADE" and hard and (policy.raw_delete or default) == "convert":
            raise DeclarationError(
                "HF106",
                f"{table.name} references {key.target} with ON DELETE CASCADE ({key.name}): a real delete of the "
                f"parent would leave marked rows of {table.name} that point at nothing.",
                f"Declare SoftDelete for {key.target} too, or SoftDelete(raw_delete='allow') for {table.name}.",
            )
    for key in protection.followers:
        _check_followed(key)
        if key.on_delete == "CASCADE" and _soft_delete(key.table, protections) is None:
            raise DeclarationError(
                "HF107",
                f"{key.table} references {table.name} with ON DELETE CASCADE ({key.name}) and has no mark of its own: "
                "its rows could not follow their parent and come back with it.",
                f"Declare SoftDelete for {key.table} too.",
            )


def _check_followed(key: ForeignKey) -> None:
    """HF107 for a key by which it cannot be told, once and for all, which rows are the children of a row."""
    table = key.target
    if key.period:
        raise DeclarationError(
            "HF107",
            f"{key.table} references {table} for a PERIOD ({key.name}): a row may stand under several rows of {table} "
            "together, and could not follow any one of them.",
            f"Leave SoftDelete of {table} away: Audit alone keeps what is deleted. Or drop the key.",
        )
    if key.partition is not None:
        raise DeclarationError(
            "HF107",
            f"{key.table} references {table} from its partition {key.partition} alone ({key.name}): partitions come "
            "and go, and which rows follow their parent would change with them.",
            f"Declare the key on {key.table}, it takes in those of the partitions: ALTER TABLE {key.table} "
            f"ADD FOREIGN KEY ({', '.join(key.columns)}) REFERENCES {table} ({', '.join(key.target_columns)}) …",
        )
    if key.target_partition is not None:
        raise DeclarationError(
            "HF107",
            f"{key.table} references the partition {key.target_partition} of {table} alone ({key.name}): partitions "
            "come and go, and which rows are followed would change with them.",
            f"Let the key refer to {table}; or leave SoftDelete of {table} away: Audit alone keeps what is deleted.",
        )


def _soft_delete(table: TableName, protections: Protections) -> SoftDelete | None:
    protection = protections.get(table)
    return protection.get(SoftDelete) if protection is not None else None
