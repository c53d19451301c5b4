"""On SQLite the values of large columns wait for their digests: until then they are there, and after that nowhere."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from holdfast.database import execute
from holdfast.evidence import seal, verify
from holdfast.feed import changes_after
from holdfast.history import versions
from holdfast.maintaining import maintain
from holdfast.policies import Audit
from holdfast.waiting import waiting
from tests.harness import Prepared, Protected
from tests.kept import kept

DOCUMENT = b"sekrit" * 2_000
house = Prepared(
    (
        "create table papers (id integer primary key, code text unique, n int, body)",
        "create table others (id integer primary key)",
    ),
    (("papers", (Audit(large={"body"}, inserts="full"),)), ("others", (Audit(keep="1d"),))),
)
pytestmark = pytest.mark.copy_of(build=house)


def opened(protected: Protected, journal_mode: str = "delete") -> sqlite3.Connection:
    """Another program, which knows nothing of holdfast and leaves nothing of its own in the file."""
    connection = sqlite3.connect(str(protected.database.url.database), isolation_level=None)
    connection.execute("pragma secure_delete = on")
    connection.execute(f"pragma journal_mode = {journal_mode}")
    return connection


def number_waiting(protected: Protected) -> int:
    with protected.reader.snapshot() as connection:
        return waiting(connection, protected.database.dialect)


def content(protected: Protected) -> bytes:
    """All that is on the disk."""
    path = Path(str(protected.database.url.database))
    return b"".join(each.read_bytes() for each in sorted(path.parent.glob(f"{path.name}*")))


@pytest.mark.parametrize("journal_mode", ["delete", "wal"])
def test_a_value_is_there_until_maintain_comes_and_then_nowhere(sqlite_database: str, journal_mode: str) -> None:
    protected = Protected(sqlite_database, kept=False)
    writer = opened(protected, journal_mode)
    writer.execute(
        "insert into papers values (1, 'a', 1, ?), (2, 'b', 1, 'sekrit text'), (3, 'c', 1, null)", [DOCUMENT]
    )
    writer.execute("update papers set n = 2")
    assert number_waiting(protected) == 2
    writer.execute("insert into papers values (1, 'a', 9, 'x') on conflict (id) do update set n = 9")
    writer.execute("insert or replace into papers values (4, 'a', 4, 'x')")
    writer.execute("update papers set body = 'plain'")
    writer.execute("insert or ignore into papers values (5, 'b', 1, 'ignored')")
    assert b"sekrit" in content(protected)
    assert "sekrit" not in repr(writer.execute("select * from holdfast_timeline").fetchall())
    told = protected.log()
    done = maintain(protected.database)
    assert done.digested == done.as_json()["digested"] > 2
    if journal_mode == "wal":
        writer.execute("pragma wal_checkpoint(truncate)")
    assert b"sekrit" not in content(protected)
    assert protected.log() == told
    assert maintain(protected.database).digested == number_waiting(protected) == 0
    writer.close()


def test_a_run_that_is_killed_leaves_each_value_or_its_digest(sqlite_database: str) -> None:
    protected = Protected(sqlite_database)
    protected.run("insert into papers values (1, 'a', 1, 'sekrit'), (2, 'b', 1, 'sekrit'), (3, 'c', 1, 'sekrit')")
    told = protected.log()
    steps = protected.database.dialect.digest_waiting(1)
    for stop in range(1, len(steps) + 1):
        with protected.database.connect() as connection, connection.begin() as transaction:
            for statement in steps[:stop]:
                execute(connection, statement)
            transaction.rollback()
        assert (number_waiting(protected), protected.log()) == (3, told)
    protected.run(*steps)
    assert (number_waiting(protected), protected.log()) == (2, told)
    with pytest.raises(sqlite3.IntegrityError, match="HF201"):
        opened(protected).execute("update holdfast_value set before = null, after = null, masked = 1 where masked = 4")
    assert maintain(protected.database).digested == 2
    assert (number_waiting(protected), protected.log()) == (0, told)


def test_a_digest_is_made_before_it_is_sealed(sqlite_database: str) -> None:
    protected = Protected(sqlite_database)
    for number in (1, 2):
        protected.run(f"insert into papers (id, body) values ({number}, 'sekrit {number}')")
        protected.run(f"update papers set body = 'sekrit {number}b' where id = {number}")
        assert number_waiting(protected) == 2
        assert seal(protected.database).epoch == number
        assert "sekrit" not in kept(protected)
        assert verify(protected.database).findings == ()
    protected.run("delete from papers")
    assert verify(protected.database).findings == ()
    maintain(protected.database)
    assert verify(protected.database).findings == ()


def test_who_reads_is_shown_the_digest_from_the_first_moment(sqlite_database: str, tmp_path: Path) -> None:
    protected = Protected(sqlite_database)
    protected.run("insert into papers (id, body) values (1, 'sekrit'), (2, cast(x'73656b726974ff' as text)), (3, 1.5)")
    protected.run("update papers set body = 'other' where id = 1", "delete from papers where id > 1")
    protected.run("insert into others values (1)", "update holdfast_object set version = version")
    read = (
        protected.log(),
        versions(protected.database, "papers", 1),
        versions(protected.database, "papers", 2),
        [each.after for each in changes_after(protected.database).changes],
    )
    assert number_waiting(protected) > 0
    assert repr(read).count("sha256:") > 10
    assert "sekrit" not in repr(read)
