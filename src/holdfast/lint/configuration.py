"""``[tool.holdfast.lint]`` in ``pyproject.toml``.

[tool.holdfast.lint]
database = "postgresql"          # or sqlite, mysql, mariadb, mssql
server-version = "15"
runner = "holdfast"              # what runs the migrations: it sets lock_timeout, and a transaction for each
in-transaction = true            # whatever runs files of SQL does so in one transaction
disable = ["drop-column"]

[tool.holdfast.lint.severity]
missing-lock-timeout = "error"   # off, info, warning or error
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from holdfast.errors import HoldfastError
from holdfast.lint.findings import SEVERITIES, Severity
from holdfast.lint.rules import rules

_KEYS = {
    "database": str,
    "server-version": str,
    "runner": str,
    "in-transaction": bool,
    "disable": list,
    "severity": dict,
}
_RUNNERS = ("alembic", "holdfast")


@dataclass(frozen=True, slots=True)
class Configuration:
    """What the project says; empty where it says nothing."""

    database: str | None = None
    server_version: str | None = None
    runner: str = "alembic"
    in_transaction: bool = False
    severities: Mapping[str, Severity] = field(default_factory=dict)

    def severity_of(self, rule: str, severity: Severity) -> Severity:
        """What the project makes of a finding; what a rule itself found to be milder stays milder."""
        if rule not in self.severities:
            return severity
        chosen = self.severities[rule]
        standard = rules()[rule].rule.severity
        if severity == standard or SEVERITIES.index(chosen) < SEVERITIES.index(severity):
            return chosen
        return severity


def read(path: Path) -> Configuration:
    """The file's section, checked; HF444 says what is wrong in it."""
    if not path.is_file():
        return Configuration()
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise HoldfastError("HF444", f"{path} is not TOML: {error}.", "Mend that line.") from error
    section: Any = document
    for name in ("tool", "holdfast", "lint"):
        section = section.get(name, {}) if isinstance(section, dict) else {}
    return configured(section if isinstance(section, dict) else {})


def configured(section: Mapping[str, Any]) -> Configuration:
    for key, value in section.items():
        if key not in _KEYS:
            raise _wrong(f"[tool.holdfast.lint] has an unknown key {key!r}.", f"There are: {', '.join(_KEYS)}.")
        if not isinstance(value, _KEYS[key]):
            raise _wrong(f"{key} in [tool.holdfast.lint] is of the wrong type.", "See docs/how-to/lint-migrations.md.")
    if section.get("runner", "alembic") not in _RUNNERS:
        raise _wrong(f"There is no runner {section['runner']!r}.", f"There are: {', '.join(_RUNNERS)}.")
    severities: dict[str, Severity] = {}
    for name, chosen in section.get("severity", {}).items():
        severities[known_rule(name)] = _severity(chosen)
    for name in section.get("disable", []):
        severities[known_rule(name)] = "off"
    return Configuration(
        database=section.get("database"),
        server_version=section.get("server-version"),
        runner=section.get("runner", "alembic"),
        in_transaction=section.get("in-transaction", False),
        severities=severities,
    )


def known_rule(name: Any) -> str:
    if not isinstance(name, str) or name not in rules():
        raise _wrong(f"There is no rule {name!r}.", "holdfast lint --rules lists them.")
    return name


def _severity(chosen: Any) -> Severity:
    for severity in SEVERITIES:
        if chosen == severity:
            return severity
    raise _wrong(f"There is no severity {chosen!r}.", f"There are: {', '.join(SEVERITIES)}.")


def _wrong(message: str, hint: str) -> HoldfastError:
    return HoldfastError("HF444", message, hint)
