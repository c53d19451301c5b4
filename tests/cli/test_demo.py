"""``holdfast demo``: the incident is replayed, undone, and proved to be undone."""

from __future__ import annotations

import os
import pathlib
import re

import pytest

from holdfast.demo import shop, story
from holdfast.embedded import find_binaries
from holdfast.errors import UnsupportedError
from tests.cli.conftest import Outcome, Shell

KINDS = ["postgresql", "sqlite"]


def demo(kind: str) -> Outcome:
    if kind == "sqlite":
        return Shell(None)("demo", "--sqlite")
    try:
        find_binaries()
    except UnsupportedError as error:
        pytest.skip(f"PostgreSQL for the demo ({error.hint})")
    return Shell(None)("demo")


@pytest.mark.parametrize("kind", KINDS)
def test_the_incident_is_undone(kind: str, empty_folder: pathlib.Path) -> None:
    (empty_folder / "holdfast.toml").write_text("[tables.mine]\naudit = true\n")
    outcome = demo(kind)
    assert outcome.code == 0, outcome.err
    assert story.TYPO in outcome.out
    assert re.search(r"^(DELETE 23|-- 23 rows)$", outcome.out, re.MULTILINE)
    assert "Gone: 23 orders, " in outcome.out
    lines = [line.split() for line in outcome.out.splitlines() if line.endswith("same as before")]
    assert [line[0] for line in lines] == ["customers", "orders", "order_lines", "payments"]
    for name, rows, _, before, broken_rows, _, broken, after_rows, _, after, *_ in lines:
        assert (rows, before) == (after_rows, after)
        assert ((rows, before) == (broken_rows, broken)) is (name == "customers")
    for command in ("protect --all --yes", "log", "show", "undo", "status"):
        assert f"\n$ holdfast {command}" in outcome.out
    assert re.search(r"alice +update +orders +17 +status: ", outcome.out)
    assert re.search(r"bob +delete +order_lines +42,", outcome.out)
    assert "HOLDFAST_URL" not in os.environ
    assert pathlib.Path.cwd() == empty_folder


def test_a_table_that_did_not_come_back_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proof can fail: one value is changed after the undo."""
    checksums, calls = shop.checksums, []

    def tampered(engine: shop.Engine) -> dict[str, tuple[int, str]]:
        calls.append(engine)
        if len(calls) == 4:
            with engine.begin() as connection:
                connection.exec_driver_sql("update payments set amount = amount + 1 where id = 7")
        return checksums(engine)

    monkeypatch.setattr(shop, "checksums", tampered)
    outcome = demo("sqlite")
    assert outcome.code == 1
    assert re.search(r"^payments .* DIFFERENT$", outcome.out, re.MULTILINE)
