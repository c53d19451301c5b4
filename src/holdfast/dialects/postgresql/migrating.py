"""Migrating while others work: lock classes, the migrators' lock, blockers, invalid indexes."""

from __future__ import annotations

import json
import re
from datetime import timedelta

from holdfast.dialects.migrating import LockClass, Migrating, OwnTimeouts
from holdfast.dialects.postgresql.changing import PostgreSQLChanging
from holdfast.dialects.postgresql.expanding import PostgreSQLExpanding
from holdfast.dialects.postgresql.filling import PostgreSQLFilling
from holdfast.dialects.postgresql.sql import quote
from holdfast.dialects.query import Query
from holdfast.tables import TableName

_NAME = r'(?:[\w$]+|"(?:[^"]|"")+")(?:\s*\.\s*(?:[\w$]+|"(?:[^"]|"")+"))?'

LOCK_CLASSES: tuple[tuple[str, LockClass], ...] = (
    # The first that matches, on the statement in one line without comments. SHARE UPDATE EXCLUSIVE, or weaker:
    (r"create (?:unique )?index concurrently\b", LockClass.LONG),
    (r"drop index concurrently\b", LockClass.LONG),
    (r"reindex (?:\([^)]*\) )?(?:index|table|schema|database|system) concurrently\b", LockClass.LONG),
    (r"reindex \([^)]*\bconcurrently\b(?! (?:false|off|0))[^)]*\)", LockClass.LONG),
    (rf"alter table (?:if exists )?(?:only )?{_NAME} validate constraint {_NAME} ?;?$", LockClass.LONG),
    (rf"alter table (?:if exists )?{_NAME} detach partition {_NAME} (?:concurrently|finalize) ?;?$", LockClass.LONG),
    (r"refresh materialized view concurrently\b", LockClass.LONG),
    (r"vacuum (?:\([^)]*\bfull\b|full\b)", LockClass.STRONG),
    (r"(?:vacuum|analyze|analyse)\b", LockClass.LONG),
    # No lock on a table that others would wait behind:
    (
        r"(?:select|with|values|table|insert|update|delete|merge|copy|call|explain|fetch|declare|close|move)\b",
        LockClass.WEAK,
    ),
    (
        r"(?:set|reset|show|discard|begin|start|commit|end|rollback|abort|savepoint|release|prepare|execute|deallocate)\b",
        LockClass.WEAK,
    ),
    (r"(?:listen|notify|unlisten|checkpoint)\b", LockClass.WEAK),
    # ACCESS EXCLUSIVE, SHARE ROW EXCLUSIVE, SHARE; and what cannot be told from its first words (DO):
    (r"", LockClass.STRONG),
)
_CLASSES = tuple((re.compile(pattern), lock_class) for pattern, lock_class in LOCK_CLASSES)
_COMMENTS = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_SPACE = re.compile(r"\s+")
_OWN_TIMEOUT = re.compile(r"(?:set|reset) .*\b(?:lock_timeout|statement_timeout)\b|reset all\b|discard all\b")
_BUILT = re.compile(
    rf"create\s+(?:unique\s+)?index\s+concurrently\s+(?:if\s+not\s+exists\s+)?(?P<name>{_NAME})\s+on\s+(?:only\s+)?"
    rf"(?P<table>{_NAME})",
    re.IGNORECASE,
)
_WORDS = 400
"""The head of a statement: long enough for every name that the lock depends on."""

_SESSION = """\
    a.pid, a.application_name, a.state,
    extract(epoch from clock_timestamp() - a.xact_start)::float8 as age, {mode}, {table},
    array_to_string(pg_blocking_pids(a.pid), ', ') as waits_for,
    left(regexp_replace(a.query, '\\s+', ' ', 'g'), 120) as query"""


def _plain(statement: str) -> str:
    return _SPACE.sub(" ", _COMMENTS.sub(" ", statement)).strip().lower()


class PostgreSQLMigrating(Migrating):
    begin = None

    @property
    def changing(self) -> PostgreSQLChanging:
        return PostgreSQLChanging()

    @property
    def expanding(self) -> PostgreSQLExpanding:
        return PostgreSQLExpanding()

    @property
    def filling(self) -> PostgreSQLFilling:
        return PostgreSQLFilling()

    # ------------------------------------------------------------------ timeouts

    def lock_class(self, statement: str) -> LockClass:
        plain = _plain(statement)
        return next(lock_class for pattern, lock_class in _CLASSES if pattern.match(plain))

    def sets_timeouts(self, statement: str) -> bool:
        return _OWN_TIMEOUT.match(_plain(statement)) is not None

    def own_timeouts(self) -> str:
        return (
            "select max(setting::int) filter (where name = 'lock_timeout'),\n"
            "    max(setting::int) filter (where name = 'statement_timeout'),\n"
            "    max(setting::int) filter (where name = 'transaction_timeout')\n"
            "from pg_settings where name in ('lock_timeout', 'statement_timeout', 'transaction_timeout')"
        )

    def set_timeouts(self, lock_class: LockClass, strong: timedelta, own: OwnTimeouts) -> Query:
        lock, statement, transaction = own.lock, own.statement, own.transaction
        if lock_class is LockClass.STRONG:
            lock = max(1, round(strong / timedelta(milliseconds=1)))
        elif lock_class is LockClass.LONG:
            lock, statement, transaction = 0, 0, None if transaction is None else 0
        values = {"lock_timeout": lock, "statement_timeout": statement, "transaction_timeout": transaction}
        calls = ", ".join(
            f"set_config('{name}', '{value}', false)" for name, value in values.items() if value is not None
        )
        return Query(f"select {calls}", {})

    # ------------------------------------------------------------------ one migrator

    def lock_name(self, version_table: TableName) -> str:
        return f"holdfast.migrate {quote(version_table.schema)}.{quote(version_table.name)}"

    def default_schema(self) -> str:
        return "select coalesce(current_schema(), 'public')"

    def may_keep(self, schema: str | None, table: str) -> Query:
        return Query(
            "select coalesce(\n"
            "    (select has_table_privilege(c.oid, 'select') and has_table_privilege(c.oid, 'insert')\n"
            "         and has_table_privilege(c.oid, 'delete')\n"
            "     from pg_class as c where c.oid = to_regclass(concat(quote_ident(p.schema) || '.', quote_ident(:table)))),\n"
            "    has_schema_privilege(coalesce(p.schema, current_schema()), 'create'), false)\n"
            "from (select cast(:schema as text)) as p (schema)",
            {"schema": schema, "table": table},
        )

    def try_lock(self, name: str) -> Query:
        return Query("select pg_try_advisory_lock(hashtextextended(:name, 0))", {"name": name})

    def holds_lock(self, name: str) -> Query:
        return Query(
            f"select exists (select from pg_locks as l where l.pid = pg_backend_pid() and {_LOCK})", {"name": name}
        )

    def lock_holder(self, name: str) -> Query:
        return Query(
            f"select {_SESSION.format(mode='l.mode', table='null::text')}\n"
            f"from pg_locks as l\njoin pg_stat_activity as a on a.pid = l.pid\nwhere {_LOCK}",
            {"name": name},
        )

    def release_lock(self, name: str) -> Query:
        return Query("select pg_advisory_unlock(hashtextextended(:name, 0))", {"name": name})

    def session_id(self) -> str:
        return "select pg_backend_pid()"

    # ------------------------------------------------------------------ who is in the way, and what is left behind

    def blockers(self, statement: str) -> Query:
        words = sorted({word.strip('"').replace('""', '"') for word in re.findall(_NAME, statement[:_WORDS])})
        names = sorted({part.strip('"') for word in words for part in re.split(r"\s*\.\s*", word)})
        names += [name.lower() for name in names if name.lower() != name]
        return Query(
            "select\n" + _SESSION.format(
                mode="string_agg(distinct l.mode, ', ') as mode",
                table="string_agg(distinct c.oid::regclass::text, ', ') as tables",
            )
            + "\nfrom pg_locks as l\n"
            "join pg_class as c on c.oid = l.relation\n"
            "join pg_stat_activity as a on a.pid = l.pid\n"
            "where l.database = (select oid from pg_database where datname = current_database())\n"
            "    and l.pid <> pg_backend_pid() and c.relnamespace <> 'pg_catalog'::regnamespace\n"
            "    and c.relname in (select json_array_elements_text(cast(:names as json)))\n"
            "group by a.pid, a.application_name, a.state, a.xact_start, a.query\n"
            "order by a.xact_start limit 10",
            {"names": _json(names)},
        )  # fmt: skip

    def long_transactions(self, at_least: timedelta) -> Query:
        return Query(
            f"select\n{_SESSION.format(mode='null::text', table='null::text')}\n"
            "from pg_stat_activity as a\n"
            "where a.datname = current_database() and a.pid <> pg_backend_pid() and a.backend_type = 'client backend'\n"
            "    and a.xact_start <= clock_timestamp() - make_interval(secs => :seconds)\n"
            "order by a.xact_start limit 10",
            {"seconds": at_least.total_seconds()},
        )

    def invalid_indexes(self) -> str:
        return (
            "select n.nspname, i.relname, x.indrelid::regclass::text, x.indisunique\n"
            "from pg_index as x\n"
            "join pg_class as i on i.oid = x.indexrelid\n"
            "join pg_namespace as n on n.oid = i.relnamespace\n"
            "where not x.indisvalid and i.relkind = 'i' and n.nspname not like 'pg\\_%'\n"
            "    and pg_has_role(i.relowner, 'USAGE')\n"
            "    and not exists (select from pg_stat_progress_create_index as p where p.index_relid = x.indexrelid)\n"
            "order by 1, 2"
        )

    def built_index(self, statement: str) -> tuple[str | None, str] | None:
        match = _BUILT.match(_COMMENTS.sub(" ", statement).lstrip())
        if match is None:
            return None
        # The index is in the schema of its table.
        table = _parts(match["table"])
        return (table[0] if len(table) > 1 else None, _parts(match["name"])[-1])

    def drop_index(self, schema: str | None, name: str) -> str:
        where = f"{quote(schema)}." if schema else ""
        return f"drop index concurrently if exists {where}{quote(name)}"

    def rebuild_index(self, schema: str, name: str) -> str:
        return f"reindex index concurrently {quote(schema)}.{quote(name)}"


_LOCK = """\
l.locktype = 'advisory' and l.granted and l.objsubid = 1
    and l.database = (select oid from pg_database where datname = current_database())
    and ((l.classid::bigint << 32) | l.objid::bigint) = hashtextextended(:name, 0)"""


def _parts(name: str) -> list[str]:
    """The parts of a name as the catalog has them."""
    found = re.findall(r'"((?:[^"]|"")+)"|([\w$]+)', name)
    return [quoted.replace('""', '"') if quoted else plain.lower() for quoted, plain in found]


def _json(names: list[str]) -> str:
    return json.dumps(names)
