"""Reading a long journal looks at what was asked for, and not at the rest of it; buffers are counted, not time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import psycopg

from bench import journal
from holdfast.dialects.log import LogFilter
from holdfast.policies import Audit
from tests.harness import Protected
from tests.servers import libpq_url

CHANGES = 90_000
BUFFERS = {
    # Each partition's index is asked, and each change's transaction looked up; of the runs of keys that begin after
    # this one nothing is read.
    "the last 50 changes of one row": 330,
    "a transaction's changes": 120,
    # A day's part of the transactions and of the changes: no more than a hundredth of either.
    "an actor's day": 150,
    # The last thousand transactions, and what the indexes of the months before tell of them.
    "the newest": 450,
    "the newest of a table": 450,
    "the newest until then": 500,
    "the newest of a long time": 450,
}


def test_a_question_reads_what_answers_it(postgresql_database: str) -> None:
    database = Protected(postgresql_database)
    database.run("create table orders (id integer primary key, status text, note text)")
    database.protect({"orders": [Audit()]})
    with database.database.begin() as connection:
        journal.fill(connection, CHANGES)
    with psycopg.connect(libpq_url(postgresql_database), autocommit=True) as connection:
        for table in ("transaction", "change"):
            connection.execute(f"vacuum (analyze) holdfast.{table}")
        [(whole,)] = connection.execute(
            "select sum(pg_relation_size(c.oid)) / 8192 from pg_class as c"
            " where c.relnamespace = 'holdfast'::regnamespace and c.relkind = 'r'"
        ).fetchall()
    assert whole > 4 * max(BUFFERS.values())
    then = datetime.now(UTC) - timedelta(days=journal.DAYS // 3)
    questions = {title: wanted for title, (wanted, _) in journal.questions(CHANGES).items()}
    updates = LogFilter(operation="update")
    questions |= {
        "the newest": updates,
        "the newest of a table": LogFilter(table=journal.TABLE, operation="update"),
        "the newest until then": LogFilter(until=then, operation="update"),
        "the newest of a long time": LogFilter(since=then, operation="update"),
    }
    with database.database.begin() as connection:
        for title, wanted in questions.items():
            read = journal.explained(connection, database.database, wanted)
            assert read.rows == (wanted.limit or read.rows) > 0, title
            assert read.buffers <= BUFFERS[title], (title, read)
