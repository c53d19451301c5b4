"""Erasing what is known of a person: out of the row, and out of all of its history."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any

from sqlalchemy import Connection, Engine, Table, inspect
from sqlalchemy.orm import Mapper, Session

from holdfast.context import current
from holdfast.database import execute, explained
from holdfast.dialects import dialect_for
from holdfast.erasure import Erased, erase_row
from holdfast.errors import ErasureError
from holdfast.inspector import inspect as read


def erase(
    session: Session | Engine,
    entity: type[Any],
    key: Any,
    *,
    reason: str,
    columns: Sequence[str] | None = None,
    replace: Mapping[str, Any] | None = None,
    history_only: bool = False,
) -> tuple[Erased, ...]:
    """Takes a row's values out of its table and out of every change of it that the journal has.

    ``columns`` and the names in ``replace`` are attributes of the class. With a session it is part of its transaction;
    with an engine it is one of its own. One outcome for each table of the class. Asynchronous sessions call it by
    ``run_sync``. Raises what ``holdfast.erasure.erase`` raises.

    >>> from sqlalchemy import Integer, String, create_engine
    >>> from sqlalchemy.orm import DeclarativeBase, mapped_column
    >>> import holdfast.sqlalchemy
    >>> from holdfast.sqlalchemy import Audited, Session, erase, install
    >>> class Base(DeclarativeBase): ...
    >>> class Customer(Base, Audited):
    ...     __tablename__ = "customers"
    ...     id = mapped_column(Integer, primary_key=True)
    ...     phone = mapped_column(String)
    >>> engine = create_engine("sqlite://")
    >>> holdfast.sqlalchemy.bind(engine)
    >>> Base.metadata.create_all(engine)
    >>> _ = install(engine, Base)
    >>> with Session(engine) as session, session.begin():
    ...     session.add(Customer(id=7, phone="555"))
    >>> with Session(engine) as session, session.begin():
    ...     [erased] = erase(session, Customer, 7, reason="asked for it")
    ...     erased.columns, session.get_one(Customer, 7).phone
    (('phone',), None)
    """
    mapper: Mapper[Any] = inspect(entity)
    if isinstance(session, Engine):
        with explained(dialect_for(session.dialect.name)), Session(session) as own, own.begin():
            return _erase(own, mapper, key, reason, columns, replace or {}, history_only)
    return _erase(session, mapper, key, reason, columns, replace or {}, history_only)


def _erase(
    session: Session,
    mapper: Mapper[Any],
    key: Any,
    reason: str,
    columns: Sequence[str] | None,
    replace: Mapping[str, Any],
    history_only: bool,
) -> tuple[Erased, ...]:
    session.flush()
    connection = session.connection(bind_arguments={"mapper": mapper})
    dialect, inventory = read(connection, dialect_for(connection.dialect.name))
    before = current()
    identity = tuple(key) if isinstance(key, list | tuple) else (key,)
    chosen = None if columns is None else _by_table(mapper, columns)
    given = _by_table(mapper, replace)
    outcomes = []
    # All of it or nothing, whatever the caller makes of an error.
    with connection.begin_nested():
        for query in dialect.bind_context({**before, "reason": reason}):
            execute(connection, query)
        for table in mapper.tables:
            if not isinstance(table, Table) or (chosen is not None and table not in chosen and table not in given):
                continue
            erased = erase_row(
                connection,
                dialect,
                inventory,
                inventory.recorded(table.fullname),
                _key(connection, table, identity),
                reason=reason,
                columns=None if chosen is None else list(chosen.get(table, {}).values()),
                replace={name: replace[attribute] for attribute, name in given.get(table, {}).items()},
                history_only=history_only,
                actor=before.get("actor"),
            )
            outcomes.append(erased)
        for query in dialect.bind_context(before) if before else dialect.unbind_context() or dialect.bind_context({}):
            execute(connection, query)
    if (instance := session.identity_map.get(mapper.identity_key_from_primary_key(identity))) is not None:
        session.expire(instance)
    return tuple(outcomes)


def _by_table(mapper: Mapper[Any], names: Sequence[str] | Mapping[str, Any]) -> dict[Table, dict[str, str]]:
    """Of each table the attributes that are meant, each with the name of its column."""
    found: dict[Table, dict[str, str]] = {}
    for name in names:
        if name not in mapper.column_attrs:
            raise ErasureError(
                "HF429", f"{mapper.class_.__name__} has no column attribute {name!r}.", "Name attributes of the class."
            )
        for column in mapper.column_attrs[name].columns:
            if isinstance(table := getattr(column, "table", None), Table):
                found.setdefault(table, {})[name] = column.name
    return found


def _key(connection: Connection, table: Table, identity: Sequence[Any]) -> str:
    """The key as JSON, values as the database has them."""
    values = []
    for column, value in zip(table.primary_key, identity, strict=True):
        bind = column.type.dialect_impl(connection.dialect).bind_processor(connection.dialect)
        values.append(_plain(bind(value) if bind is not None else value))
    return json.dumps(values[0] if len(values) == 1 else values, ensure_ascii=False)


def _plain(value: Any) -> Any:
    match value:
        case None | bool() | int() | float() | str():
            return value
        case bytes():
            return {"blob": value.hex()}
        case datetime():
            return (value.astimezone(UTC) if value.tzinfo else value).isoformat()
        case date() | time():
            return value.isoformat()
    return str(value)
