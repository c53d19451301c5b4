"""The step of a plan that makes the journal, or brings it up to date; and what protection does not withstand here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from holdfast import __version__
from holdfast.dialects.base import Dialect
from holdfast.errors import DriftError, UnsupportedError
from holdfast.inventory import Inventory
from holdfast.objects import DatabaseObject, InstalledObject
from holdfast.steps import Installed, Step, is_current


def journal_step(
    dialect: Dialect, inventory: Inventory, roles_apart: bool | None
) -> tuple[Step | None, Dialect, tuple[str, ...]]:
    """What the journal itself needs, the dialect that knows its owner, and what is weaker than it could be."""
    state = inventory.state
    if inventory.has_journal:
        apart = state.get("journal_owner") == "holdfast"
    else:
        _check_may_create(state)
        possible = bool(state["may_create_role"] or state["role_exists"]) and bool(state["role_usable"])
        apart = dialect.features.journal_owner and (possible if roles_apart is None else roles_apart)
    notes = weaknesses(dialect, state, apart=apart)
    if apart:
        dialect = dialect.with_owner("holdfast")
    if not inventory.has_journal:
        return _journal(dialect, apart, ["create the journal"]), dialect, notes
    objects = dialect.journal_objects()
    actions, dropped = _needed(objects, {each.identity: each for each in inventory.installed})
    wanted = {each.identity for each in objects}
    left = [each for each in inventory.installed if _is_left(each) and each.identity not in wanted]
    actions += [f"drop {each.kind} {each.name}" for each in left]
    if not actions:
        return None, dialect, notes
    step = _journal(dialect, apart, actions)
    dropped += [statement for each in left for statement in dialect.drop_installed(each)]
    return replace(step, statements=(*dialect.batch(dropped), *step.statements)), dialect, notes


def _needed(objects: Iterable[DatabaseObject], installed: Installed) -> tuple[list[str], list[str]]:
    """What is to be made, for people, and what is dropped before; HF305 for a table, which holds the history."""
    actions: list[str] = []
    dropped: list[str] = []
    tables = False
    for each in objects:
        there = installed.get(each.identity)
        if is_current(each, there):
            continue
        if each.kind == "table" and there is not None:
            if there.altered:
                raise DriftError(
                    "HF305",
                    f"The journal's table {each.name} was altered, which only its maker can mend.",
                    "Give it back the columns and keys that it had.",
                )
            tables = True
            continue
        if there is not None and not there.replaceable:
            dropped += each.drop
        actions.append(f"{'replace' if there else 'create'} {each.kind} {each.name}")
    return ["write down the journal's tables", *actions] if tables else actions, dropped


def _is_left(each: InstalledObject) -> bool:
    """What of the journal's own comes and goes: the policies of roles that work for one tenant at a time."""
    return each.kind == "policy" and not each.per_table


def _journal(dialect: Dialect, apart: bool, actions: Sequence[str]) -> Step:
    return Step("journal", dialect.batch(dialect.install_journal(__version__, apart)), tuple(actions))


def _check_may_create(state: Mapping[str, object]) -> None:
    if not state.get("may_create_schema", True):
        raise UnsupportedError(
            "HF404",
            f"The role {state.get('role')!r} may not create a schema in this database.",
            "Connect as the database's owner, or have it say: GRANT CREATE ON DATABASE … TO ….",
        )


def weaknesses(dialect: Dialect, state: Mapping[str, object], *, apart: bool) -> tuple[str, ...]:
    """What protection does not withstand here, and what would make it stronger."""
    if not dialect.features.journal_owner:
        return (f"{dialect.title}: {dialect.features.reasons['journal_owner']}.",)
    if apart:
        return ()
    weaker = (
        f"The journal belongs to {state.get('journal_owner') or state.get('role')!r}, the role in use: whoever "
        "connects as that role can rewrite history and switch protection off. With a role that may create roles, "
        "holdfast keeps the two apart."
    )
    return (weaker,)
