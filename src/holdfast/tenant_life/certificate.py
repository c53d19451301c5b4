"""The proof of a deletion: what was deleted and that nothing is left, without the tenant's name."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from holdfast.errors import UnsupportedError
from holdfast.files import sync
from holdfast.tenant_life.archive import seal
from holdfast.tenant_life.manifest import Manifest
from holdfast.tenant_life.place import Work


def check_file(path: Path | None) -> None:
    """HF482 where it cannot be written, or is there already."""
    if path is not None and (path.exists() or not os.access(path.parent, os.W_OK)):
        raise UnsupportedError("HF482", f"A new file {path} cannot be written.", "Give the certificate another name.")


def certificate_of(work: Work, manifest: Manifest, counted: Mapping[str, Any], changes: int | None) -> dict[str, Any]:
    document: dict[str, Any] = {
        "tenant_sha256": work.digest,
        "schema": work.place.schema,
        "at": datetime.now(UTC).isoformat(),
        "actor": work.actor,
        "reason": work.reason,
        "tables": {name: {**each, "left": 0} for name, each in counted.items()},
        "history": {"kept": True} if changes is None else {"kept": False, "removed": changes, "left": 0},
        "shared": dict(manifest.shared),
        "unrelated": list(manifest.unrelated),
    }
    return {**document, "sha256": seal(document)}


@contextmanager
def written(path: Path | None, document: Mapping[str, Any]) -> Iterator[None]:
    """The file is on the disk before the commit, and has its name after it."""
    if path is None:
        yield
        return
    waiting = path.with_name(f".{path.name}.part")
    with waiting.open("w", encoding="utf-8") as file:
        file.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        yield
        waiting.rename(path)
    finally:
        waiting.unlink(missing_ok=True)
    sync(path.parent)
