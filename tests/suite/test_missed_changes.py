"""What retention drops before a reader of the change feed has seen it is no silent gap."""

from __future__ import annotations

from datetime import timedelta

import pytest

from holdfast.consumer import Consumer
from holdfast.database import Database
from holdfast.errors import MissedChangesError
from holdfast.feed import changes_after, cursor_at
from holdfast.maintaining import maintain
from tests.harness import Protected
from tests.suite.test_retention import age, make, write_all

pytestmark = pytest.mark.copy_of(build=make)


def keys(changes: list[object]) -> list[object]:
    return [change.key for change in changes]  # type: ignore[attr-defined]


def test_a_reader_that_was_away_too_long_is_told_and_others_are_not(database: str) -> None:
    subject = Protected(database)
    names = write_all(subject, [[f"insert into short (id, n) values ({each}, 0)"] for each in range(1, 7)])
    [kept] = write_all(subject, [["insert into ever (id, n) values (9, 0)"]])
    own = Database(database)
    second = changes_after(own, limit=2).cursor
    past_all = changes_after(own).cursor
    beginning = cursor_at(own, "beginning")
    with Consumer(own, "index", limit=2) as consumer:
        consumer.read().acknowledge()

    age(subject, dict.fromkeys(names[:4], 40))
    outcome = maintain(own)
    # What the consumer has not acknowledged stays, and so nobody who is as far as it lacks anything.
    assert outcome.changes == 2
    assert [(each.name, each.missed) for each in outcome.lagging] == [("index", False)]
    assert keys(changes_after(own, second).changes) == [3, 4, 5, 6, 9]
    assert keys(changes_after(own).changes) == [3, 4, 5, 6, 9]
    with pytest.raises(MissedChangesError):
        changes_after(own, beginning)
    first = changes_after(own, limit=1)

    outcome = maintain(own, patience=timedelta(days=5))
    assert outcome.changes == 2
    assert [(each.name, each.missed) for each in outcome.lagging] == [("index", True)]
    with pytest.raises(MissedChangesError) as missed:
        changes_after(own, second)
    assert missed.value.code == "HF419"
    assert keys(changes_after(own, missed.value.cursor).changes) == [5, 6, 9]
    with pytest.raises(MissedChangesError):  # in the midst of a batch
        changes_after(own, first.cursor)
    assert keys(changes_after(own, second, tables=["ever"]).changes) == [9]
    assert changes_after(own, past_all).changes == []
    with Consumer(own, "index") as consumer:
        with pytest.raises(MissedChangesError) as missed:
            consumer.read()
        consumer.move_to(missed.value.cursor)
        batch = consumer.read()
        assert keys(batch.changes) == [5, 6, 9]
        batch.acknowledge()
    age(subject, {names[4]: 40, names[5]: 40, kept: 40})
    assert maintain(own).lagging == ()
    with Consumer(own, "index") as consumer:
        assert consumer.read().changes == []
