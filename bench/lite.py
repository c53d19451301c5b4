"""The same on SQLite, which runs inside the client: its CPU time is the client's."""

from __future__ import annotations

import pathlib
import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial

from bench import shop
from bench.cases import Line, shown
from bench.sampling import Sample, interleaved, ratios
from bench.sizes import Sizes
from bench.subjects import POLICIES, protect

INSERT = f"insert into orders ({', '.join(shop.COLUMNS)}) values (?, ?, ?, ?, ?, ?, ?)"
Work = Callable[[sqlite3.Connection, Sizes], None]


def insert(connection: sqlite3.Connection, sizes: Sizes) -> None:
    connection.executemany(INSERT, shop.rows(sizes.added))


def update_many(connection: sqlite3.Connection, sizes: Sizes) -> None:
    connection.execute("update orders set status = 'returned' where id <= ?", (sizes.added,))


def delete(connection: sqlite3.Connection, sizes: Sizes) -> None:
    connection.execute("delete from orders where id <= ?", (sizes.deleted,))


def mark_deleted(connection: sqlite3.Connection, sizes: Sizes) -> None:
    connection.execute("update orders set deleted_at = current_timestamp where id <= ?", (sizes.deleted,))


def update_and_commit(connection: sqlite3.Connection, sizes: Sizes) -> None:
    for number in range(sizes.committed // 5):
        connection.execute("begin immediate")
        connection.execute("update orders set status = 'returned' where id = ?", (number * 7 % sizes.added + 1,))
        connection.execute("commit")


def lines(sizes: Sizes) -> list[Line]:
    found = []
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as folder:
        files = {name: _database(pathlib.Path(folder), name, sizes) for name in ("plain", "audit", "soft delete")}
        for title, work, name, base in (
            (f"INSERT of {sizes.added:,} rows, one transaction", insert, "audit", insert),
            (f"UPDATE of one column of {sizes.added:,} rows", update_many, "audit", update_many),
            ("UPDATE of one row and commit", update_and_commit, "audit", update_and_commit),
            (f"DELETE of {sizes.deleted:,} rows", delete, "audit", delete),
            (
                f"DELETE of {sizes.deleted:,} rows made a mark, against UPDATE … SET deleted_at",
                delete, "soft delete", mark_deleted,
            ),
        ):  # fmt: skip
            samples = interleaved(
                sizes.rounds,
                {"base": partial(_run, files["plain"], base, sizes), "ours": partial(_run, files[name], work, sizes)},
            )
            found.append(Line(title, "", shown(ratios(samples["ours"], samples["base"], "cpu"))))
    return found


def _database(folder: pathlib.Path, name: str, sizes: Sizes) -> bytes:
    """A filled and protected database, as the bytes of its file."""
    path = folder / f"{name}.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(shop.SQLITE_ORDERS)
        connection.executemany(INSERT, shop.rows(max(sizes.added, sizes.deleted)))
        connection.commit()
    if POLICIES[name]:
        protect(f"sqlite:///{path}", POLICIES[name])
    return path.read_bytes()


def _run(file: bytes, work: Work, sizes: Sizes) -> Sample:
    with tempfile.NamedTemporaryFile(prefix="holdfast-bench-", suffix=".db") as copy:
        copy.write(file)
        copy.flush()
        with closing(sqlite3.connect(copy.name, isolation_level=None)) as connection:
            connection.execute("pragma foreign_keys = on")
            connection.execute("pragma recursive_triggers = on")
            cpu, wall = time.process_time(), time.perf_counter()
            if work is update_and_commit:
                work(connection, sizes)
            else:
                connection.execute("begin immediate")
                work(connection, sizes)
                connection.execute("commit")
            return Sample(time.process_time() - cpu, time.perf_counter() - wall)
