"""A primary and its streaming replica, for tests: two servers on free ports, in one folder that goes with them."""

from __future__ import annotations

import os
import pwd
import subprocess
from typing import Any

from holdfast import embedded
from holdfast.embedded import EmbeddedPostgreSQL
from tests.servers import available


class Standby:
    """A second server that replays what the first one writes. Its replay can be paused and it can be stopped."""

    def __init__(self, primary: EmbeddedPostgreSQL) -> None:
        self.primary = primary
        assert primary._folder is not None
        # Within the primary's folder, so that it goes whatever happens; and by the same user.
        self.folder = primary._folder / "standby"
        self._binaries = primary.binaries
        self._account: Any = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self._account = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            if (primary._folder / "install").exists():
                self._binaries = next((primary._folder / "install").glob("**/bin/postgres")).parent
        self.server: subprocess.Popen[bytes] | None = None
        self.port = 0

    def copy(self) -> None:
        self.folder.mkdir()
        if self._account:
            os.chown(self.folder, self._account["user"], self._account["group"])
        connection = f"host=127.0.0.1 port={self.primary.port} user=postgres application_name=standby"
        command = [self._binaries / "pg_basebackup", "-D", self.folder / "data", "-d", connection]
        subprocess.run(
            [
                *command,
                "--write-recovery-conf",
                "--checkpoint=fast",
                "--wal-method=stream",
                "--no-sync",
                "--no-manifest",
            ],
            check=True,
            capture_output=True,
            cwd=self.folder,
            env=embedded._environment(),
            **self._account,
        )

    def start(self, port: int | None = None) -> None:
        settings = {"fsync": "off", "hot_standby": "on", "wal_receiver_status_interval": "1s"}
        for _ in range(3):
            self.port = port or embedded._free_port()
            server = embedded._postgres(self._binaries, self.folder, self._account, settings, self.port)
            if embedded._accepts_connections(server, self.folder):
                self.server = server
                return
        raise RuntimeError((self.folder / "log").read_text(errors="replace")[-2000:])

    def stop(self) -> None:
        if self.server is not None:
            embedded._end(self.server)
            self.server = None
            (self.folder / "data" / "postmaster.pid").unlink(missing_ok=True)

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{database}"


def start_primary() -> EmbeddedPostgreSQL:
    version, binaries = next(iter(available().items()))
    settings = {"autovacuum": "off", "wal_level": "replica", "max_wal_senders": "4"}
    # The log is sent when it is written, and that is otherwise up to a fifth of a second after the commit.
    settings |= {"synchronous_commit": "on"}
    return EmbeddedPostgreSQL(version, binaries=binaries, settings=settings).start()
