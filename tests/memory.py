"""Where the tests keep their files: in memory where there is room, since a new database is some hundred new files."""

from __future__ import annotations

import os
import pathlib
import shutil
import tempfile

_MEMORY = pathlib.Path("/dev/shm")
_ROOM = 4 * 2**30


def work_in_memory() -> None:
    """Makes it the folder for temporary files, of this process and of those that it starts; TMPDIR goes before."""
    if "TMPDIR" in os.environ or not os.access(_MEMORY, os.W_OK | os.X_OK):
        return
    # A server whose files only root can read is copied, and the copy is run.
    if os.statvfs(_MEMORY).f_flag & os.ST_NOEXEC or shutil.disk_usage(_MEMORY).free < _ROOM:
        return
    os.environ["TMPDIR"] = str(_MEMORY)
    tempfile.tempdir = None
