"""Reading a long journal looks at what was asked for, and not at the rest of it; buffers are counted, not time."""

from __future__ import annotations

import psycopg

from bench import journal
from holdfast.policies import Audit
from tests.harness import Protected
from tests.servers import libpq_url

CHANGES = 80_000
BUFFERS = {
    # Each partition's index is asked, and each change's transaction looked up.
    "the last 50 changes of one row": 400,
    "a transaction's changes": 100,
    # A day's part of the transactions and of the changes: no more than a hundredth of either.
    "an actor's day": 150,
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
    with database.database.begin() as connection:
        for title, (wanted, _) in journal.questions(CHANGES).items():
            buffers, _, rows, _ = journal.explained(connection, database.database, wanted)
            assert rows > 0, title
            assert buffers <= BUFFERS[title], (title, buffers)
