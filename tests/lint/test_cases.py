"""Every dangerous form is found, and no safe one is reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.alembic.linting import Asked, read_revisions
from holdfast.lint import check, lint_sql, server_for
from holdfast.lint.checking import Report
from holdfast.lint.configuration import Configuration
from holdfast.lint.history import History
from tests.lint.environments import CASES, HERE, expected, write_environment

FILES = sorted((HERE / "cases").rglob("*.sql"))


def loud(report: Report) -> set[str]:
    return {each.rule for each in report.findings if each.severity in ("error", "warning")}


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_a_file_of_sql(file: Path) -> None:
    text = file.read_text()
    settings, wanted = expected(text)
    server = server_for(settings.get("database", "postgresql"), settings.get("server-version"))

    found = loud(lint_sql(text, server))

    if file.parent.name == "safe":
        assert found == set()
    else:
        assert wanted
        assert wanted <= found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_a_revision(case: Path, tmp_path: Path) -> None:
    text = case.read_text()
    _, wanted = expected(text)
    configuration = write_environment(tmp_path, text)

    server, migrations = read_revisions(configuration, Asked(targets=("base0:case",)))
    report = check(migrations, History(server), Configuration())

    if case.stem.startswith("safe_"):
        assert loud(report) == set()
    else:
        assert wanted
        assert wanted <= loud(report)
    assert all(each.file.endswith("r0.py") and text.splitlines()[each.line - 1].strip() for each in report.findings)
