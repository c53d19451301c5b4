"""A report for machines: annotations of GitHub, and SARIF."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from holdfast.lint.checking import Report
from holdfast.lint.findings import Finding
from holdfast.lint.rules import rules

_GITHUB = {"error": "error", "warning": "warning", "info": "notice"}
_SARIF = {"error": "error", "warning": "warning", "info": "note"}


def github(report: Report) -> Iterator[str]:
    """A line for each finding, which GitHub shows at its place in the pull request."""
    for each in report.findings:
        place = f"file={_property(each.file)},line={each.line},title={_property(each.rule)}"
        yield f"::{_GITHUB[each.severity]} {place}::{_data(f'{each.message} {each.fix}')}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def sarif(report: Report, version: str) -> dict[str, Any]:
    """SARIF 2.1.0, for code scanning."""
    named = sorted({each.rule for each in report.findings})
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {"name": "holdfast", "version": version, "rules": [_described(name) for name in named]}
                },
                "results": [_result(each, named.index(each.rule)) for each in report.findings],
            }
        ],
    }


def _described(name: str) -> dict[str, Any]:
    checked = rules().get(name)
    if checked is None:
        return {"id": name}
    return {
        "id": name,
        "shortDescription": {"text": checked.rule.title},
        "fullDescription": {"text": " ".join(checked.problem.split())},
        "help": {"text": checked.rule.fix},
        "defaultConfiguration": {"level": _SARIF.get(checked.rule.severity, "none")},
    }


def _result(finding: Finding, index: int) -> dict[str, Any]:
    return {
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": _SARIF[finding.severity],
        "message": {"text": f"{finding.message} {finding.fix}"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": finding.file},
                    "region": {"startLine": finding.line},
                }
            }
        ],
    }
