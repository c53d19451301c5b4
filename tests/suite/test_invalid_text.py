"""SQLite keeps a text that is no UTF-8: it can be read and undone, and never becomes another one."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from holdfast.errors import HoldfastError
from holdfast.evidence import seal, verify
from holdfast.maintaining import maintain
from holdfast.policies import Audit, SoftDelete
from holdfast.purging import purge
from holdfast.undo import undo
from tests.cli.conftest import Shell
from tests.harness import Protected
from tests.suite.test_retention import age

TEXT = "cast(x'ff41e282' as text)"
"""A byte that begins nothing, an A, and the beginning of a character that does not go on."""
SHOWN = r"\xffA\xe2\x82"
READ = b"\xff\x41\xe2\x82".decode(errors="surrogateescape")


@pytest.fixture
def notes(sqlite_database: str) -> Protected:
    """Transaction 1 inserted a row, 2 replaced its text, which is no UTF-8."""
    shop = Protected(sqlite_database, kept=False)
    shop.run("create table notes (id integer primary key, x text)")
    shop.protect({"notes": [Audit()]})
    shop.write(f"insert into notes values (1, {TEXT})")
    shop.write("update notes set x = 'b'")
    return shop


def text_of(shop: Protected) -> list[tuple[str, str]]:
    return [(row[0], row[1]) for row in shop.rows("select typeof(x), hex(x) from notes")]


@pytest.mark.parametrize(
    "arguments",
    [
        ("log",),
        ("show", "2"),
        ("versions", "notes", "1"),
        ("tail", "--from-start"),
        ("as-of", "notes", "--transaction", "1"),
    ],
    ids=lambda each: each[0],
)
def test_every_command_that_reads_shows_its_bytes(notes: Protected, arguments: tuple[str, ...]) -> None:
    holdfast = Shell(notes.url)
    outcome = holdfast(*arguments)
    assert (outcome.code, json.dumps(SHOWN) in outcome.out) == (0, True)
    as_json = holdfast(*arguments, "--json").out
    said = [json.loads(line) for line in as_json.splitlines()] if arguments[0] == "tail" else json.loads(as_json)
    assert json.dumps(SHOWN) in json.dumps(said)


def test_an_undo_gives_back_the_very_bytes_and_tells_of_them_in_a_conflict(notes: Protected) -> None:
    notes.undo("2")
    assert text_of(notes) == [("text", "FF41E282")]
    [conflict] = undo(notes.database, "2", dry_run=True).conflicts
    assert conflict.fields["x"] == ("b", READ, READ)
    outcome = Shell(notes.url)("undo", "2", "--yes")
    assert (outcome.code, json.dumps(SHOWN) in outcome.out) == (1, True)


def test_python_gives_each_byte_as_a_character_of_its_own(notes: Protected) -> None:
    assert [each.after for each in notes.log(operation="insert")] == [{"id": 1, "x": READ}]
    assert READ.encode(errors="surrogateescape") == b"\xff\x41\xe2\x82"


def test_a_journal_with_it_is_sealed_and_exported(notes: Protected, tmp_path: Path) -> None:
    notes.protect({"notes": [Audit(keep="30d")]})
    notes.write("update notes set x = 'c'")
    seal(notes.database)
    assert verify(notes.database).intact
    age(notes, {"1": 100, "2": 100})
    maintain(notes.database, export=tmp_path)
    [path] = tmp_path.glob("*.jsonl.gz")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        lines = [json.loads(line) for line in file][1:]
    assert [each["before"] for each in lines if each["operation"] == "update"] == [{"x": SHOWN}]


def test_a_row_that_has_it_for_a_key_is_told_of_and_not_taken_for_another(sqlite_database: str) -> None:
    shop = Protected(sqlite_database, kept=False)
    shop.run("create table tags (tag text primary key, note text, deleted_at text)")
    shop.run(f"insert into tags (tag, deleted_at) values ({TEXT}, '2020-01-01 00:00:00.000000'), ('{SHOWN}', null)")
    shop.protect({"tags": [Audit(), SoftDelete()]})
    shop.run("update tags set note = 'x'")
    assert {each.key for each in shop.log(operation="update")} == {READ, SHOWN}
    shop.undo()
    assert shop.rows("select distinct note from tags") == [(None,)]
    before = shop.rows("select hex(tag), deleted_at from tags order by 1")
    with pytest.raises(HoldfastError, match="HF408: A text is not valid Unicode"):
        purge(shop.database, "tags", older_than="1d")
    assert shop.rows("select hex(tag), deleted_at from tags order by 1") == before
