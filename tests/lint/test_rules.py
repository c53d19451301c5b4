"""Each rule by the examples of its page, and the pages by the rules. HOLDFAST_UPDATE_DOCS=1 writes them anew."""

from __future__ import annotations

import os
import re
from pathlib import Path
from textwrap import dedent

import pytest

from holdfast.lint import lint_sql, server_for
from holdfast.lint.configuration import Configuration
from holdfast.lint.pages import index, page_of
from holdfast.lint.rules import Checked, rules
from tests.docs.blocks import ROOT

PAGES = ROOT / "docs" / "reference" / "rules"
BLOCK = re.compile(r"(?:^    .*\n)+", re.MULTILINE)
UPDATING = bool(os.environ.get("HOLDFAST_UPDATE_DOCS"))
# A revision of Alembic, a statement on a protected table, or a trace, breaks these: other tests do.
WITHOUT_EXAMPLE = {
    "edited-revision",
    "irreversible-migration",
    "models-in-migration",
    "multiple-heads",
    "recorded-backfill",
    "statement-fails",
}


def examples(page: str, heading: str) -> list[str]:
    """The blocks of SQL under that heading."""
    section = page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0].partition("\nTo allow it")[0]
    return [dedent(each).strip() for each in BLOCK.findall(section)]


def found(checked: Checked, sql: str) -> set[str]:
    rule = checked.rule
    switched_on = Configuration(severities={rule.name: "warning"} if rule.severity == "off" else {})
    server = server_for(rule.databases[0], rule.example_version)
    return {each.rule for each in lint_sql(sql, server, configuration=switched_on).findings}


@pytest.mark.parametrize("name", rules())
def test_the_page_of_a_rule_is_what_the_rule_does(name: str) -> None:
    checked = rules()[name]
    path = PAGES / f"{name}.md"
    if UPDATING:
        path.parent.mkdir(exist_ok=True)
        path.write_text(page_of(checked))
    page = path.read_text()

    assert page == page_of(checked)
    flagged, safe = examples(page, "Problem"), examples(page, "Solution")
    assert bool(flagged) == (name not in WITHOUT_EXAMPLE)
    assert safe
    assert [sql for sql in flagged if name not in found(checked, sql)] == []
    assert [sql for sql in safe if found(checked, sql) & {name, "unreadable-statement"}] == []


def test_the_index_names_every_rule_and_no_other() -> None:
    path = PAGES.parent / "lint-rules.md"
    head, mark, _ = path.read_text().partition("<!-- rules -->\n\n")
    if UPDATING:
        path.write_text(head + mark + index())

    assert path.read_text() == head + mark + index()
    assert {each.stem for each in PAGES.glob("*.md")} == set(rules())


def test_a_rule_is_named_like_its_file() -> None:
    folder = Path(__import__("holdfast.lint.rules").lint.rules.__file__).parent

    assert {each.stem.replace("_", "-") for each in folder.glob("[a-z]*.py")} == set(rules())
