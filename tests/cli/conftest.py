"""A shop's database, and the command line to be called on it from an empty folder."""

from __future__ import annotations

import json
import os
import pathlib
from dataclasses import dataclass
from typing import Any

import pytest
from click.testing import CliRunner

from holdfast.cli import main
from tests.harness import Protected

SHOP = """\
create table customers (id integer primary key, name text not null, iban text);
create table orders (
    id integer primary key, customer_id integer references customers, status text not null, total numeric(10, 2));
create table order_lines (
    order_id integer references orders on delete cascade, line integer, article text, primary key (order_id, line));
create table countries (code varchar(2) primary key, name text);
create table scraps (note text);
insert into customers values (1, 'Ada', 'DE01'), (2, 'Bo', 'DE02');
insert into orders values (1, 1, 'paid', 10.50), (2, 1, 'pending', 20), (3, 2, 'pending', 30.25);
insert into order_lines values (1, 1, 'rope'), (2, 1, 'lamp'), (2, 2, 'tent'), (3, 1, 'rope');
insert into countries values ('BE', 'Belgium'), ('12', 'Twelve')"""


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Shell:
    """``holdfast …`` as a program would be called that is not on a terminal."""

    def __init__(self, url: str | None) -> None:
        self.url = url

    def __call__(self, *arguments: str, url: str | None = None) -> Outcome:
        environment = {"HOLDFAST_URL": url or self.url}
        result = CliRunner().invoke(main, list(arguments), prog_name="holdfast", env=environment)
        return Outcome(result.exit_code, result.stdout, result.stderr)


@dataclass(frozen=True)
class Shop:
    """The database with its rows, and the command line on it."""

    holdfast: Shell
    protected: Protected

    def run(self, *statements: str) -> None:
        self.protected.run(*statements)

    def run_as(self, actor: str, *statements: str) -> None:
        """All statements in one transaction, which says who does it."""
        self.protected.write(*statements, actor=actor)

    def rows(self, sql: str) -> list[Any]:
        return self.protected.rows(sql)

    def transaction(self) -> str:
        """The newest one."""
        return str(self.holdfast("log", "--limit", "1", "--json").json[0]["transaction"])


def make_shop(url: str) -> Shop:
    protected = Protected(url)
    protected.run(*SHOP.split(";"))
    return Shop(Shell(url), protected)


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """No holdfast.toml but the test's own, and a zone in which local time is not UTC."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("HOLDFAST_URL", raising=False)
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def shop(database: str) -> Shop:
    return make_shop(database)


@pytest.fixture
def postgresql_shop(postgresql_database: str) -> Shop:
    return make_shop(postgresql_database)


def protected(url: str) -> None:
    outcome = make_shop(url).holdfast("protect", "--all", "--yes")
    assert outcome.code == 0, outcome.err


def pytest_itemcollected(item: pytest.Item) -> None:
    """What is protected from the start is a copy: to install takes longer than most of these tests."""
    if "protected_shop" in getattr(item, "fixturenames", ()):
        item.add_marker(pytest.mark.copy_of(build=protected))


@pytest.fixture
def protected_shop(database: str) -> Shop:
    return Shop(Shell(database), Protected(database))


@pytest.fixture
def environment() -> dict[str, str]:
    """For programs that are started for real."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("HOLDFAST", "PG"))}
