"""What is found: plain data, whoever finds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Severity = Literal["off", "info", "warning", "error"]
Source = Literal["rule", "trace", "both"]

SEVERITIES: tuple[Severity, ...] = ("off", "info", "warning", "error")


@dataclass(frozen=True, slots=True)
class Finding:
    """One statement, and what one rule, or the server itself, says against it."""

    rule: str
    severity: Severity
    message: str
    fix: str
    file: str
    line: int
    statement: str
    object: str = ""
    """The table, index or constraint that it is about."""
    migration: str = ""
    """The revision, or the file."""
    source: Source = "rule"

    def as_json(self) -> dict[str, Any]:
        return {
            "rule": self.rule,
            "severity": self.severity,
            "message": self.message,
            "fix": self.fix,
            "file": self.file,
            "line": self.line,
            "statement": self.statement,
            "object": self.object,
            "migration": self.migration,
            "source": self.source,
        }
