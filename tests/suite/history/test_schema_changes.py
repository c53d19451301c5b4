"""Tables and columns that were added, dropped, renamed or retyped since."""

from __future__ import annotations

import pytest

from holdfast.errors import HistoryError
from holdfast.history import copy_as_of, revert, versions
from holdfast.policies import Audit
from tests.harness import Protected, journal
from tests.suite.history.moments import as_rows, now, past

pytestmark = pytest.mark.copy_of(build=journal)


def test_a_column_that_was_added_since_is_not_in_what_left_before(database: str) -> None:
    protected = Protected(database)
    protected.run("create table item (id integer primary key)", "insert into item values (1), (2)")
    protected.protect({"item": [Audit()]})
    start = now(protected)
    protected.run("delete from item where id = 1", "insert into item values (1)")
    protected.run("alter table item add column size integer default 5")
    protected.protect({"item": [Audit()]})
    protected.run("update item set size = 9")
    assert as_rows(past(protected, at=start)) == {1: {"size": None}, 2: {"size": 5}}


def test_columns_of_one_name_one_after_the_other(postgresql_database: str) -> None:
    protected = Protected(postgresql_database)
    protected.run("create table item (id integer primary key, note text)", "insert into item values (1, 'old')")
    protected.protect({"item": [Audit()]})
    protected.run("update item set note = 'older'")
    protected.run("alter table item drop column note")
    protected.protect({"item": [Audit()]})
    protected.run("alter table item add column note integer default 3")
    protected.protect({"item": [Audit()]})
    protected.run("update item set note = 4")
    [first, second] = versions(protected.database, "item", 1)[1:]
    assert (second.values or {})["note"] == 4
    assert (first.values or {})["note"] == 3
    assert (protected.log()[0].before, protected.log()[1].before) == ({"note (dropped)": "old"}, {"note": 3})


def test_a_column_in_the_place_of_one_of_its_name(postgresql_database: str) -> None:
    """It goes on as that one where ``protect`` did not run in between; what does not fit its type is said."""
    protected = Protected(postgresql_database)
    protected.run("create table item (id integer primary key, note text)", "insert into item values (1, 'old')")
    protected.protect({"item": [Audit()]})
    before = now(protected)
    protected.run("update item set note = '5'")
    protected.run("alter table item drop column note", "alter table item add column note integer default 3")
    between = now(protected)
    protected.run("update item set note = 4")
    protected.protect({"item": [Audit()]})
    assert [each.before for each in protected.log()] == [{"note": "old"}, {"note": "3"}]
    assert [(each.values or {})["note"] for each in versions(protected.database, "item", 1)] == ["old", "3", 4]
    assert past(protected, "item", at=between) == [{"id": 1, "note": 3}]
    with pytest.raises(HistoryError, match="HF439"):
        past(protected, "item", at=before)


def test_a_table_that_was_renamed_keeps_its_history(database: str) -> None:
    protected = Protected(database)
    protected.run("create table item (id integer primary key, n integer)", "insert into item values (1, 0)")
    protected.protect({"item": [Audit()]})
    before = now(protected)
    protected.run("update item set n = 1")
    protected.run("alter table item rename to thing")
    protected.protect({"thing": [Audit()]})
    protected.run("update thing set n = 2")
    assert [(each.values or {})["n"] for each in versions(protected.database, "thing", 1)] == [0, 1, 2]
    assert past(protected, "thing", at=before) == [{"id": 1, "n": 0}]


def test_a_column_of_another_type_now(postgresql_database: str) -> None:
    protected = Protected(postgresql_database)
    protected.run("create table item (id integer primary key, n integer)", "insert into item values (1, 5), (2, 6)")
    protected.protect({"item": [Audit()]})
    before = now(protected)
    protected.run("update item set n = 7 where id = 1", "delete from item where id = 2")
    protected.run("alter table item alter column n type text using 'n' || n")
    protected.protect({"item": [Audit()]})
    protected.run("update item set n = 'many'")
    assert copy_as_of(protected.database, "item", "old", at=before) == 2
    assert sorted(protected.rows("select id, n from old")) == [(1, "5"), (2, "6")]
    assert [(each.values or {})["n"] for each in versions(protected.database, "item", 1)] == [5, "n7", "many"]
    protected.run("alter table item alter column n type integer using length(n)")
    protected.protect({"item": [Audit()]})
    with pytest.raises(HistoryError, match="HF439"):
        past(protected, transaction=protected.log()[0].transaction)
    with pytest.raises(HistoryError, match="HF439"):
        revert(protected.database, "item", 1, version=1)
    assert protected.rows("select n from item where id = 1") == [(4,)]
