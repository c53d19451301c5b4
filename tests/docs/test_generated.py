"""What the pages take from the code is what the code says. HOLDFAST_UPDATE_DOCS=1 writes it anew."""

from __future__ import annotations

import importlib
import inspect
import os
import re
from collections.abc import Callable
from dataclasses import fields

import pytest
from click.testing import CliRunner

from holdfast import cli
from holdfast.cli import main
from holdfast.dialects.features import Features
from holdfast.guarantees import QUESTIONS, table
from tests.docs.blocks import ROOT

ERROR_PAGES = ROOT / "src" / "holdfast" / "cli" / "pages"
COMMANDS = (
    *("", "demo", "protect", "unprotect", "status", "log", "show", "tail", "undo", "versions", "revert", "as-of"),
    *("maintain", "migrate", "purge", "hold", "erase", "seal", "verify", "lint", "roles", "doctor"),
    *("tenants", "permissions", "sign", "explain"),
)


def help_of(*command: str) -> str:
    shown = CliRunner().invoke(main, [*command, "--help"], prog_name="holdfast", terminal_width=80)
    assert shown.exit_code == 0
    return shown.stdout.strip()


def command_line() -> str:
    """The help of every command."""
    parts = []
    for command in COMMANDS:
        title = f"holdfast {command}".strip()
        parts.append(
            f"## {title}\n\n<!-- not run: compared with the program itself by tests/docs -->\n\n"
            f"```text\n$ {title} --help\n{help_of(*command.split())}\n```\n"
        )
    return "\n".join(parts)


def errors() -> str:
    """Every code with its title, and the page that ``holdfast explain`` prints."""
    lines = ["| code | |", "|---|---|"]
    for page in sorted(ERROR_PAGES.glob("HF*.md")):
        title = page.read_text().splitlines()[0].removeprefix(f"# {page.stem}: ")
        lines.append(f"| [{page.stem}](../../{page.relative_to(ROOT)}) | {title} |")
    return "\n".join(lines) + "\n"


def names_of(module: str) -> str:
    """Every public name with its signature and what it guarantees."""
    parts = []
    names = importlib.import_module(module)
    for name in names.__all__:
        each = getattr(names, name)
        if not callable(each):
            continue
        signature = "" if inspect.isclass(each) else f"`{name}{_signature(each)}`\n\n"
        text = re.split(r"\n\n *>>>", inspect.getdoc(each) or "")[0].strip()
        parts.append(f"### {name}\n\n{signature}{text.replace('``', '`')}\n")
    return "\n".join(parts)


def _signature(function: Callable[..., object]) -> str:
    parameters = []
    for each in inspect.signature(function).parameters.values():
        default = "" if each.default is each.empty else f"={each.default!r}"
        stars = {each.VAR_POSITIONAL: "*", each.VAR_KEYWORD: "**"}.get(each.kind, "")
        if each.kind is each.KEYWORD_ONLY and not any(one.startswith("*") for one in parameters):
            parameters.append("*")
        parameters.append(f"{stars}{each.name}{default}")
    return f"({', '.join(parameters)})"


@pytest.mark.parametrize(
    "page, name, render",
    [
        ("docs/reference/guarantees.md", "guarantees", table),
        ("docs/reference/command-line.md", "help", command_line),
        ("docs/reference/errors.md", "errors", errors),
        ("docs/reference/sqlalchemy.md", "names", lambda: names_of("holdfast.sqlalchemy")),
        ("docs/reference/testing.md", "names", lambda: names_of("holdfast.testing")),
    ],
)
def test_generated_parts_are_current(page: str, name: str, render: Callable[[], str]) -> None:
    path = ROOT / page
    text = path.read_text()
    begin, end = f"<!-- generated: {name} -->\n", f"<!-- end: {name} -->"
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    wanted = f"{before}{begin}\n{render()}\n{end}{after}"
    if os.environ.get("HOLDFAST_UPDATE_DOCS"):
        path.write_text(wanted)

    assert path.read_text() == wanted, "run: HOLDFAST_UPDATE_DOCS=1 pytest tests/docs/test_generated.py"


def test_every_command_has_its_help_on_the_page() -> None:
    assert set(COMMANDS) == {"", *cli.COMMANDS}


def test_every_code_in_the_source_has_its_page() -> None:
    source = "".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    raised = set(re.findall(r"[\"']HF\d{3}[\"']", source))

    assert {code.strip("\"'") for code in raised} <= {page.stem for page in ERROR_PAGES.glob("HF*.md")}


def test_every_question_of_features_is_put_into_words() -> None:
    assert set(QUESTIONS) == {field.name for field in fields(Features)} - {"reasons"}
