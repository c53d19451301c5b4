"""Old and new application code are at work while a column is renamed beneath them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from holdfast import Audit, Version
from tests.alembic.expand_contract.people import UPGRADES, WITHOUT_JOURNAL
from tests.alembic.scripts import Scripts, rows, run, until
from tests.harness import Protected


class Old(DeclarativeBase):
    """The application as it was."""


class New(DeclarativeBase):
    """The application as it is going to be."""


class OldAccount(Old):
    __tablename__ = "accounts"
    id: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str] = mapped_column("name")
    version: Mapped[int] = mapped_column(sa.FetchedValue())
    __mapper_args__ = {"version_id_col": version, "version_id_generator": False}  # noqa: RUF012


class NewAccount(New):
    __tablename__ = "accounts"
    id: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str] = mapped_column("full_name")
    version: Mapped[int] = mapped_column(sa.FetchedValue())
    __mapper_args__ = {"version_id_col": version, "version_id_generator": False}  # noqa: RUF012


class Application:
    """Inserts, updates, reads, deletes, counts up a row that all of them share; a failed statement is a failed test."""

    def __init__(self, url: str, model: Any, first: int, threads: ThreadPoolExecutor) -> None:
        self.model = model
        self.first = first
        self.rounds = 0
        self.written: dict[int, str] = {}
        self.engine = sa.create_engine(url)
        self._stop = threading.Event()
        self._running = threads.submit(self._run)

    def _run(self) -> None:
        model = self.model
        while not self._stop.is_set() and self.rounds < 5_000:
            number, text = self.first + self.rounds % 20, f"{self.first} {self.rounds}"
            with Session(self.engine) as session, session.begin():
                row = session.get(model, number)
                assert (row.label if row is not None else None) == self.written.get(number)
                if row is None:
                    session.add(model(id=number, label=text))
                elif self.rounds % 7 == 3:
                    session.delete(row)
                else:
                    row.label = text
            deleted = number in self.written and self.rounds % 7 == 3
            self.written |= {number: text}
            if deleted:
                del self.written[number]
            with Session(self.engine) as session, session.begin():
                counted = sa.cast(sa.cast(model.label, sa.Integer) + 1, sa.Text)
                session.execute(sa.update(model).where(model.id == 0).values(label=counted))
            self.rounds += 1

    def works(self, more: int = 3) -> None:
        wanted = self.rounds + more
        until(lambda: self.rounds >= wanted or self._running.done())
        if self._running.done():
            self.stop()

    def stop(self) -> int:
        self._stop.set()
        self._running.result()
        self.engine.dispose()
        return self.rounds


def test_both_versions_of_the_application_work_all_the_time(database: str, migrations: Callable[..., Scripts]) -> None:
    """No statement fails, and what each wrote last is there, while the column is renamed beneath them."""
    url, sqlite = database, database.startswith("sqlite")
    steps = UPGRADES if sqlite else WITHOUT_JOURNAL
    scripts = migrations(url, "pass", *(each.replace("people", "accounts") for each in steps))
    series = (
        "(with recursive s (i) as (values (0) union all select i + 1 from s where i < 3000) select i from s)"
        if sqlite
        else "generate_series(0, 3000) as i"
    )
    run(
        url,
        "create table accounts (id integer primary key, name text not null, version integer not null default 1)",
        "create index accounts_name on accounts (name)",
        f"insert into accounts (id, name) select i, case i when 0 then '0' else 'row ' || i end from {series}",
    )
    protected = Protected(url)
    protected.protect({"accounts": [Audit(), Version()]})
    with ThreadPoolExecutor(3) as threads:
        old = [Application(url, OldAccount, first, threads) for first in (10_000, 20_000)]
        try:
            for revision in ("b", "c"):
                for each in old:
                    each.works()
                scripts.upgrade(revision)
            new = Application(url, NewAccount, 30_000, threads)
            try:
                for each in (*old, new):
                    each.works()
                scripts.upgrade("d")
                for each in (*old, new):
                    each.works()
                counted = sum(each.stop() for each in old)
                scripts.upgrade("e")
                new.works()
            finally:
                counted += new.stop()
        finally:
            for each in old:
                each.stop()
    written = {number: text for each in (*old, new) for number, text in each.written.items()}
    written[0] = str(counted)
    found = rows(url, "select id, full_name from accounts where id = 0 or id >= 10000 order by id")
    assert found == sorted(written.items())
    assert rows(url, "select count(*) from accounts where full_name = 'row ' || id") == [(3000,)]
    assert len(protected.log("accounts", key="0", limit=None)) == counted
    assert protected.drift() == []
