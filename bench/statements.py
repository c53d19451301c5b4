"""The statements of a shop, each prepared on a fresh table and then measured."""

from __future__ import annotations

import contextlib
from typing import Any

import psycopg
import sqlalchemy as sa
from sqlalchemy import orm

from bench import models, shop
from bench.sampling import Sample, measured
from bench.sizes import Sizes
from bench.subjects import Subject
from holdfast import bind, context


def copy(subject: Subject, sizes: Sizes) -> Sample:
    subject.refill(0)
    text = shop.copy_text(sizes.loaded)
    with measured(subject.pid) as sample, subject.connection.cursor() as cursor:
        with cursor.copy(f"copy orders ({', '.join(shop.COLUMNS)}) from stdin") as stream:
            stream.write(text)
    return sample


def multi_row_insert(subject: Subject, sizes: Sizes) -> Sample:
    subject.refill(0)
    pages = shop.insert_pages(sizes.loaded)
    with measured(subject.pid) as sample, subject.connection.transaction():
        for page in pages:
            subject.connection.execute(page)
    return sample


def update_many(subject: Subject, sizes: Sizes) -> Sample:
    subject.refill(sizes.stock)
    return _statement(subject, f"update orders set status = 'returned' where id <= {sizes.updated}")


def insert_loop(subject: Subject, sizes: Sizes) -> Sample:
    subject.refill(sizes.stock)
    columns = ", ".join(shop.COLUMNS)
    loop = f"""\
do $$ begin
    for i in 1..{sizes.looped} loop
        insert into orders ({columns})
        values (i % 20000, 'new', 12.50, 'EUR', 'customer@example.com', '12 Harbour Street, 10123 Oldtown', now());
    end loop;
end $$"""
    return _statement(subject, loop)


def update_loop(subject: Subject, sizes: Sizes) -> Sample:
    subject.refill(sizes.stock)
    loop = f"""\
do $$ begin
    for i in 1..{sizes.looped} loop
        update orders set status = 'returned' where id = i * 7 % {sizes.stock} + 1;
    end loop;
end $$"""
    return _statement(subject, loop)


def update_and_commit(subject: Subject, sizes: Sizes) -> Sample:
    subject.refill(sizes.stock)
    with measured(subject.pid) as sample:
        for number in range(sizes.committed):
            subject.connection.execute(
                "update orders set status = %s where id = %s", ("returned", number * 7 % sizes.stock + 1)
            )
    return sample


def delete(subject: Subject, sizes: Sizes) -> Sample:
    subject.refill(sizes.stock)
    return _statement(subject, f"delete from orders where id <= {sizes.deleted}")


def mark_deleted(subject: Subject, sizes: Sizes) -> Sample:
    """The UPDATE that an application without protection writes by hand."""
    subject.refill(sizes.stock)
    return _statement(subject, f"update orders set deleted_at = now() where id <= {sizes.deleted}")


def update_wide(subject: Subject, sizes: Sizes) -> Sample:
    """Each row has an unchanged column of 12 kB, which the database keeps apart from the row."""
    subject.refill(sizes.wide)
    subject.connection.execute("set session_replication_role = replica")
    subject.connection.execute(
        "update orders set note = (select string_agg(md5(id::text || '.' || n), '') from generate_series(1, 375) as n)"
    )
    subject.connection.execute("reset session_replication_role")
    subject.connection.execute("vacuum (full, analyze) orders")
    subject.connection.execute("checkpoint")
    return _statement(subject, "update orders set status = 'returned'")


def update_narrow(subject: Subject, sizes: Sizes) -> Sample:
    subject.refill(sizes.wide)
    subject.connection.execute("vacuum (full, analyze) orders")
    subject.connection.execute("checkpoint")
    return _statement(subject, "update orders set status = 'returned'")


def update_fresh(subject: Subject, sizes: Sizes) -> Sample:
    return _planned(subject, sizes, warm=False)


def update_warm(subject: Subject, sizes: Sizes) -> Sample:
    """After ten statements of one row each: what was planned for one row must do for thousands."""
    return _planned(subject, sizes, warm=True)


def add_all(subject: Subject, sizes: Sizes) -> Sample:
    subject.refill(0)
    engine = sa.create_engine(subject.url)
    order = models.map_orders(orm.declarative_base())
    seconds = models.add_all(engine, order, sizes.added)
    engine.dispose()
    return Sample(seconds, seconds)


def transactions(subject: Subject, sizes: Sizes, *, bound: bool) -> Sample:
    """Transactions of one SELECT through SQLAlchemy, with and without a context to carry.

    They commit, as what serves a request does. At a ROLLBACK psycopg forgets its prepared statements.
    """
    engine = sa.create_engine(subject.url)
    carried: contextlib.AbstractContextManager[Any] = contextlib.nullcontext()
    if bound:
        bind(engine)
        carried = context(actor="alice", reason="returns of the week", request_id="r-1")
    with engine.connect() as connection, carried:
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        # What the server makes ready for a connection once, a pooled one has long had.
        for _ in range(20):
            connection.exec_driver_sql("select 1")
            connection.commit()
        with measured(driver.info.backend_pid) as sample:
            for _ in range(sizes.committed):
                connection.exec_driver_sql("select 1")
                connection.commit()
    engine.dispose()
    assert sample.wall is not None
    return Sample(sample.cpu, sample.wall / sizes.committed)


def _planned(subject: Subject, sizes: Sizes, *, warm: bool) -> Sample:
    subject.refill(sizes.stock)
    with subject.connect() as connection:
        pid = connection.info.backend_pid
        connection.execute(f"set statement_timeout = '{sizes.patience}s'")
        for number in range(10 if warm else 0):
            connection.execute(f"update orders set status = 'packed {number}' where id = {sizes.stock - number}")
        try:
            with measured(pid) as sample:
                connection.execute(f"update orders set status = 'returned' where id <= {sizes.planned}")
        except psycopg.errors.QueryCanceled:
            return Sample()
        return sample


def _statement(subject: Subject, statement: str) -> Sample:
    with measured(subject.pid) as sample:
        subject.connection.execute(statement)
    return sample


def timed_delete(subject: Subject, sizes: Sizes) -> Sample:
    """Every row, on a table that is full already."""
    return _statement(subject, f"delete from orders where id <= {sizes.undone}")
