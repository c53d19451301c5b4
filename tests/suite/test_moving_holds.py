"""A legal hold is of a row: it goes with it when the key changes."""

from __future__ import annotations

from holdfast.holds import hold, holds, release
from holdfast.inspector import inspect
from holdfast.maintaining import maintain
from holdfast.moving_holds import follow_holds
from holdfast.policies import Audit, SoftDelete
from holdfast.purging import purge
from tests.harness import Protected
from tests.suite.test_purge import dead, ids
from tests.suite.test_retention import age, write_all


def held_keys(subject: Protected) -> list[object]:
    with subject.database.snapshot() as connection:
        dialect, inventory = inspect(connection, subject.database.dialect)
        return [each.key for each in holds(connection, dialect, inventory)]


def test_a_hold_goes_with_the_row_to_another_key(database: str) -> None:
    subject = Protected(database)
    subject.run("create table cases (id integer primary key, note text)")
    subject.protect({"cases": (Audit(keep="30d"), SoftDelete())}, add_columns=True)
    names = write_all(subject, [["insert into cases (id, note) values (1, 'a'), (2, 'b'), (3, 'c')"]])
    own = subject.database
    hold(own, "cases", 2, reason="case 12")
    names += write_all(
        subject,
        [
            ["update cases set id = 20 where id = 1", "update cases set note = 'a2' where id = 20"],
            ["update cases set id = 12 where id = 2"],
            ["update cases set note = 'b2' where id = 12"],
            ["update cases set id = id + 200 where id in (3, 12)"],
            ["update cases set note = 'b3' where id = 212"],
        ],
    )
    write_all(subject, [["insert into cases (id, note) values (9, 'new')"]])
    dead(subject, "cases", "id > 10")

    purged = purge(own, "cases", older_than="1d")
    assert ids(subject, "cases") == [9, 212]
    assert purged.held == 1
    assert held_keys(subject) == [2, 12, 212]
    assert follow_holds(own) == 0

    age(subject, dict.fromkeys(names, 50))
    maintain(own)
    change = "holdfast_change" if subject.name == "sqlite" else "holdfast.change"
    kept = {int(key) for (key,) in subject.rows(f"select key from {change} where operation = 'U'")}
    assert kept == {2, 12, 212}
    assert release(own, "cases", 212) == ["case 12"]
    assert held_keys(subject) == []
