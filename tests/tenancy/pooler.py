"""PgBouncer in transaction mode, for tests: on a free port of the loopback, by an ordinary user, in its own folder."""

from __future__ import annotations

import contextlib
import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

_START_SECONDS = 30.0


def program() -> str | None:
    """Debian puts it where only administrators look."""
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


@contextlib.contextmanager
def pooled(url: sa.URL) -> Iterator[sa.URL]:
    """The URL of a PgBouncer before that database, which has one connection to it for everybody."""
    path = program()
    assert path is not None
    account: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            account = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        for _ in range(3):  # between choosing a free port and using it, somebody else may take it
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            (folder / "ini").write_text(_settings(url, port))
            with (folder / "log").open("wb") as log:
                server = subprocess.Popen([path, folder / "ini"], stdout=log, stderr=log, cwd=folder, **account)
            try:
                if _accepts_connections(server, port):
                    yield url.set(host="127.0.0.1", port=port)
                    return
            finally:
                server.terminate()
                server.wait(_START_SECONDS)
        raise RuntimeError(f"PgBouncer did not start: {(folder / 'log').read_text(errors='replace')[-2000:]}")


def _settings(url: sa.URL, port: int) -> str:
    return f"""\
[databases]
{url.database} = host={url.host} port={url.port} dbname={url.database} user={url.username}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 1
max_client_conn = 200
# PgBouncer's own ways to clean a connection up are for session mode: nothing helps us here.
server_reset_query_always = 0
# A client that was cancelled while it connected may be lost by its driver, with the only connection there is.
idle_transaction_timeout = 10
"""


def _accepts_connections(server: subprocess.Popen[bytes], port: int) -> bool:
    deadline = time.monotonic() + _START_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        time.sleep(0.02)
    return False
