"""``holdfast tail``: lines for people, JSON lines for programs, and a clean end however it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from typing import Any

import pytest

from tests.cli.conftest import Outcome, Shop

HOLDFAST = [sys.executable, "-m", "holdfast"]


def lines(outcome: Outcome) -> list[dict[str, Any]]:
    assert outcome.code == 0, outcome.err
    return [json.loads(line) for line in outcome.out.splitlines()]


@pytest.fixture
def history(protected_shop: Shop) -> Shop:
    protected_shop.run("update orders set status = 'paid' where id = 2")
    protected_shop.run_as("ada", "insert into countries values ('FR', 'France')")
    protected_shop.run("delete from orders where id = 2")
    return protected_shop


def test_json_lines_oldest_first_each_with_its_cursor(history: Shop) -> None:
    changes = lines(history.holdfast("tail", "--from-start", "--json"))
    logged = history.holdfast("log", "--json").json
    assert [{name: each[name] for name in each if name != "cursor"} for each in changes] == logged[::-1]
    for place, each in enumerate(changes):
        assert lines(history.holdfast("tail", "--after", each["cursor"], "--json")) == changes[place + 1 :]


def test_lines_for_people(history: Shop) -> None:
    out = history.holdfast("tail", "--from-start").out.splitlines()
    assert len(out) == 5
    assert re.match(
        r'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d\d:\d\d  \d+  -  update  orders  2  status: "pending" → "paid"', out[0]
    )
    assert "  ada  insert  countries  FR  " in out[1]


def test_some_tables_and_some_time(history: Shop) -> None:
    def tables(*arguments: str) -> list[str]:
        return sorted({each["table"] for each in lines(history.holdfast("tail", *arguments, "--json"))})

    assert tables("orders", "countries", "--from-start") == ["countries", "orders"]
    assert tables("--since", "1h") == ["countries", "order_lines", "orders"]
    assert tables("countries", "--since", "1h") == ["countries"]
    assert history.holdfast("tail", "nothing", "--from-start").code == 1


def test_a_consumer_goes_on_where_it_was(history: Shop) -> None:
    def keys(*arguments: str) -> list[Any]:
        return [each["key"] for each in lines(history.holdfast("tail", "--consumer", "index", "--json", *arguments))]

    first = keys()
    assert len(first) == 5
    assert keys() == []
    history.run("delete from countries where code = 'FR'")
    assert keys() == ["FR"]
    assert keys("--since", "1h") == [*first, "FR"]
    assert keys() == []


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "--follow"),
        (["--from-start", "--since", "1h"], 2, "one of"),
        (["--after", "nonsense"], 2, "HF430"),
        (["--after", ""], 2, "HF430"),
    ],
)
def test_wrong_usage(history: Shop, arguments: list[str], code: int, said: str) -> None:
    outcome = history.holdfast("tail", *arguments)
    assert outcome.code == code
    assert said in outcome.err


def test_nothing_is_protected(shop: Shop) -> None:
    outcome = shop.holdfast("tail", "--from-start")
    assert (outcome.code, outcome.out) == (1, "")
    assert "HF303" in outcome.err


def test_wake_ups_are_switched_on_and_off(postgresql_shop: Shop) -> None:
    postgresql_shop.holdfast("protect", "--all", "--yes")
    there = "select count(*) from pg_trigger where tgname = 'wake_up'"
    assert postgresql_shop.holdfast("tail", "--wake").code == 0
    assert postgresql_shop.rows(there) == [(1,)]
    assert postgresql_shop.holdfast("status").code == 0
    assert postgresql_shop.holdfast("tail", "--no-wake").code == 0
    assert postgresql_shop.rows(there) == [(0,)]


def test_it_follows_until_it_is_interrupted(history: Shop, environment: dict[str, str]) -> None:
    command = [*HOLDFAST, "tail", "--follow", "--consumer", "index", "--interval", "0.05", "--json"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**environment, "HOLDFAST_URL": history.protected.url},
        # A program that is started in the background of a shell may ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
    ) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        seen = [json.loads(program.stdout.readline()) for _ in range(5)]
        history.run("insert into countries values ('IT', 'Italia')")
        seen.append(json.loads(program.stdout.readline()))
        program.send_signal(signal.SIGINT)
        assert program.wait() == 130
        assert "Traceback" not in program.stderr.read()
    assert [each["key"] for each in seen][-1] == "IT"


def test_a_reader_that_has_gone(history: Shop, environment: dict[str, str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        ended = subprocess.run(
            [*HOLDFAST, "tail", "--from-start", "--follow", "--consumer", "index"],
            stdout=pipe,
            stderr=subprocess.PIPE,
            env={**environment, "HOLDFAST_URL": history.protected.url},
            check=False,
        )
    assert (ended.returncode, ended.stderr) == (141, b"")
    # Nobody has seen it, so it comes again.
    assert len(lines(history.holdfast("tail", "--consumer", "index", "--json"))) == 5
