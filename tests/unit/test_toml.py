"""holdfast.toml: every way to declare, and every way to be wrong."""

from __future__ import annotations

import pathlib
import textwrap

import pytest

import holdfast.toml
from holdfast.errors import DeclarationError
from holdfast.policies import Audit, Guard, Permit, Policy, SoftDelete, Timestamps, Version
from holdfast.toml import Configuration, read


def configuration(folder: pathlib.Path, text: str) -> Configuration:
    path = folder / "holdfast.toml"
    path.write_text(text, encoding="utf-8")
    return read(path)


@pytest.mark.parametrize(
    ("line", "policy"),
    [
        ("audit = true", Audit()),
        ('audit = { exclude = ["a"], mask = ["b"], large = ["c"], inserts = "full" }',
         Audit(exclude={"a"}, mask={"b"}, large={"c"}, inserts="full")),
        ('permit = { delete = "order:delete" }', Permit(delete="order:delete")),
        ("soft_delete = true", SoftDelete()),
        ('soft_delete = "gone"', SoftDelete("gone")),
        ('soft_delete = { column = "gone", raw_delete = "refuse" }', SoftDelete("gone", "refuse")),
        ("soft_delete = { live_view = true }", SoftDelete(live_view=True)),
        ('soft_delete = { live_view = "current" }', SoftDelete(live_view="current")),
        ("timestamps = true", Timestamps()),
        ('timestamps = { created = "c", updated = "u" }', Timestamps("c", "u")),
        ("version = true", Version()),
        ('version = "v"', Version("v")),
        ('version = { column = "v" }', Version("v")),
        ("guard = true", Guard()),
        ("guard = 7", Guard(max_rows=7)),
        ("guard = { max_rows = 7, truncate = true }", Guard(max_rows=7, truncate=True)),
    ],
)  # fmt: skip
def test_each_policy_can_be_declared(tmp_path: pathlib.Path, line: str, policy: Policy) -> None:
    assert configuration(tmp_path, f"[tables.orders]\n{line}").tables == {"orders": (policy,)}


def test_a_policy_that_is_false_is_not_declared(tmp_path: pathlib.Path) -> None:
    text = "[tables.orders]\naudit = true\nguard = false"
    assert configuration(tmp_path, text).tables == {"orders": (Audit(),)}


def test_no_file_declares_nothing(tmp_path: pathlib.Path) -> None:
    assert read(tmp_path / "holdfast.toml") == Configuration()


def test_the_documented_example_is_valid(tmp_path: pathlib.Path) -> None:
    lines = (holdfast.toml.__doc__ or "").splitlines()
    example = "\n".join(line for line in lines if line.startswith("    "))
    found = configuration(tmp_path, textwrap.dedent(example))
    assert found.url == "postgresql://app@localhost/shop"
    assert found.tables == {"orders": (Audit(), SoftDelete(), Timestamps(), Version(), Guard(max_rows=1000))}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("ulr = ''", "'ulr'"),
        ("url = 5", "url"),
        ("tables = 5", "tables"),
        ("[tables]\norders = true", "tables.orders"),
        ("[tables.orders]", "tables.orders"),
        ("[tables.orders]\naudits = true", "'tables.orders.audits'"),
        ("[tables.orders]\naudit = 'x'", "tables.orders.audit"),
        ("[tables.orders]\naudit = { exlude = [] }", "'tables.orders.audit.exlude'"),
        ("[tables.orders]\naudit = { exclude = 'iban' }", "tables.orders.audit.exclude"),
        ("[tables.orders]\naudit = { inserts = 'some' }", "tables.orders.audit.inserts"),
        ("[tables.orders]\nsoft_delete = { raw_delete = 'eat' }", "tables.orders.soft_delete.raw_delete"),
        ("[tables.orders]\nsoft_delete = { live_view = '' }", "tables.orders.soft_delete.live_view"),
        ("[tables.orders]\nsoft_delete = 5", "tables.orders.soft_delete"),
        ("[tables.orders]\nsoft_delete = ''", "tables.orders.soft_delete.column"),
        ("[tables.orders]\ntimestamps = 'x'", "tables.orders.timestamps"),
        ("[tables.orders]\nversion = { column = 5 }", "tables.orders.version.column"),
        ("[tables.orders]\nguard = 0", "tables.orders.guard.max_rows"),
        ("[tables.orders]\nguard = { max_rows = true }", "tables.orders.guard.max_rows"),
        ("[tables.orders]\nguard = { truncate = 1 }", "tables.orders.guard.truncate"),
        ("[tables.orders\nx", "line 1"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: pathlib.Path, text: str, named: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        configuration(tmp_path, text)
    assert caught.value.code == "HF108"
    assert named in caught.value.message
    assert caught.value.hint
