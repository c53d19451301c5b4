"""Roles for the duties of a database: planned as a whole, made together with what depends on them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Connection

from holdfast.database import execute
from holdfast.declaration import protections_of
from holdfast.dialects.base import Dialect
from holdfast.dialects.granting import Granting
from holdfast.errors import DeclarationError, UnsupportedError
from holdfast.inventory import Inventory
from holdfast.plan import Plan, plan_protect
from holdfast.roles import Duty, Roles
from holdfast.steps import Step
from holdfast.tables import TableName

SUFFIXES: Mapping[Duty, str] = {
    "owner": "owner",
    "migrator": "migrator",
    "application": "app",
    "read_only": "readonly",
    "auditor": "auditor",
    "all_tenants": "all_tenants",
}


def named(prefix: str, given: Roles) -> Roles:
    """A role for each duty: the one that has it, or was named for it, or else one that is called after the prefix.

    >>> named("shop", Roles(application="web")).application, named("shop", Roles()).read_only
    ('web', 'shop_readonly')
    """
    return Roles(**{duty: getattr(given, duty) or f"{prefix}_{suffix}" for duty, suffix in SUFFIXES.items()})


def given_roles(connection: Connection, dialect: Dialect) -> Roles:
    """Which role has which duty now."""
    query = dialect.catalog.roles
    return Roles(**{row.duty: row.name for row in execute(connection, query)}) if query is not None else Roles()


def present_roles(connection: Connection, dialect: Dialect) -> dict[str, str]:
    """Every role that is there, with the duty for which holdfast made it; empty where others did."""
    return {row.name: row.duty for row in execute(connection, granting_of(dialect).present())}


def plan_roles(
    dialect: Dialect,
    inventory: Inventory,
    roles: Roles,
    present: Iterable[str],
    *,
    schemas: Sequence[str] = (),
    own: bool = False,
) -> Plan:
    """The plan that makes the roles, gives each its rights, and lets the policies hold for them.

    ``schemas`` limit on which tables rights are given; ``own`` hands the tables over to the owner. Rights on a table
    are given where it is protected, and nowhere else. HF303 where nothing is, HF321 for a role with two duties, HF325
    for a schema that is not there.
    """
    granting = granting_of(dialect)
    inventory.check_journal("holdfast protect")
    check(roles, granting.longest_name)
    for schema in schemas:
        if schema not in (inventory.state.get("schemas") or ()):
            raise UnsupportedError(
                "HF325", f"There is no schema {schema!r}.", "Leave --schema out for those of all protected tables."
            )
    there = set(present)
    tables = [name for name in protections_of(inventory) if not schemas or name.schema in schemas]
    made: list[str] = []
    actions: list[str] = []
    for duty in SUFFIXES:
        name = getattr(roles, duty)
        if name is not None and name not in there:
            made.append(granting.make(name, duty))
            actions.append(f"create role {name}")
    for schema in dict.fromkeys((*schemas, *(name.schema for name in tables))):
        made += granting.on_schema(schema, roles)
    actions.append("write down which role has which duty")
    made += (*granting.assign(roles), *granting.memberships(roles), *granting.on_journal(roles))
    made.append(granting.close_large_objects())
    actions.append("close large objects, which have no tenants, to everybody (by the owner of their functions)")
    for name in tables:
        made += granting.on_table(name, roles, _views(inventory, name))
    actions.append(f"give rights on {len(tables)} protected tables")
    if own and roles.owner is not None:
        made.append(granting.join(roles.owner))
        made += [granting.own(name, roles.owner) for name in not_owned(inventory, roles, schemas)]
        actions += [f"{name} belongs to {roles.owner}" for name in not_owned(inventory, roles, schemas)]
    following = plan_protect(dialect.with_roles(roles, inventory.state), inventory, {})
    step = Step("roles", dialect.batch(made), tuple(actions))
    return replace(following, steps=(step, *following.steps))


def open_large_objects(connection: Connection, dialect: Dialect) -> list[tuple[str, str]]:
    """What somebody else must run to close large objects: each statement with the role that may."""
    query = granting_of(dialect).large_objects()
    return [(row.statement, row.owner) for row in execute(connection, query)]


def plan_drop_roles(dialect: Dialect, inventory: Inventory, names: Sequence[str]) -> Plan:
    """The plan that takes the duties away, and drops these roles; what they owned is for whoever carries it out."""
    granting = granting_of(dialect)
    steps: list[Step] = []
    if inventory.has_journal:
        taken_back = (*granting.assign(Roles()), granting.open_large_objects())
        steps.append(Step("duties", taken_back, ("nobody has a duty any more",)))
        steps += plan_protect(dialect.with_roles(Roles(), inventory.state), inventory, {}).steps
    if names:
        dropped = [statement for name in names for statement in granting.drop(name)]
        steps.append(Step("roles", dialect.batch(dropped), tuple(f"drop role {name}" for name in names)))
    return Plan(tuple(steps), (), inventory)


def not_owned(inventory: Inventory, roles: Roles, schemas: Sequence[str] = ()) -> list[TableName]:
    """The protected tables, and parts of them, that do not belong to the owner."""
    tables = [each for each in protections_of(inventory) if not schemas or each.schema in schemas]
    parts = [part for name in tables for part in (name, *inventory.tables[name].children)]
    return [each for each in dict.fromkeys(parts) if inventory.tables[each].owner != roles.owner]


def granting_of(dialect: Dialect) -> Granting:
    """HF324 where the database has no roles."""
    if dialect.granting is None:
        raise UnsupportedError(
            "HF324",
            f"{dialect.title} has no roles: whoever opens the file may do anything with it.",
            "Keep the file where only the application can open it.",
        )
    return dialect.granting


def check(roles: Roles, longest: int) -> None:
    """HF321 where a role is to have two duties, HF323 where its name is too long."""
    duties: dict[str, str] = {}
    for duty, name in roles.by_duty().items():
        if name in duties:
            raise DeclarationError(
                "HF321",
                f"The role {name!r} cannot be both {duties[name]} and {duty}: each would have the rights of the other.",
                "Name another role for one of them.",
            )
        if len(name.encode()) > longest:
            raise DeclarationError("HF323", f"The name of the role {name!r} is too long.", "Give a shorter --prefix.")
        duties[name] = duty


def _views(inventory: Inventory, table: TableName) -> list[str]:
    return [each.name for each in inventory.installed if each.kind == "view" and each.table == table]
