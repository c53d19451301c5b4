"""SQLite in memory that is one database, for every connection, thread and program."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from holdfast.testing import async_memory_sqlite, memory_sqlite


def test_every_thread_sees_it_and_none_loses_an_update() -> None:
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(10):
                with engine.begin() as connection:
                    connection.exec_driver_sql("update counters set n = n + 1")
                with engine.connect() as connection:
                    connection.exec_driver_sql("update counters set n = n + 1000")
        except BaseException as error:
            failures.append(error)

    with memory_sqlite() as engine:
        with engine.begin() as connection:
            connection.exec_driver_sql("create table counters (n integer)")
            connection.exec_driver_sql("insert into counters values (0)")
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with engine.connect() as connection:
            assert (failures, connection.exec_driver_sql("select n from counters").scalar()) == ([], 40)


def test_a_reader_and_a_writer_do_not_wait_for_each_other() -> None:
    with memory_sqlite() as engine:
        with engine.begin() as connection:
            connection.exec_driver_sql("create table t (n integer)")
        with Session(engine) as reader, Session(engine) as writer, engine.connect() as third:
            count = sa.text("select count(*) from t")
            assert reader.scalar(count) == 0
            writer.execute(sa.text("insert into t values (1)"))
            assert third.scalar(count) == 0
            writer.commit()
            assert reader.scalar(count) == 0
            reader.rollback()
            assert reader.scalar(count) == 1


def test_transactions_keys_and_triggers_are_real() -> None:
    with memory_sqlite() as engine:
        with engine.connect() as connection:
            connection.exec_driver_sql("create table a (id integer primary key)")
            connection.rollback()
            assert sa.inspect(connection).get_table_names() == []
            pragmas = {
                name: connection.exec_driver_sql(f"pragma {name}").scalar()
                for name in ("foreign_keys", "recursive_triggers", "journal_mode")
            }
        assert pragmas == {"foreign_keys": 1, "recursive_triggers": 1, "journal_mode": "wal"}


def test_two_are_two_and_nothing_is_left() -> None:
    with memory_sqlite() as one, memory_sqlite() as other:
        with one.begin() as connection:
            connection.exec_driver_sql("create table t (n integer)")
        assert sa.inspect(one).get_table_names() == ["t"]
        assert sa.inspect(other).get_table_names() == []
        path = Path(str(one.url.database))
        assert path.is_file()
    assert not path.parent.exists()


def test_the_folder_may_be_given(tmp_path: Path) -> None:
    with memory_sqlite(tmp_path) as engine:
        assert tmp_path in Path(str(engine.url.database)).parents
    assert list(tmp_path.iterdir()) == []


def test_asynchronous() -> None:
    async def main() -> Path:
        async with async_memory_sqlite() as engine:
            async with engine.begin() as connection:
                await connection.exec_driver_sql("create table a (id integer primary key)")
                await connection.exec_driver_sql("create table b (a integer references a (id))")

            async def insert(key: int) -> None:
                async with engine.begin() as connection:
                    await connection.exec_driver_sql(f"insert into a values ({key})")

            await asyncio.gather(*map(insert, range(8)))
            async with engine.connect() as connection:
                assert (await connection.exec_driver_sql("select count(*) from a")).scalar() == 8
                with pytest.raises(sa.exc.IntegrityError):
                    await connection.exec_driver_sql("insert into b values (99)")
                await connection.rollback()
                await connection.exec_driver_sql("create table c (id integer)")
                await connection.rollback()
                assert "c" not in await connection.run_sync(lambda sync: sa.inspect(sync).get_table_names())
            path = Path(str(engine.url.database))
            with sqlite3.connect(path) as other:
                assert other.execute("select count(*) from a").fetchone() == (8,)
            other.close()
            return path

    assert not asyncio.run(main()).parent.exists()
