"""What each revision did when it was run here, in a table beside Alembic's: a file that was edited since is noticed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy
from alembic.script import Script
from sqlalchemy import Column, Connection, Executable, MetaData, String, Table, delete, insert, select
from sqlalchemy.schema import CreateTable

from holdfast.alembic.annotations import EDITED, accepted_edits
from holdfast.alembic.digests import digest_of
from holdfast.alembic.recording import shown
from holdfast.database import OWN, execute
from holdfast.dialects import dialect_for
from holdfast.dialects.migrating import APPLIED_REVISIONS
from holdfast.sqlalchemy.times import UTCDateTime


@dataclass(frozen=True, slots=True)
class Applied:
    """A revision as it was run."""

    digest: str
    at: datetime


class AppliedRevisions:
    """The revisions of one version table that were run on the connection's database, each as it was then."""

    def __init__(
        self, connection: Connection, schema: str | None = None, version_table: str = "alembic_version"
    ) -> None:
        self.connection = connection
        self.version_table = version_table
        self.table = Table(
            APPLIED_REVISIONS,
            MetaData(schema=schema),
            Column("version_table", String(63), primary_key=True),
            Column("revision", String(255), primary_key=True),
            Column("digest", String(64), nullable=False),
            Column("applied_at", UTCDateTime, nullable=False),
        )

    def read(self) -> dict[str, Applied]:
        """By revision; nothing of those that were run otherwise, or stamped."""
        if not (self._is_there() and self._may_be_kept()):
            return {}
        columns = self.table.c
        query = select(columns.revision, columns.digest, columns.applied_at)
        rows = self._execute(query.where(columns.version_table == self.version_table))
        return {revision: Applied(digest, at) for revision, digest, at in rows}

    def note(self, step: Any, scripts: Any) -> None:
        """Alembic's ``on_version_apply``: what was run is written down, and what is no longer so is forgotten.

        Who stamps says that the database is at a revision, whatever was run there: all of them are forgotten.
        """
        upgraded = step.is_upgrade and not step.is_stamp
        if not self._may_be_kept():
            return
        if not self._is_there():
            if not upgraded:
                return
            self._execute(CreateTable(self.table, if_not_exists=True))
        columns = self.table.c
        forget = delete(self.table).where(columns.version_table == self.version_table)
        self._execute(forget if step.is_stamp else forget.where(columns.revision == step.up_revision_id))
        source = _source(scripts.get_revision(step.up_revision_id)) if upgraded else None
        if source is not None:
            values = {"digest": digest_of(source), "applied_at": datetime.now(UTC)}
            self._execute(
                insert(self.table).values(version_table=self.version_table, revision=step.up_revision_id, **values)
            )

    def _is_there(self) -> bool:
        return sqlalchemy.inspect(self.connection).has_table(self.table.name, schema=self.table.schema)

    def _may_be_kept(self) -> bool:
        """A role may do what the revisions ask for, and no more."""
        migrating = dialect_for(self.connection.dialect.name).migrating
        asked = migrating.may_keep(self.table.schema, self.table.name)
        return asked is None or bool(execute(self.connection, asked)[0][0])

    def _execute(self, statement: Executable) -> Any:
        return self.connection.execute(statement, execution_options={OWN: True})


def is_edited(script: Script, applied: Mapping[str, Applied]) -> bool:
    """Whether it would do something else now than it did here."""
    there = applied.get(script.revision)
    source = _source(script) if there is not None else None
    return there is not None and source is not None and digest_of(source) != there.digest


def edited(scripts: Any, applied: Mapping[str, Applied]) -> Iterator[str]:
    """What there is to say of each revision that was edited and that no comment accepts, oldest first."""
    for script in reversed(list(scripts.walk_revisions())):
        if is_edited(script, applied) and not accepted_edits(script):
            yield (
                f"Revision {script.revision} ({shown(script.path)}) was edited after it was run here on "
                f"{applied[script.revision].at:%Y-%m-%d}: this database has what it did then. Put the change into a "
                f"revision of its own, or accept it by a line at the left margin: # holdfast: allow {EDITED} the reason"
            )


def _source(script: Script) -> str | None:
    """None where there is but what was compiled."""
    path = Path(script.path)
    return path.read_text(encoding="utf-8") if path.suffix == ".py" else None
