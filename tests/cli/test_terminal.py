"""Real programs: on a terminal, which they may ask, and in a pipe that breaks."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
from collections.abc import Mapping

import pytest
import sqlalchemy as sa

from tests.cli.conftest import Shop, make_shop

HOLDFAST = [sys.executable, "-m", "holdfast"]


def on_a_terminal(arguments: list[str], answer: bytes, environment: Mapping[str, str]) -> tuple[int, str]:
    """The exit code and what was on the screen; the answer is typed when there is a question."""
    child, screen = pty.fork()
    if child == 0:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.execve(sys.executable, [*HOLDFAST, *arguments], {**environment, "COLUMNS": "120", "TERM": "xterm"})
    seen = b""
    asked = False
    while True:
        # A key that is pressed before the program listens is lost; a person presses it again.
        if not select.select([screen], [], [], 2.0)[0]:
            if asked:
                os.write(screen, answer)
            continue
        try:
            part = os.read(screen, 65_536)
        except OSError:  # the terminal is gone with its program
            break
        if not part:
            break
        seen += part
        if not asked and b"[y/N]" in seen:
            asked = True
            os.write(screen, answer)
    os.close(screen)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), seen.decode()


@pytest.fixture
def url_known(database: str, environment: dict[str, str]) -> dict[str, str]:
    return {**environment, "HOLDFAST_URL": database}


@pytest.mark.parametrize(
    ("answer", "code", "after"), [(b"y\n", 0, 0), (b"n\n", 1, 1), (b"\n", 1, 1), (b"\x03", 130, 1), (b"\x04", 130, 1)]
)
def test_protect_asks_first(shop: Shop, url_known: dict[str, str], answer: bytes, code: int, after: int) -> None:
    ended, screen = on_a_terminal(["protect", "orders"], answer, url_known)
    assert "orders: Audit, Guard" in screen
    assert "Apply this?" in screen
    assert ended == code
    assert "Traceback" not in screen
    assert shop.holdfast("status").code == after


def test_undo_shows_what_it_would_do_and_asks(protected_shop: Shop, url_known: dict[str, str]) -> None:
    protected_shop.run("delete from orders where id = 2")
    transaction = protected_shop.transaction()
    for answer, code, rows in ((b"n\n", 1, 2), (b"y\n", 0, 3)):
        ended, screen = on_a_terminal(["undo", transaction], answer, url_known)
        assert "orders: 1 row back again" in screen
        assert ended == code
        assert protected_shop.rows("select count(*) from orders") == [(rows,)]


def test_a_pipe_whose_reader_has_gone(protected_shop: Shop, url_known: dict[str, str]) -> None:
    protected_shop.run("delete from orders")
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        ended = subprocess.run([*HOLDFAST, "log"], stdout=pipe, stderr=subprocess.PIPE, env=url_known, check=False)
    assert ended.returncode not in (0, 1)
    assert ended.stderr == b""


def test_an_output_that_is_closed_or_full(protected_shop: Shop, url_known: dict[str, str]) -> None:
    protected_shop.run("update orders set status = 'x'")
    shell = '"$0" -m holdfast log'
    for script, code, said in ((f"{shell} >&-", 0, b""), (f"{shell} > /dev/full", 3, b"No space left on device")):
        ended = subprocess.run(["sh", "-c", script, sys.executable], capture_output=True, env=url_known, check=False)
        assert (ended.returncode, ended.stderr.count(b"\n") <= 1) == (code, True), ended.stderr
        assert said in ended.stderr


def test_a_file_that_cannot_grow(sqlite_database: str, environment: dict[str, str]) -> None:
    shop = make_shop(sqlite_database)
    shop.run(
        "with recursive n (i) as (select 10 union all select i + 1 from n where i < 3000) "
        "insert into customers select i, 'a name that is not short', null from n"
    )
    assert shop.holdfast("protect", "--all", "--yes").code == 0
    shop.run("delete from customers where id >= 10")
    limit = 'ulimit -f $(($(stat -c %s "$1") / 1024 + 1)); exec "$0" -m holdfast undo 1 --yes'
    path = str(sa.make_url(sqlite_database).database)
    ended = subprocess.run(
        ["bash", "-c", limit, sys.executable, path],
        capture_output=True,
        env={**environment, "HOLDFAST_URL": sqlite_database},
        check=False,
    )
    assert (ended.returncode, ended.stderr[:7]) == (3, b"HF405: "), ended.stderr
    assert shop.rows("select count(*) from customers") == [(2,)]
    assert shop.holdfast("undo", "1", "--yes").code == 0
    assert shop.rows("select count(*) from customers") == [(2993,)]


def test_a_pipe_that_cannot_carry_every_character(protected_shop: Shop, url_known: dict[str, str]) -> None:
    protected_shop.run("update customers set name = 'Žofie' where id = 1")
    ended = subprocess.run(
        [*HOLDFAST, "log"], capture_output=True, env={**url_known, "PYTHONIOENCODING": "latin-1"}, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert b"\\u017dofie" in ended.stdout
