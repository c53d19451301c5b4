"""Every rule, by its name. A rule is a module here: its RULE, its check, and what there is to say at the end."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from types import ModuleType

from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rule import Check, Finish, Rule


@dataclass(frozen=True, slots=True)
class Checked:
    """A rule with what it does: at each statement, at the end of each migration, and after the last one."""

    rule: Rule
    problem: str
    check: Check
    finish: Finish
    finish_all: Finish


@cache
def rules() -> dict[str, Checked]:
    """All of them, by name."""
    modules = [import_module(f"{__name__}.{each.name}") for each in pkgutil.iter_modules(__path__)]
    return {checked.rule.name: checked for checked in map(_checked, modules)}


def _checked(module: ModuleType) -> Checked:
    return Checked(
        rule=module.RULE,
        problem=(module.__doc__ or "").strip(),
        check=module.check,
        finish=getattr(module, "finish", _nothing),
        finish_all=getattr(module, "finish_all", _nothing),
    )


def _nothing(history: History) -> Iterable[Finding]:
    return ()
