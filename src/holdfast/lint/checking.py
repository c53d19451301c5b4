"""Migrations against the rules: what is found, what is allowed, what could not be read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from holdfast.lint.actions import Statement
from holdfast.lint.configuration import Configuration
from holdfast.lint.findings import Finding
from holdfast.lint.history import History
from holdfast.lint.rules import Checked, rules

UNREADABLE = "unreadable-statement"
UNUSED = "unused-allow"


@dataclass(frozen=True, slots=True)
class Migration:
    """A revision or a file. ``checked`` is False for one that has long been run and only tells what is there."""

    name: str
    statements: tuple[Statement, ...]
    checked: bool = True


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that was found, in the order of the statements."""

    findings: tuple[Finding, ...]
    migrations: int
    statements: int

    @property
    def unreadable(self) -> bool:
        """Whether something could not be checked, and so is no pass."""
        return any(each.rule == UNREADABLE for each in self.findings)

    def failed(self, *, strict: bool = False) -> bool:
        """Whether there is an error; with ``strict`` a warning will do."""
        wanted = {"error", "warning"} if strict else {"error"}
        return any(each.severity in wanted for each in self.findings)

    def as_json(self) -> dict[str, Any]:
        return {
            "migrations": self.migrations,
            "statements": self.statements,
            "findings": [each.as_json() for each in self.findings],
        }


def check(
    migrations: Iterable[Migration], history: History, configuration: Configuration, further: Iterable[Finding] = ()
) -> Report:
    """What the rules say of the migrations, one after another; those not ``checked`` add to the history alone.

    ``further`` is what was found otherwise, about the same statements: comments and configuration hold for it as well.
    What both found is said once, as the rule says it, with the source "both".
    """
    applying = [each for each in rules().values() if each.rule.applies_to(history.server)]
    findings: list[Finding] = []
    allowed = _Allowed()
    checked = statements = 0
    for migration in migrations:
        if migration.checked and not history.checked:
            history.forget_session()
        history.checked = migration.checked
        history.begin(migration.name)
        found = list(_migration(migration.statements, history, applying))
        if migration.checked:
            checked += 1
            statements += len(migration.statements)
            allowed.learn(migration.statements)
            findings += found
    findings += [each for rule in applying for each in rule.finish_all(history) if allowed.knows(each)]
    kept = allowed.without(_judged(_together(findings, further), configuration))
    unused = _judged(allowed.unused(), configuration)
    return Report(tuple(_ordered([*kept, *unused])), checked, statements)


def _migration(statements: Sequence[Statement], history: History, applying: Sequence[Checked]) -> Iterable[Finding]:
    for statement in statements:
        history.arrive(statement)
        for each in applying:
            yield from each.check(statement, history)
        history.add(statement)
    for each in applying:
        yield from each.finish(history)


def _together(findings: Sequence[Finding], further: Iterable[Finding]) -> list[Finding]:
    """What two ways found is said once."""

    def place(finding: Finding) -> tuple[str, int, str, str]:
        return (finding.file, finding.line, finding.statement, finding.rule)

    by_rule = {place(each) for each in findings}
    others = list(further)
    confirmed = {place(each) for each in others}
    result = [replace(each, source="both") if place(each) in confirmed else each for each in findings]
    return [*result, *(each for each in others if place(each) not in by_rule)]


def _judged(findings: Iterable[Finding], configuration: Configuration) -> list[Finding]:
    judged = [replace(each, severity=configuration.severity_of(each.rule, each.severity)) for each in findings]
    return list(dict.fromkeys(each for each in judged if each.severity != "off"))


def _ordered(findings: Sequence[Finding]) -> list[Finding]:
    """By line within a file; the files in the order in which they came."""
    files = {each.file: at for at, each in reversed(list(enumerate(findings)))}
    return sorted(findings, key=lambda each: (files[each.file], each.line))


class _Allowed:
    """Which comments allow what, and which of them were needed."""

    def __init__(self) -> None:
        self.statements: dict[tuple[str, int, str], Statement] = {}
        self.used: set[tuple[tuple[str, int, str], str]] = set()

    def learn(self, statements: Iterable[Statement]) -> None:
        for each in statements:
            self.statements[(each.file, each.line, each.text)] = each

    def knows(self, finding: Finding) -> bool:
        """Whether it is about a statement that is checked."""
        return (finding.file, finding.line, finding.statement) in self.statements

    def without(self, findings: Iterable[Finding]) -> list[Finding]:
        """The findings that no comment allows."""
        kept = []
        for finding in findings:
            key = (finding.file, finding.line, finding.statement)
            statement = self.statements.get(key)
            if statement is not None and any(allow.rule == finding.rule for allow in statement.allows):
                self.used.add((key, finding.rule))
            else:
                kept.append(finding)
        return kept

    def unused(self) -> list[Finding]:
        """A comment that several statements of one place share is needed if one of them needs it."""
        used = {(key[0], key[1], rule) for key, rule in self.used}
        used |= {(file, 0, rule) for file, _, rule in used}
        rule = rules()[UNUSED].rule
        found = []
        for key, statement in self.statements.items():
            for allow in statement.allows:
                place = (key[0], 0 if allow.whole else key[1], allow.rule)
                if place not in used and not (allow.rule in rules() and rules()[allow.rule].rule.of_database):
                    used.add(place)
                    known = "Nothing of it is found here." if allow.rule in rules() else "There is no such rule."
                    found.append(rule.finding(statement, allow.rule, f"{allow.rule} is allowed: {known}"))
        return found
