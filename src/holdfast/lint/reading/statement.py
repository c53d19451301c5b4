"""One statement, by its first words."""

from __future__ import annotations

from collections.abc import Iterator

from holdfast.lint.actions import (
    Action,
    Boundary,
    CreateTable,
    Opaque,
    Outside,
    Read,
    Rename,
    RenameColumn,
    Rewrite,
    Setting,
    Write,
)
from holdfast.lint.reading.changing import (
    read_alter,
    read_cluster,
    read_drop,
    read_grant,
    read_lock,
    read_refresh,
    read_reindex,
    read_truncate,
    read_vacuum,
)
from holdfast.lint.reading.creating import read_create
from holdfast.lint.reading.data import read_data
from holdfast.lint.words import Cursor, Words
from holdfast.tables import TableName

Actions = Iterator[Action]
_DATA = "SELECT|INSERT|UPDATE|DELETE|MERGE|WITH|VALUES|TABLE|REPLACE|("
_HARMLESS = (
    "ANALYZE|ANALYSE|SHOW|LISTEN|NOTIFY|UNLISTEN|DISCARD|CHECKPOINT|DEALLOCATE|CLOSE|FETCH|MOVE|"
    "DECLARE|SECURITY|LOAD|RESET|SAVEPOINT|RELEASE|USE|DENY|PRINT|GO|UNLOCK|FLUSH|IMPORT|REASSIGN|DESCRIBE"
)


def read_statement(words: Words, text: str, cursor: Cursor) -> tuple[Action, ...]:
    """What it does. HF442 where that is not known: a statement that is not understood is never a pass."""
    actions = tuple(_read(cursor, text))
    if not cursor.done:
        cursor.refuse("It goes on in a way that is not known")
    return actions


def _read(cursor: Cursor, text: str) -> Actions:
    if cursor.sees(_DATA):
        cursor.rest()
        yield from _data(text, cursor)
    elif cursor.take("CREATE"):
        yield from read_create(cursor)
    elif cursor.take("ALTER"):
        yield from read_alter(cursor)
    elif cursor.take("DROP"):
        yield from read_drop(cursor)
    elif cursor.sees("SET|PRAGMA|BEGIN|START|COMMIT|END|ROLLBACK|ABORT|PREPARE"):
        yield from _session(cursor)
    elif cursor.sees("GRANT|REVOKE"):
        yield from read_grant(cursor, revoke=cursor.skip().is_("REVOKE"))
    elif cursor.take("COMMENT"):
        cursor.expect("ON")
        cursor.rest()
    elif cursor.sees(_HARMLESS):
        cursor.rest()
    elif cursor.take("EXPLAIN"):
        yield from _explained(text, cursor)
    else:
        yield from _maintenance(cursor)


def _explained(text: str, cursor: Cursor) -> Actions:
    """EXPLAIN ANALYZE runs what it explains."""
    start = cursor.words[0].start
    at = next((word for word in cursor.words[1:] if word.is_("SELECT", "INSERT", "UPDATE", "DELETE", "MERGE")), None)
    if at is not None and any(word.is_("ANALYZE", "ANALYSE") for word in cursor.words[1 : cursor.words.index(at)]):
        yield from read_data(text[at.start - start :], cursor.server)
    cursor.rest()


def _data(text: str, cursor: Cursor) -> Actions:
    """SELECT … INTO makes a table."""
    actions = list(read_data(text, cursor.server))
    into = next((at for at, word in enumerate(cursor.words) if word.is_("INTO")), 0)
    if into and all(isinstance(each, Read) for each in actions) and cursor.words[0].is_("SELECT", "WITH"):
        inner = cursor.inside(cursor.words[into + 1 :])
        inner.take("TEMP|TEMPORARY|UNLOGGED")
        inner.take("TABLE")
        yield CreateTable(inner.name(), query=tuple(cursor.words))
    yield from actions


def _maintenance(cursor: Cursor) -> Actions:
    if cursor.take("TRUNCATE"):
        yield from read_truncate(cursor)
    elif cursor.take("LOCK"):
        yield from read_lock(cursor)
    elif cursor.take("REINDEX"):
        yield from read_reindex(cursor)
    elif cursor.take("VACUUM"):
        yield from read_vacuum(cursor)
    elif cursor.sees("CLUSTER|REPACK"):
        yield from read_cluster(cursor, cursor.skip().text.upper())
    elif cursor.take("REFRESH"):
        yield from read_refresh(cursor)
    elif cursor.take("OPTIMIZE"):
        yield Rewrite("OPTIMIZE", None)
        cursor.rest()
    elif cursor.take("COPY"):
        table = TableName("", "") if cursor.sees("(") else cursor.name()
        if any(word.is_("FROM") for word in cursor.rest()):
            yield Write(table, "copy", bounded=True)
    elif cursor.take("DO"):
        yield Opaque("DO")
        cursor.rest()
    elif cursor.sees("CALL|EXECUTE|EXEC"):
        yield from _called(cursor)
    elif cursor.server.kind in ("mysql", "mariadb") and cursor.take("RENAME", "TABLE"):
        while True:
            name = cursor.name()
            cursor.expect("TO")
            yield Rename("table", name, cursor.name().name)
            if not cursor.take(","):
                break
    else:
        cursor.refuse("What the statement does is not known")


def _called(cursor: Cursor) -> Actions:
    verb = cursor.skip().text.upper()
    name = cursor.name().name if not cursor.sees("IMMEDIATE|(") else ""
    words = cursor.rest()
    if name.lower() == "sp_rename" and words and words[0].kind == "string":
        parts = words[0].text.replace("[", "").replace("]", "").split(".")
        if len(parts) > 1 and any(word.text.upper() == "COLUMN" for word in words[1:]):
            yield RenameColumn(TableName("", parts[-2]), parts[-1], words[2].text if len(words) > 2 else "")
        else:
            yield Rename("table", TableName("", parts[-1]), words[2].text if len(words) > 2 else "")
        return
    yield Opaque(f"{verb} {name}".strip())


def _session(cursor: Cursor) -> Actions:
    if cursor.take("PRAGMA"):
        name = cursor.name().name.lower()
        value = " ".join(word.text.lower() for word in cursor.rest() if not word.is_("=", "(", ")"))
        yield Setting(name, value)
    elif cursor.take("SET"):
        yield from _set(cursor)
    elif cursor.take("START", "TRANSACTION") or cursor.take("BEGIN"):
        cursor.rest()
        yield Boundary("begin")
    elif cursor.take("COMMIT|END"):
        prepared = cursor.take("PREPARED")
        chain = any(word.is_("CHAIN") for word in cursor.rest())
        yield Outside("COMMIT PREPARED") if prepared else Boundary("commit")
        if chain:
            yield Boundary("begin")
    elif cursor.take("PREPARE", "TRANSACTION"):
        cursor.rest()
        yield Boundary("commit")
    elif cursor.take("PREPARE"):
        cursor.rest()
    else:
        cursor.skip()
        to_savepoint = any(word.is_("TO") for word in cursor.rest())
        if not to_savepoint:
            yield Boundary("rollback")


def _set(cursor: Cursor) -> Actions:
    local = cursor.take("LOCAL")
    while cursor.take("SESSION|GLOBAL|PERSIST|@|@@"):
        pass
    if cursor.take("TIME", "ZONE"):
        yield Setting("timezone", " ".join(word.text.lower() for word in cursor.rest()), local)
        return
    name = cursor.skip().text.lower()
    while cursor.take("."):
        name = f"{name}.{cursor.skip().text.lower()}"
    cursor.take("TO|=")
    yield Setting(name, " ".join(word.text.lower() for word in cursor.rest()), local)
