"""Checked by mypy, never run."""

from pathlib import Path
from typing import assert_type

from holdfast.embedded import EmbeddedPostgreSQL, find_binaries

assert_type(find_binaries(18), Path)

with EmbeddedPostgreSQL(16, settings={"work_mem": "16MB"}) as server:
    assert_type(server, EmbeddedPostgreSQL)
    assert_type(server.port, int)
    assert_type(server.url("shop"), str)
