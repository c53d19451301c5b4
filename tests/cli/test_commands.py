"""The commands that there are, and what importing costs."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

import holdfast
from tests.cli.conftest import Shell

COMMANDS = [
    *("demo", "protect", "unprotect", "status", "log", "show", "tail", "undo", "versions", "revert", "as-of"),
    *("maintain", "migrate", "purge", "hold", "erase", "seal", "verify", "lint", "sign", "explain"),
    *("doctor", "permissions", "roles", "tenants"),
]


def test_the_help_lists_every_command_and_the_exit_codes() -> None:
    outcome = Shell(None)("--help")
    assert outcome.code == 0
    assert re.findall(r"^  ([\w-]+)  ", outcome.out.partition("Commands:")[2], re.MULTILINE) == sorted(COMMANDS)
    assert "130 interrupted" in outcome.out
    assert "_HOLDFAST_COMPLETE=bash_source" in outcome.out


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_its_help(command: str) -> None:
    assert Shell(None)(command, "--help").out.startswith(f"Usage: holdfast {command}")


def test_the_version() -> None:
    assert Shell(None)("--version").out == f"holdfast {holdfast.__version__}\n"


def test_a_command_is_imported_when_it_is_asked_for() -> None:
    program = "import sys, holdfast.cli as c; c.main(['log', '--help'], standalone_mode=False); print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout.split()
    assert "holdfast.cli.log" in shown
    assert not {"holdfast.cli.lint", "holdfast.lint", "holdfast.cli.erase", "holdfast.cli.demo"} & set(shown)


def test_importing_the_library_brings_no_framework() -> None:
    unwanted = ["alembic", "asyncpg", "click", "django", "fastapi", "rich", "sqlalchemy.orm", "psycopg"]
    program = f"import sys, holdfast; print([each for each in {unwanted} if each in sys.modules])"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "[]\n"


def test_the_library_exports_at_most_twenty_names() -> None:
    assert len(holdfast.__all__) <= 20
    assert all(hasattr(holdfast, name) for name in holdfast.__all__)
    assert callable(holdfast.context)
    assert callable(holdfast.undo)
