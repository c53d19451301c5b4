"""The peers: each from PyPI, in an environment of its own under .bench/, protecting the same table its own way."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import venv
from dataclasses import dataclass
from types import TracebackType

from bench.sampling import Sample

ROOT = pathlib.Path(__file__).parents[2]
FOLDER = ROOT / ".bench"


@dataclass(frozen=True)
class Peer:
    """``sees_sql``: whether it records what does not pass through its ORM. ``needs``: what it works with."""

    name: str
    module: str
    sees_sql: bool
    serves_orm: bool
    needs: tuple[str, ...] = ()


PEERS = (
    Peer("django-pghistory", "bench.peers.pghistory", sees_sql=True, serves_orm=False),
    Peer("postgresql-audit", "bench.peers.postgresql_audit", sees_sql=True, serves_orm=True),
    Peer("sqlalchemy-continuum", "bench.peers.continuum", sees_sql=False, serves_orm=True),
)


class PeerError(Exception):
    """The peer could not be had; the text says at which step."""


def prepare(peer: Peer) -> str:
    """Makes its environment where there is none yet; gives its version."""
    folder = FOLDER / peer.name
    python = str(folder / "bin" / "python")
    pip = [python, "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
    if not (folder / "installed").exists():
        try:
            venv.create(folder, clear=True, with_pip=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise PeerError("its environment could not be made") from error
        if subprocess.run([*pip, peer.name, *peer.needs, "psycopg[binary]"], capture_output=True).returncode:
            raise PeerError("it could not be installed")
        (folder / "installed").touch()
    asking = f"import importlib.metadata; print(importlib.metadata.version({peer.name!r}))"
    return subprocess.run([python, "-c", asking], capture_output=True, text=True, check=True).stdout.strip()


def command(peer: Peer, *arguments: str) -> list[str]:
    return [str(FOLDER / peer.name / "bin" / "python"), "-W", "ignore", "-m", peer.module, *arguments]


def protect(peer: Peer, url: str) -> None:
    result = subprocess.run(command(peer, "protect", url), cwd=ROOT, capture_output=True, text=True)
    if result.returncode:
        print(result.stderr, file=sys.stderr)
        raise PeerError("it could not protect the table")


class Worker:
    """The peer's ORM in a process of its own, which does its work when it is told to."""

    def __init__(self, peer: Peer, mode: str, url: str, *counts: int) -> None:
        arguments = command(peer, mode, url, *map(str, counts))
        self._process = subprocess.Popen(arguments, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self) -> Sample:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        seconds = float(self._process.stdout.readline())
        return Sample(seconds, seconds)

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.communicate()
