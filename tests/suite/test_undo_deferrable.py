"""Undo where the primary key is DEFERRABLE: several rows may have one key until the transaction ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from holdfast.errors import UndoConflictError, UniqueError
from holdfast.policies import Audit
from holdfast.tables import TableInfo
from tests.harness import Prepared, Protected
from tests.servers import Server, Servers

TABLE = (
    "create table t (a int primary key deferrable initially deferred, v text)",
    "insert into t values (1, 'one'), (2, 'two'), (3, 'three')",
)
FORMS = {"by statement": Audit(), "by row": Audit(form="row"), "inserts in full": Audit(inserts="full")}


def prepared(audit: Audit) -> Prepared:
    return Prepared(TABLE, (("t", (audit,)),))


@pytest.fixture(params=list(FORMS.values()), ids=list(FORMS))
def protected(request: pytest.FixtureRequest, postgresql: Server, servers: Servers) -> Iterator[Protected]:
    with postgresql.new_database(servers.template(postgresql, prepared(request.param))) as url:
        yield Protected(url)


def rows(protected: Protected) -> list[Any]:
    return protected.rows("select * from t order by a, v")


STORIES = {
    "two rows meet, and both are deleted": ("update t set a = 1 where a = 2", "delete from t where a = 1"),
    "two rows meet, both are deleted, another comes": (
        "update t set a = 1 where a = 2",
        "delete from t where a = 1",
        "insert into t values (1, 'again')",
    ),
    "one goes by a key on its way": (
        "update t set a = 1 where a = 2",
        "update t set a = 7 where v = 'two'",
        "delete from t where a = 1",
    ),
    "a twin is inserted, and the row that was there is deleted": (
        "insert into t values (1, 'twin')",
        "delete from t where v = 'one'",
    ),
    "a twin is inserted, and deleted again": (
        "insert into t values (1, 'twin')",
        "delete from t where v = 'twin'",
        "update t set v = 'ONE' where a = 1",
    ),
    "a twin that is the very same": ("insert into t values (1, 'one')", "delete from t where a = 1"),
    "two twins are inserted, and one moves on": (
        "insert into t values (9, 'first')",
        "insert into t values (9, 'second')",
        "update t set a = 8 where v = 'first'",
    ),
    "rows are inserted and all keys shifted": ("insert into t values (4, 'four')", "update t set a = a - 1"),
    "a key is taken anew, and all keys shifted": (
        "delete from t where a = 1",
        "insert into t values (1, 'new')",
        "update t set a = a + 1",
    ),
    "a swap in one statement": ("update t set a = 3 - a where a < 3",),
    "a swap in two": ("update t set a = 2 where v = 'one'", "update t set a = 1 where v = 'two'"),
    "twins are shifted onto a third": (
        "update t set a = 1 where a = 2",
        "insert into t values (2, 'new')",
        "update t set a = a + 1 where a < 3",
        "delete from t where v in ('one', 'three')",
    ),
    "a twin, and what was there before it is changed on the way": (
        "update t set v = 'ONE' where a = 1",
        "update t set a = 1 where a = 2",
        "delete from t where v = 'ONE'",
        "update t set v = 'TWO' where a = 1",
    ),
    "inserted, changed and deleted": (
        "insert into t values (5, 'five')",
        "update t set v = 'FIVE' where a = 5",
        "delete from t where a = 5",
        "delete from t where a = 1",
    ),
}


@pytest.mark.parametrize("story", list(STORIES.values()), ids=list(STORIES))
def test_it_comes_back_exactly_and_the_undo_can_be_undone(protected: Protected, story: Sequence[str]) -> None:
    before = rows(protected)
    protected.run(*story)
    after = rows(protected)
    undone = protected.undo()
    assert rows(protected) == before
    protected.undo(undone.transaction)
    assert rows(protected) == after


def test_what_came_since_does_not_hide_that_a_key_was_held(protected: Protected) -> None:
    """The next transaction comes to the key, too, before the row that has it leaves."""
    protected.run("insert into t values (1, 'twin')", "delete from t where v = 'one'")
    first = protected.last_transaction()
    protected.run("update t set a = 1 where a = 2", "update t set a = 2 where v = 'twin'")
    before = rows(protected)
    with pytest.raises(UndoConflictError):
        protected.undo(first)
    assert rows(protected) == before
    protected.undo()
    protected.undo(first)
    assert rows(protected) == [(1, "one"), (2, "two"), (3, "three")]


def test_one_of_two_twins_is_changed_and_the_undo_is_refused(protected: Protected) -> None:
    """A change says what it changed and the key, and two rows had that."""
    protected.run(
        "insert into t values (1, 'twin')", "update t set v = v || '+' where a = 1", "delete from t where v = 'one+'"
    )
    before = rows(protected)
    for force in (False, True):
        with pytest.raises(UndoConflictError, match="does not tell them apart"):
            protected.undo(force=force)
    assert rows(protected) == before


@pytest.mark.parametrize("form", ["auto", "row"])
def test_a_journal_that_was_written_before_is_undone_exactly_or_refused(
    postgresql_database: str, monkeypatch: pytest.MonkeyPatch, form: Any
) -> None:
    """Inserts were recorded by their keys alone, and updates of several rows by statement."""
    protected = Protected(postgresql_database)
    protected.run(*TABLE)
    with monkeypatch.context() as earlier:
        earlier.setattr(TableInfo, "key_is_deferrable", False)
        protected.protect({"t": [Audit(form=form)]})
    undone = set()
    for name, story in STORIES.items():
        before = rows(protected)
        protected.run(*story)
        after = rows(protected)
        try:
            protected.undo()
        except UndoConflictError:
            assert rows(protected) == after, name
            protected.run("delete from t", "insert into t values (1, 'one'), (2, 'two'), (3, 'three')")
        else:
            assert rows(protected) == before, name
            undone.add(name)
    assert undone >= {"inserted, changed and deleted", "a swap in one statement", "two rows meet, and both are deleted"}


# ---------------------------------------------------------------------- stories at random

key = st.integers(1, 5)
statement = st.one_of(
    st.builds("insert into t values ({}, 'n{}')".format, key, st.integers(0, 1)),
    st.builds("update t set a = {} where a = {}".format, key, key),
    st.builds("update t set a = a + {} where a >= {}".format, st.sampled_from((1, -1)), key),
    st.builds("update t set v = v || '+' where a = {}".format, key),
    st.builds("delete from t where a = {}".format, key),
    st.builds("delete from t where v like '{}%'".format, st.sampled_from(("n", "o", "t"))),
    st.builds("update t set a = {} where v like '{}%'".format, key, st.sampled_from(("n0", "o", "tw"))),
    st.just("update t set a = a * 3 % 5 + 1"),
)
Told = list[list[str]]
told = st.lists(st.lists(statement, min_size=2, max_size=5), min_size=4, max_size=6)


@pytest.mark.parametrize("audit", list(FORMS.values()), ids=list(FORMS))
@settings(
    max_examples=6,
    derandomize=True,
    database=None,
    deadline=None,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)
@given(story=told)
def test_an_undo_is_exact_or_refused(postgresql: Server, servers: Servers, audit: Audit, story: Told) -> None:
    with postgresql.new_database(servers.template(postgresql, prepared(audit))) as url:
        protected = Protected(url)
        for statements in story:
            before = rows(protected)
            if not _played(protected, statements) or (after := rows(protected)) == before:
                continue
            try:
                undone = protected.undo()
            except UndoConflictError:
                assert rows(protected) == after, statements
                continue
            assert rows(protected) == before, statements
            protected.undo(undone.transaction)
            assert rows(protected) == after, statements


def _played(protected: Protected, statements: Sequence[str]) -> bool:
    """Whether the transaction was committed: no key was held twice at its end."""
    try:
        protected.run(*statements)
    except UniqueError:
        return False
    return True
