"""One row changed or deleted by its key, in one statement where nothing needs more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from sqlalchemy import ClauseElement, delete, select, tuple_, update
from sqlalchemy.orm import Mapper, QueryableAttribute, RelationshipDirection, Session
from sqlalchemy.orm.attributes import set_committed_value

from holdfast.errors import HoldfastError, NotFoundError, StaleVersionError
from holdfast.sqlalchemy.fields import Fields
from holdfast.sqlalchemy.locking import Write, conflict, is_versioned, may_merge
from holdfast.sqlalchemy.restoring import hard_delete
from holdfast.sqlalchemy.soft_delete import include_deleted
from holdfast.sqlalchemy.stamps import fetch_stamps

M = TypeVar("M")
_Key = tuple[Any, ...]
_BATCH = 500


def update_row(session: Session, fields: Fields[M], key: _Key, values: Mapping[str, Any], version: int | None) -> M:
    """Sets exactly these values, and gives the row as it then is. HF622, HF202.

    On a row that others changed it goes on where the model says that such changes merge.
    """
    expected = {} if version is None else {fields.needs_version(): version}
    # What the session has in mind for the row is older than this.
    session.flush()
    if not values or not _alone(session, fields, values):
        return _through_the_session(session, fields, key, values, version)
    known = known_as(session, fields, key)
    statement = (
        update(fields.model)
        .where(*fields.is_key(key), *(fields.attribute(name) == value for name, value in expected.items()))
        .values({fields.attribute(name): value for name, value in values.items()})
        .execution_options(synchronize_session=False)
    )
    if known is None:
        written = session.scalars(statement.returning(fields.model)).one_or_none()
    else:
        names = _read(fields)
        row = session.execute(statement.returning(*(fields.attribute(name) for name in names))).one_or_none()
        written = None if row is None else _renewed(session, fields, known, dict(zip(names, row, strict=True)))
    if written is None:
        error = not_written(session, fields, key, version, values)
        if isinstance(error, StaleVersionError) and may_merge(fields.mapper, values, error.fields):
            return update_row(session, fields, key, values, error.current)
        raise error
    fetch_stamps(session, [written])
    return written


def delete_row(session: Session, fields: Fields[M], key: _Key, version: int | None, *, hard: bool) -> None:
    """Deletes the row as ``session.delete`` would, with what the ORM takes along. HF622, HF202."""
    expected = None if version is None else fields.needs_version()
    session.flush()
    if not hard and _goes_alone(fields.mapper) and known_as(session, fields, key) is None:
        statement = delete(fields.model).where(*fields.is_key(key))
        if expected is not None:
            statement = statement.where(fields.attribute(expected) == version)
        result: Any = session.execute(statement, execution_options={"synchronize_session": False})
        if result.rowcount == 0:
            raise not_written(session, fields, key, version, {})
        return
    options = [include_deleted()] if hard and fields.mark is not None else None
    instance = session.get(fields.model, key, options=options)
    if instance is None:
        raise missing(fields, key)
    if version is not None:
        _check(session, fields, instance, key, version, {})
    if hard:
        hard_delete(session, instance)
    else:
        session.delete(instance)
        session.flush()


def known_as(session: Session, fields: Fields[M], key: _Key) -> M | None:
    """The instance that the session has for that key; no statement is sent."""
    found: M | None = session.identity_map.get(fields.mapper.identity_key_from_primary_key(key))
    return found


def renew(session: Session, fields: Fields[M], instances: Iterable[M]) -> None:
    """Reads the columns of instances again, and leaves alone what they have loaded of others."""
    by_key = {tuple(fields.mapper.primary_key_from_instance(each)): each for each in instances}
    names, keys = _read(fields), list(by_key)
    attributes = [fields.attribute(name) for name in names]
    options = [include_deleted(fields.model)] if fields.mark is not None else []
    for start in range(0, len(keys), _BATCH):
        among = tuple_(*fields.mapper.primary_key).in_(keys[start : start + _BATCH])
        for row in session.execute(select(*attributes).where(among).options(*options)):
            values = dict(zip(names, row, strict=True))
            _renewed(session, fields, by_key[tuple(values[name] for name in fields.key)], values)


def missing(fields: Fields[Any], key: _Key) -> NotFoundError:
    what = "It may be deleted: rows='all' reads deleted rows too." if fields.mark is not None else "Check the key."
    return NotFoundError("HF622", f"There is no {fields.named(key)}.", what)


def not_written(
    session: Session, fields: Fields[Any], key: _Key, version: int | None, values: Mapping[str, Any]
) -> HoldfastError:
    """Why no row was written: it is not there, or at another version."""
    if version is None:
        return missing(fields, key)
    current = session.scalar(select(fields.attribute(fields.needs_version())).where(*fields.is_key(key)))
    if current is None:
        return missing(fields, key)
    if is_versioned(fields.mapper):
        sql = (ClauseElement, QueryableAttribute)
        mine = {name: value for name, value in values.items() if not isinstance(value, sql)}
        connection = session.connection(bind_arguments={"mapper": fields.mapper})
        error = conflict(connection, Write(fields.mapper, key, version, mine))
        if error is not None:
            return error
    return StaleVersionError(
        "HF202",
        f"The {fields.named(key)} is at version {current}, and this write is for version {version}.",
        "Read the row again, and repeat the change on what it is now.",
        table=str(fields.mapper.local_table),
        key=list(key),
        expected=version,
        current=current,
    )


# ------------------------------------------------------------------ through the session


def _alone(session: Session, fields: Fields[Any], values: Mapping[str, Any]) -> bool:
    """Whether one UPDATE does all that the ORM would do for an instance."""
    mapper = fields.mapper
    dispatch = mapper.dispatch
    return not (
        len(mapper.tables) > 1
        or any(len(each.tables) > 1 for each in mapper.self_and_descendants)
        or any(name in mapper.validators for name in values)
        or dispatch.before_update
        or dispatch.after_update
        or (mapper.version_id_col is not None and mapper.version_id_generator is not False)
        or not session.get_bind(mapper).dialect.update_returning
    )


def _through_the_session(
    session: Session, fields: Fields[M], key: _Key, values: Mapping[str, Any], version: int | None
) -> M:
    instance = session.get(fields.model, key)
    if instance is None:
        raise missing(fields, key)
    renew(session, fields, [instance])
    if version is not None:
        _check(session, fields, instance, key, version, values)
    for name, value in values.items():
        setattr(instance, name, value)
    session.flush()
    return instance


def _check(
    session: Session, fields: Fields[M], instance: M, key: _Key, version: int, values: Mapping[str, Any]
) -> None:
    """The version that the caller expects; from there on the flush compares it once more, in its WHERE."""
    attribute = fields.needs_version()
    if getattr(instance, attribute) != version:
        renew(session, fields, [instance])
    if getattr(instance, attribute) != version:
        raise not_written(session, fields, key, version, values)


def _goes_alone(mapper: Mapper[Any]) -> bool:
    """Whether a DELETE of the row is all that the ORM would do: nothing of it is in other tables."""
    dispatch = mapper.dispatch
    followed = (RelationshipDirection.ONETOMANY, RelationshipDirection.MANYTOMANY)
    return not (
        len(mapper.tables) > 1
        or any(len(each.tables) > 1 for each in mapper.self_and_descendants)
        or any(each.direction in followed and not each.viewonly for each in mapper.relationships)
        or any(each.cascade.delete for each in mapper.relationships)
        or dispatch.before_delete
        or dispatch.after_delete
    )


def _read(fields: Fields[Any]) -> list[str]:
    tables = set(fields.mapper.tables)
    return [name for name, column in fields.mapper.columns.items() if getattr(column, "table", None) in tables]


def _renewed(session: Session, fields: Fields[M], instance: M, values: Mapping[str, Any]) -> M:
    """The instance with these values. A parent that it had loaded is forgotten where it refers to another one now."""
    present = vars(instance)
    mapper = fields.mapper
    moved = {mapper.columns[name] for name, value in values.items() if name in present and present[name] != value}
    for name, value in values.items():
        set_committed_value(instance, name, value)
    gone = [each.key for each in mapper.relationships if each.key in present and each.local_columns & moved]
    # Computed by the SELECT, perhaps of what was just written.
    computed = [name for name in mapper.columns.keys() - values.keys() if name in present]
    if gone:
        session.expire(instance, gone)
    if computed:
        session.refresh(instance, computed)
    return instance
