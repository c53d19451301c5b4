"""The file that has a tenant: a zip with a part for each table as COPY writes it, and a manifest of them all."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from holdfast.errors import UnsupportedError
from holdfast.files import durable, sync

FORMAT = 1
MANIFEST = "manifest.json"
_CHUNK = 1 << 20


class ArchiveWriter:
    """Writes parts as they come; nothing of a part is kept in memory."""

    def __init__(self, packed: zipfile.ZipFile) -> None:
        self._packed = packed

    def add(self, part: str, chunks: Iterable[bytes | memoryview]) -> str:
        """The SHA-256 of what was written."""
        digest = hashlib.sha256()
        with self._packed.open(part, "w", force_zip64=True) as file:
            for chunk in chunks:
                digest.update(chunk)
                file.write(chunk)
        return digest.hexdigest()

    def finish(self, manifest: Mapping[str, Any]) -> None:
        document = {**manifest, "sha256": seal(manifest)}
        self._packed.writestr(MANIFEST, json.dumps(document, indent=2, ensure_ascii=False))


@contextmanager
def new_archive(path: Path) -> Iterator[ArchiveWriter]:
    """The file gets its name when all of it is on the disk; HF482 where the name is taken."""
    if path.exists():
        raise UnsupportedError("HF482", f"There is a file {path} already.", "Give another name.")
    waiting = path.with_name(f".{path.name}.part")
    try:
        with durable(waiting) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as packed:
            yield ArchiveWriter(packed)
        # Unlike a rename, this takes no other file's place.
        os.link(waiting, path)
    except FileExistsError as error:
        raise UnsupportedError("HF482", f"There is a file {path} already.", "Give another name.") from error
    except OSError as error:
        what = f"{path} cannot be written: {error.strerror}."
        raise UnsupportedError("HF482", what, "Give another place.") from error
    finally:
        waiting.unlink(missing_ok=True)
    sync(path.parent)


class ArchiveReader:
    """An archive whose manifest was checked; a part is checked as it is read."""

    def __init__(self, path: Path, packed: zipfile.ZipFile) -> None:
        self.path = path
        self._packed = packed
        self.manifest = self._manifest()

    def chunks(self, part: str, sha256: str) -> Iterator[bytes]:
        """HF482, after the last of them, where they are not what was written."""
        digest = hashlib.sha256()
        with self._readable():
            file: BinaryIO
            with self._packed.open(part) as file:  # type: ignore[assignment]
                while chunk := file.read(_CHUNK):
                    digest.update(chunk)
                    yield chunk
        if digest.hexdigest() != sha256:
            raise self._damaged()

    def _manifest(self) -> dict[str, Any]:
        with self._readable():
            document = json.loads(self._packed.read(MANIFEST))
            sealed = document.pop("sha256")
        if document.get("format") != FORMAT:
            raise UnsupportedError(
                "HF482",
                f"{self.path} is an archive of format {document.get('format')}.",
                f"This holdfast reads format {FORMAT}.",
            )
        if sealed != seal(document):
            raise self._damaged()
        return dict(document)

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except (OSError, EOFError, KeyError, ValueError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
            raise self._damaged() from error

    def _damaged(self) -> UnsupportedError:
        return UnsupportedError(
            "HF482", f"{self.path} is not a whole archive of a tenant.", "Nothing was imported. Export it again."
        )


@contextmanager
def open_archive(path: Path) -> Iterator[ArchiveReader]:
    try:
        packed = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise UnsupportedError("HF482", f"{path} is no archive of a tenant.", "Nothing was imported.") from error
    with packed:
        yield ArchiveReader(path, packed)


def seal(document: Mapping[str, Any]) -> str:
    """The SHA-256 of a document, whichever way it is laid out."""
    spelled = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(spelled.encode("utf-8", "surrogatepass")).hexdigest()
