"""Runs the blocks of a page in a folder of its own, against real databases."""

from __future__ import annotations

import argparse
import contextlib
import difflib
import importlib
import io
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import sqlalchemy
from alembic.config import CommandLine, Config
from click.testing import CliRunner

from holdfast.cli import main
from holdfast.database import Database
from holdfast.errors import HoldfastError
from tests.docs.blocks import Block
from tests.servers import available

HERE = Path(__file__).parent
# sqlite3 of the command line is not on every machine; Python's own SQLite then answers in its format.
SQLITE3 = f"""\
#!{sys.executable}
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
sql = sys.argv[2] if len(sys.argv) > 2 else sys.stdin.read()
statement = ""
try:
    for line in sql.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement) or line is sql.splitlines(keepends=True)[-1]:
            for row in connection.execute(statement):
                print("|".join("" if value is None else str(value) for value in row))
            statement = ""
except sqlite3.Error as error:
    sys.exit(f"Error: {{error}}")
"""
VOLATILE = (
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?( ?UTC|Z| ?[+-]\d\d(:?\d\d)?)?", "<time>"),
    (r"\b\d+(\.\d+)? ?m?s\b", "<duration>"),
    (r"(postgresql(\+psycopg)?|sqlite)://[^\s'\"]+", "<url>"),
    (r"holdfast_test_[0-9a-f]{12}", "shop"),
    (r"\bx\d{3,}\b", "<xid>"),
    (r"\b\d+ (function|trigger|object)s?\b", r"<n> \1s"),
    (r"[ \t]+", " "),
    (r"[─━-]{4,}", "----"),
)


# Nothing in it is for the shell, but for a file that it writes.
_PLAIN = re.compile(r"""(holdfast (?:[-\w ./:,=]|"[-\w ./:,=]*")*?)(?: > ([-\w.]+))?""")
_SCRIPT = re.compile(r"python (\w+\.py)")
_ALEMBIC = re.compile(r"""(alembic [-\w "]*?)( > /dev/null)?""")
# What one command leaves behind for the next.
_STATE = re.compile(r"export |cd |\w+=")

UPDATING = bool(os.environ.get("HOLDFAST_UPDATE_DOCS"))
"""Whether what a console block shows is written anew; a block with ``...`` is left to its author."""


class Runner:
    """The state of one page: its folder, its database, its Python names, and what was printed last."""

    def __init__(
        self, folder: Path, variant: str | None, new_postgresql: Callable[[], str], environment: dict[str, str]
    ) -> None:
        self.folder = folder
        self.variant = variant
        self.new_postgresql = new_postgresql
        self.environment = environment
        self.printed = ""
        self.names: dict[str, Any] = {"__name__": "__main__"}
        self.url = ""
        self.rewritten = ""
        """The console block that was run last, with what it printed this time."""

    def run(self, block: Block) -> str | None:
        if "not run" in block.marks:
            return None if len(block.marks["not run"]) > 10 else "Say why the block is not run."
        if "output" in block.marks:
            return differs(block.source, self.printed)
        if "file" in block.marks:
            (self.folder / block.marks["file"]).write_text(block.source)
            return None
        actions: dict[str, Callable[[Block], str | None]] = {
            "database": self.database,
            "shop": lambda _: self.sql((HERE / "shop.sql").read_text()),
            "setup": lambda block: self.sql(block.source),
            "sql": self.sql_block,
            "python": self.python,
            "bash": self.bash,
            "console": self.console,
        }
        if block.language not in actions:
            return f"A block of {block.language or 'no language'}: mark it as output, as a file, or as not run."
        return actions[block.language](block)

    # ------------------------------------------------------------------ databases

    def database(self, block: Block) -> None:
        kind = self.variant or block.source
        if kind == "sqlite":
            (self.folder / "shop.db").unlink(missing_ok=True)
            (self.folder / "shop.db").touch()
            self.url = "sqlite:///shop.db"
        else:
            self.url = self.new_postgresql()
            url = sqlalchemy.make_url(self.url)
            parts = {"PGHOST": url.host, "PGPORT": url.port, "PGUSER": url.username, "PGDATABASE": url.database}
            self.environment |= {name: str(part) for name, part in parts.items()}
            self.environment["PGPASSWORD"] = url.password or ""
        self.environment["HOLDFAST_URL"] = self.url.replace("+psycopg", "")

    def sql(self, text: str) -> str | None:
        """The statements, as one transaction, by a client that knows nothing of holdfast."""
        with contextlib.closing(Database(self.url).engine.raw_connection()) as connection:
            driver: Any = connection.driver_connection
            if self.url.startswith("sqlite"):
                driver.executescript(f"begin;\n{text}\n;commit;")
            else:
                driver.execute(text)
                driver.commit()
        return None

    def sql_block(self, block: Block) -> str | None:
        return self.expecting(block, lambda: self.sql(block.source))

    # ------------------------------------------------------------------ languages

    def python(self, block: Block) -> str | None:
        def run() -> None:
            exec(compile(block.source, "<block>", "exec", dont_inherit=True), self.names)

        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            problem = self.expecting(block, run)
        self.printed = printed.getvalue()
        return problem

    def expecting(self, block: Block, run: Callable[[], object]) -> str | None:
        code = block.marks.get("refused")
        try:
            run()
        except Exception as error:
            original = getattr(error, "orig", error)
            told = error.code if isinstance(error, HoldfastError) else getattr(original, "sqlstate", None)
            if code is None or code not in (told, str(original).split(":")[0]):
                raise
            self.printed = f"{original}\n"
            return None
        return None if code is None else f"The block should have been refused with {code}."

    def bash(self, block: Block) -> str | None:
        printed, code = self.script(block.source)
        self.printed = printed
        wanted = int(block.marks.get("exit", "0"))
        if code != wanted:
            return f"Ended with {code}, not {wanted}:\n{printed}"
        return None

    def script(self, source: str) -> tuple[str, int]:
        """What the lines print, and the exit code of the last or of the first that fails."""
        lines = source.splitlines()
        if not all(_PLAIN.fullmatch(line) or _ALEMBIC.fullmatch(line) for line in lines):
            result = self.shell(f"set -eu -o pipefail\n{source}")
            return result.stdout, result.returncode
        printed, code = "", "0"
        for line in lines:
            more, code = self.command(line)
            printed += more
            if code != "0":
                break
        return printed, int(code)

    def console(self, block: Block) -> str | None:
        """Each command after ``$ `` (continued after ``> ``) in one shell; exit 0 unless the page shows otherwise."""
        commands: list[tuple[str, str]] = []
        for line in block.source.splitlines():
            if line.startswith("$ "):
                commands.append((line[2:], ""))
            elif line.startswith("> ") and not commands[-1][1]:
                commands[-1] = (f"{commands[-1][0]}\n{line[2:]}", "")
            else:
                commands[-1] = (commands[-1][0], f"{commands[-1][1]}{line}\n")
        last = int(block.marks.get("exit", "0"))
        if any(_STATE.match(command) for command, _ in commands):
            told = "__rc=$?; printf '\\036%s\\036' $__rc; (exit $__rc)"
            pieces = self.shell("".join(f"{command}\n{told}\n" for command, _ in commands)).stdout.split("\036")
        else:
            pieces = []
            for command, _ in commands:
                pieces += (f"{pieces[-1]}\n", "0") if command == "echo $?" else self.command(command)
        shown = ""
        for number, (command, wanted) in enumerate(commands):
            if len(pieces) < 2 * number + 2:
                return f"$ {command}\nThe shell stopped:\n{pieces[-1]}"
            printed, code = pieces[2 * number], int(pieces[2 * number + 1])
            if problem := differs(wanted, printed):
                if not UPDATING or "..." in wanted:
                    return f"$ {command}\n{problem}"
                wanted = presentable(printed)
            shown += "$ " + command.replace("\n", "\n> ") + f"\n{wanted}"
            following = commands[number + 1][0] if number + 1 < len(commands) else ""
            expected = last if number + 1 == len(commands) else 0
            if code != expected and following != "echo $?":
                return f"$ {command}\nEnded with {code}, not {expected}."
            self.printed = printed
        self.rewritten = shown
        return None

    def command(self, command: str) -> tuple[str, str]:
        """What it prints, and its exit code."""
        if _PLAIN.fullmatch(command):
            return self.holdfast(command)
        if script := _SCRIPT.fullmatch(command):
            return self.as_process(lambda: runpy.run_path(script[1], run_name="__main__"))
        if alembic := _ALEMBIC.fullmatch(command):
            printed, code = self.as_process(lambda: _Alembic("alembic").main(shlex.split(alembic[1])[1:]))
            return "" if alembic[2] else printed, code
        result = self.shell(command)
        return result.stdout, str(result.returncode)

    def as_process(self, run: Callable[[], object]) -> tuple[str, str]:
        """The same of a program in Python; what it imported of the page is forgotten, as if its process had ended."""
        printed, code = io.StringIO(), "0"
        modules, path = set(sys.modules), list(sys.path)
        opened: list[Any] = []

        def note(connection: Any, _: object) -> None:
            opened.append(connection)

        importlib.invalidate_caches()
        sys.path.insert(0, str(self.folder))
        sqlalchemy.event.listen(sqlalchemy.Pool, "connect", note)
        try:
            with _only(self.environment), contextlib.redirect_stdout(printed):
                run()
        except SystemExit as exit_:
            code = str(int(exit_.code or 0) & 0xFF)
        except Exception:
            traceback.print_exc(file=printed)
            code = "1"
        finally:
            sqlalchemy.event.remove(sqlalchemy.Pool, "connect", note)
            sys.path[:] = path
            # Alembic looks there, and it is another folder for each page.
            sys.path_importer_cache.pop(".", None)
            for each in set(sys.modules) - modules:
                if str(getattr(sys.modules[each], "__file__", "")).startswith(str(self.folder)):
                    del sys.modules[each]
            for connection in opened:
                connection.close()
        return printed.getvalue(), code

    def holdfast(self, command: str) -> tuple[str, str]:
        """The same, run here, since a process takes most of a second to start."""
        plain = _PLAIN.fullmatch(command)
        assert plain is not None
        with _only(self.environment):
            result = CliRunner().invoke(main, shlex.split(plain[1])[1:], prog_name="holdfast")
        if plain[2] is None:
            return result.output, str(result.exit_code)
        (self.folder / plain[2]).write_text(result.stdout)
        return result.stderr, str(result.exit_code)

    def shell(self, script: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=90,
        )


class _Alembic(CommandLine):
    def run_cmd(self, config: Config, options: argparse.Namespace) -> None:
        """Printed to what is standard output now, not when Alembic was imported."""
        config.stdout = sys.stdout
        super().run_cmd(config, options)


@contextlib.contextmanager
def _only(environment: dict[str, str]) -> Iterator[None]:
    """That environment and no other, its time zone included."""
    before = dict(os.environ)
    try:
        os.environ.clear()
        os.environ.update(environment)
        time.tzset()
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        time.tzset()


def environment(folder: Path) -> dict[str, str]:
    """What a reader's shell has: holdfast, psql and sqlite3 on the path, no settings of ours, and no terminal."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "HOLDFAST_"))}
    programs = folder.parent / f"{folder.name}-bin"
    programs.mkdir()
    path = [str(programs), str(Path(sys.executable).parent), *map(str, list(available().values())[:1])]
    path.append(kept["PATH"])
    if shutil.which("sqlite3") is None:
        (programs / "sqlite3").write_text(SQLITE3)
        (programs / "sqlite3").chmod(0o755)
    # An undo is by whoever the account is, and times are shown in the local zone.
    fixed = {"LOGNAME": "ada", "TZ": "UTC", "LC_ALL": "C.UTF-8", "COLUMNS": "100", "NO_COLOR": "1", "PAGER": "cat"}
    return {**kept, **fixed, "PATH": os.pathsep.join(path)}


def differs(wanted: str, printed: str) -> str | None:
    """How the two differ, beside what is another every time; ``...`` stands for anything."""
    left, right = (comparable(text) for text in (wanted, printed))
    pattern = ".*?".join(re.escape(part) for part in left.split("..."))
    if re.fullmatch(pattern, right, re.DOTALL):
        return None
    lines = list(difflib.unified_diff(left.splitlines(), right.splitlines(), "the page", "printed", lineterm=""))
    return "\n".join([*lines[:40], "", "Printed, the last lines:", *printed.splitlines()[-30:]])


def presentable(printed: str) -> str:
    """What was printed, with the names that a reader would have."""
    text = re.sub(r"(postgresql(?:\+psycopg)?)://\S+/holdfast_test_[0-9a-f]{12}", r"\1://owner@localhost/shop", printed)
    text = re.sub(r"holdfast_test_[0-9a-f]{12}", "shop", text)
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def comparable(text: str) -> str:
    for pattern, name in VOLATILE:
        text = re.sub(pattern, name, text)
    return "\n".join(line.strip() for line in text.strip().splitlines())
