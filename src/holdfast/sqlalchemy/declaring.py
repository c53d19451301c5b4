"""Declaring on the model, and reading what the models declare."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from sqlalchemy import MetaData, Table, inspect
from sqlalchemy.orm import Mapper, registry

from holdfast.errors import DeclarationError
from holdfast.inventory import Inventory
from holdfast.policies import Policy
from holdfast.sqlalchemy.mapping import configure
from holdfast.sqlalchemy.tables import declare_for, policies_of, table_in
from holdfast.tables import TableInfo

Declared = TypeVar("Declared", bound=Any)


def protect(*policies: Policy) -> Callable[[Declared], Declared]:
    """Declares the policies for a mapped class or a Table; one takes the place of another of its kind.

    The columns that a policy names must be there: HF102 otherwise.

    >>> from sqlalchemy import Column, Integer, MetaData, Table
    >>> from holdfast import Audit
    >>> from holdfast.sqlalchemy import policies_of
    >>> tags = protect(Audit())(Table("tags", MetaData(), Column("id", Integer, primary_key=True)))
    >>> [type(policy).__name__ for policy in policies_of(tags)]
    ['Audit']
    """

    def declare(target: Declared) -> Declared:
        if isinstance(target, Table):
            declare_for(target, policies)
            return target
        mapper: Mapper[Any] | None = inspect(target, raiseerr=False)
        if mapper is None or not isinstance(mapper.local_table, Table):
            raise DeclarationError(
                "HF113",
                f"{target!r} is not a mapped class and not a Table.",
                "Put @protect above the class, outside of what maps it.",
            )
        declare_for(mapper.local_table, policies)
        configure(mapper)
        return target

    return declare


def metadata_of(source: Any) -> MetaData:
    """The MetaData of a declarative base, a registry or of itself."""
    if isinstance(source, MetaData):
        return source
    metadata = source.metadata if isinstance(source, registry) else getattr(source, "metadata", None)
    if not isinstance(metadata, MetaData):
        raise DeclarationError(
            "HF113", f"{source!r} declares no tables.", "Give the declarative base, its registry or its MetaData."
        )
    return metadata


def declared(source: Any, inventory: Inventory) -> Iterable[tuple[TableInfo, tuple[Policy, ...]]]:
    """Each declared table as it is in the database, with its policies; HF409 where there is none of that name."""
    tables = metadata_of(source).sorted_tables
    return [(table_in(inventory, table), policies) for table in tables if (policies := policies_of(table))]
