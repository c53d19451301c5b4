"""A table whose key is another column by now begins a new history in the next revision; down again none is mistaken."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from holdfast import Audit
from holdfast.errors import UnsupportedError
from holdfast.sqlalchemy import protect
from tests.alembic.project import Project
from tests.harness import Protected


def models(*, key: str) -> sa.MetaData:
    metadata = sa.MetaData()
    columns = [sa.Column(name, sa.String(9), primary_key=name == key, nullable=False) for name in ("id", "code")]
    protect(Audit())(sa.Table("items", metadata, *columns))
    return metadata


def test_a_new_history_begins_and_ends(postgresql_database: str, tmp_path: Path) -> None:
    items = Protected(postgresql_database)
    project = Project(tmp_path, postgresql_database, models(key="id"), holdfast_roles_apart=False)
    project.revise()
    project.upgrade()
    items.run("insert into items values ('5', '1000')")
    inserted = items.last_transaction()
    items.run("insert into items values ('7', '5')")
    items.run("alter table items drop constraint items_pkey", "alter table items add primary key (code)")
    project.metadata = models(key="code")
    assert project.drift() != ""
    project.revise()
    project.upgrade()
    assert project.drift() == ""
    assert items.drift() == []

    with pytest.raises(UnsupportedError):
        items.undo(inserted)
    assert items.rows("select id, code from items order by id") == [("5", "1000"), ("7", "5")]
    items.run("insert into items values ('8', '6')")
    items.undo()
    assert items.rows("select id, code from items order by id") == [("5", "1000"), ("7", "5")]

    # Down again it is as it was: the journal knows the rows by the former key, and mistakes none.
    project.downgrade("-1")
    assert any("which was" in str(each) for each in items.drift())
    with pytest.raises(UnsupportedError, match="another key"):
        items.undo(inserted)
    items.run("alter table items drop constraint items_pkey", "alter table items add primary key (id)")
    items.undo(inserted)
    assert items.rows("select id, code from items") == [("7", "5")]
