"""Every path by which rows change is recorded, with before and after, so that the journal explains the rows."""

from __future__ import annotations

import collections
import pathlib
from collections.abc import Sequence
from typing import Any

import pytest

from holdfast.context import bind, context
from holdfast.journal import Change
from holdfast.policies import Audit
from tests.harness import Prepared, Protected, journal
from tests.paths import POSTGRESQL, SQLITE, Expected, Path
from tests.replay import Rows, replayed, snapshot

pytestmark = pytest.mark.copy_of(build=journal)
FORMS = ("statement", "row")


def protection(path: Path, audit: Audit) -> Prepared:
    return Prepared(tuple(path.setup), tuple((table.name.removeprefix("only "), (audit,)) for table in path.tables))


def copied(paths: Sequence[Path], forms: Sequence[str]) -> list[Any]:
    """Each path in each form; what many begin with is made once."""
    pairs: list[tuple[Path, Any]] = [(path, form) for path in paths for form in forms]
    begun = [protection(path, Audit(form=form)) for path, form in pairs]
    uses = collections.Counter(begun)
    return [
        pytest.param(path, form, id=f"{path}-{form}", marks=pytest.mark.copy_of(build=each) if uses[each] > 2 else ())
        for (path, form), each in zip(pairs, begun, strict=True)
    ]


def in_order_of_rows(entries: Sequence[Expected]) -> list[Expected]:
    """By table and key, and for each row as it happened: how rows of one statement follow each other is free."""
    return sorted(entries, key=lambda each: (each[0], repr(each[2])))


def entries(changes: Sequence[Change]) -> list[Expected]:
    return [(each.table, each.operation, each.key, each.before, each.after) for each in changes]


def walk(protected: Protected, path: Path, audit: Audit) -> tuple[list[Change], Rows, Rows]:
    """Writes by that path in one transaction; gives what was recorded, and the rows before and after."""
    if protected.inventory().relations == {}:
        protection(path, audit)(protected.url)
    before = snapshot(protected, path.tables)
    writer = Protected(protected.url, kept=False)
    bind(writer.database.engine)
    with context(actor="writer"):
        writer.run(*path.writes)
    return protected.log(), before, snapshot(protected, path.tables)


def check(protected: Protected, path: Path, audit: Audit) -> None:
    changes, before, after = walk(protected, path, audit)
    if path.expected:
        assert in_order_of_rows(entries(changes)) == in_order_of_rows(path.expected)
    assert bool(changes) == (before != after)
    assert replayed(changes, after) == before
    assert len({each.transaction for each in changes}) <= 1
    assert {each.actor for each in changes} <= {"writer"}
    protected.run(*path.before_undo)
    if changes:
        undone = protected.undo()
        assert snapshot(protected, path.tables) == before
        assert undone.transaction is not None
        protected.undo(undone.transaction)
        assert snapshot(protected, path.tables) == after


@pytest.mark.parametrize("path, form", copied(POSTGRESQL, FORMS))
def test_path_postgresql(postgresql_database: str, path: Path, form: Any) -> None:
    protected = Protected(postgresql_database)
    [(version,)] = protected.rows("show server_version_num")
    if int(version) < path.minimum * 10_000:
        pytest.skip(f"{path.name} (needs PostgreSQL {path.minimum})")
    check(protected, path, Audit(form=form))


@pytest.mark.parametrize("path, form", copied(SQLITE, ["auto"]))
def test_path_sqlite(sqlite_database: str, path: Path, form: Any) -> None:
    pathlib.Path(sqlite_database.removeprefix("sqlite:///")).touch()
    check(Protected(sqlite_database), path, Audit(form=form))


@pytest.mark.parametrize("form", FORMS)
def test_inserts_in_full(postgresql_database: str, form: Any) -> None:
    """The whole image is in the journal itself, so it stays when the row is changed by a path that is not recorded."""
    protected = Protected(postgresql_database)
    path = Path("insert", ["insert into item values (4, 'four', 40), (5, 'five', null)"], [])
    walk(protected, path, Audit(inserts="full", form=form))
    kept = protected.rows("select key, holdfast.named(relation, after) from holdfast.change order by id")
    assert kept == [
        ("4", {"id": 4, "name": "four", "price": 40}),
        ("5", {"id": 5, "name": "five", "price": None}),
    ]
