"""The linter and squawk on the same cases: what each finds, and what it reports that is safe.

python -m bench.lint [--squawk PATH]

squawk is a development tool here: pip install squawk-cli, or the program's path.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from holdfast.alembic.linting import Asked, read_revisions
from holdfast.lint import check, lint_sql, server_for
from holdfast.lint.checking import Migration
from holdfast.lint.configuration import Configuration
from holdfast.lint.history import History
from tests.lint.environments import CASES, HERE, expected, write_environment

# These are about how a file is written and run, whatever is in it, so each case would have them. Ours are infos.
STYLE = (
    *("require-timeout-settings", "prefer-robust-stmts", "prefer-text-field", "prefer-bigint-over-int"),
    *("prefer-bigint-over-smallint", "prefer-identity", "prefer-timestamptz", "require-enum-value-ordering"),
)


@dataclass(frozen=True)
class Case:
    name: str
    sql: str
    dangerous: bool
    found: bool
    """Whether we report an error or a warning."""
    version: str = "18"


def cases() -> Iterable[Case]:
    for file in sorted((HERE / "cases").rglob("*.sql")):
        text = file.read_text()
        settings, _ = expected(text)
        if settings.get("database", "postgresql") != "postgresql":
            continue
        version = settings.get("server-version", "18")
        report = lint_sql(text, server_for("postgresql", version))
        yield Case(file.stem, text, file.parent.name == "dangerous", report.failed(strict=True), version)
    for file in CASES:
        if file.stem == "safe_allowed":
            # Dangerous, and allowed by a comment of ours.
            continue
        with tempfile.TemporaryDirectory() as folder:
            configuration = write_environment(Path(folder), file.read_text())
            server, migrations = read_revisions(configuration, Asked(targets=("base0:case",)))
        report = check(migrations, History(server), Configuration())
        sql = script(migrations[-1])
        yield Case(file.stem, sql, not file.stem.startswith("safe_"), report.failed(strict=True))


def script(migration: Migration) -> str:
    """What ``alembic upgrade --sql`` would write of the revision."""
    lines, inside = [], False
    for statement in migration.statements:
        if (statement.transaction is not None) != inside and statement.words:
            inside = not inside
            lines.append("BEGIN;" if inside else "COMMIT;")
        if statement.words:
            lines.append(f"{statement.text};")
    return "\n".join([*lines, *(["COMMIT;"] if inside else [])]) + "\n"


def squawk(program: str, case: Case) -> bool:
    """Whether squawk reports anything but style."""
    excluded = [f"--exclude={name}" for name in STYLE]
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(case.sql)
        file.flush()
        command = [program, "--reporter=json", f"--pg-version={case.version}", *excluded, file.name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    return bool(json.loads(done.stdout or "[]"))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.lint", description=__doc__)
    parser.add_argument("--squawk", default=shutil.which("squawk"), metavar="PATH")
    chosen = parser.parse_args()
    counted = list(cases())
    dangerous, safe = [each for each in counted if each.dangerous], [each for each in counted if not each.dangerous]
    print(f"{len(dangerous)} dangerous, {len(safe)} safe; written by the author of the rules: an upper bound.")
    print(f"holdfast: {sum(each.found for each in dangerous)} found, {sum(each.found for each in safe)} false alarms")
    if chosen.squawk is None:
        print("squawk is not installed: pip install squawk-cli")
        return
    answers = {each: squawk(chosen.squawk, each) for each in counted}
    print(f"squawk:   {sum(answers[each] for each in dangerous)} found, ", end="")
    print(f"{sum(answers[each] for each in safe)} false alarms")
    print("\nOnly holdfast finds: " + ", ".join(each.name for each in dangerous if each.found and not answers[each]))
    print("\nOnly squawk reports, though safe: " + ", ".join(each.name for each in safe if answers[each]))


if __name__ == "__main__":
    main()
