"""Rows of one model: found, listed, made, changed and deleted, through the session that the caller commits."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

from sqlalchemy import and_, func, literal, select, update
from sqlalchemy.orm import Session

import holdfast.sqlalchemy.session
from holdfast.errors import (
    DeclarationError,
    EmptyFilterError,
    InvalidWriteError,
    MultipleFoundError,
    NotFoundError,
)
from holdfast.sqlalchemy.bulk.conflicts import conflict_target
from holdfast.sqlalchemy.bulk.deleting import bulk_delete
from holdfast.sqlalchemy.bulk.inserting import bulk_insert
from holdfast.sqlalchemy.bulk.targets import target_of
from holdfast.sqlalchemy.bulk.updating import Missing, bulk_update
from holdfast.sqlalchemy.bulk.upserting import Duplicates, Update, upsert
from holdfast.sqlalchemy.declaring_fields import Declared, M
from holdfast.sqlalchemy.eager import Load
from holdfast.sqlalchemy.explaining import explained
from holdfast.sqlalchemy.fields import Fields, Where
from holdfast.sqlalchemy.filters import Conditions
from holdfast.sqlalchemy.lists import Limit, Ordering, list_statement
from holdfast.sqlalchemy.paging import OffsetPage, Page, keyset_page, offset_page
from holdfast.sqlalchemy.paging.pages import Total
from holdfast.sqlalchemy.restoring import restore
from holdfast.sqlalchemy.selecting import Reading, Rows
from holdfast.sqlalchemy.soft_delete import usual_filter
from holdfast.sqlalchemy.writing import delete_row, known_as, missing, renew, update_row


class Repository(Declared[M]):
    """Reads and writes rows of one model through a session; it never commits.

    Name the model, ``class Orders(Repository[Order])``, or write ``Repository(session, Order)``. A name in text is
    data: filters, orders and values may name only what the class declares in ``filterable``, ``sortable`` and
    ``writable``. What is written in code, ``Order.total > 5``, needs no declaration. Every error of the database is
    one of ours (``explained``).

    >>> from sqlalchemy import Integer, String, create_engine
    >>> from sqlalchemy.orm import DeclarativeBase, mapped_column
    >>> class Base(DeclarativeBase): ...
    >>> class Tag(Base):
    ...     __tablename__ = "tags"
    ...     id = mapped_column(Integer, primary_key=True)
    ...     name = mapped_column(String, nullable=False)
    >>> class Tags(Repository[Tag]):
    ...     filterable = writable = ("name",)
    >>> engine = create_engine("sqlite://")
    >>> Base.metadata.create_all(engine)
    >>> with Session(engine) as session:
    ...     tags = Tags(session)
    ...     tag = tags.create(name="new")
    ...     tags.update(tag.id, {"name": "old"}).name, tags.exists({"name": "new"})
    ('old', False)
    """

    def __init__(self, session: Session, model: type[M] | None = None) -> None:
        self.session = session
        self._model = model

    @cached_property
    def _fields(self) -> Fields[M]:
        fields = self._find()
        _check_session(self.session, fields)
        return fields

    # ------------------------------------------------------------------ reading

    def get(self, key: Any, *, load: Load = (), rows: Rows = "live", strict: bool | None = None) -> M | None:
        """The row with that key, or None; from the session, without a statement, where it has the row already.

        ``key`` is the value, or a tuple or a dictionary where the key has several columns. ``load`` names the
        relationships to load along (``"lines.product"``), ``rows`` takes deleted rows in, ``strict`` is about lazy
        loads. HF623 for a key that cannot be one, and for a relationship that is none.
        """
        fields = self._fields
        identity = fields.identity(key)
        with explained(self.session):
            if not load and known_as(self.session, fields, identity) is not None:
                options = fields.selects.options(load, rows, strict)
                return self.session.get(fields.model, identity, options=options or None)
            # What the session has is given too, with what was not loaded so far.
            statement = fields.selects.by_key(self._reading(load, rows, strict))
            return self.session.scalars(statement, fields.selects.key_values(identity)).first()

    def get_or_raise(self, key: Any, *, load: Load = (), rows: Rows = "live", strict: bool | None = None) -> M:
        """The row with that key, as from ``get``; HF622 where there is none."""
        found = self.get(key, load=load, rows=rows, strict=strict)
        if found is None:
            raise missing(self._fields, self._fields.identity(key))
        return found

    def one(self, *where: Where, load: Load = (), rows: Rows = "live", strict: bool | None = None) -> M:
        """The only row that fits; HF622 where there is none, HF624 where there are several."""
        found = self.list(*where, limit=2, order_by=(), load=load, rows=rows, strict=strict)
        name = self._fields.model.__name__
        if not found:
            raise NotFoundError("HF622", f"No {name} fits the filter.", "Nothing was read.")
        if len(found) > 1:
            raise MultipleFoundError("HF624", f"Several rows of {name} fit the filter.", "Ask for a list, or for less.")
        return found[0]

    def list(
        self,
        *where: Where,
        limit: Limit,
        order_by: Ordering = None,
        load: Load = (),
        rows: Rows = "live",
        strict: bool | None = None,
    ) -> builtins.list[M]:
        """The rows that fit all filters, ``limit`` of them at most; ``limit="all"`` is for all there are.

        A filter is an expression, or a dictionary of declared fields: ``{"status": "paid", "total__gte": 5}``. Rows
        come in the order of ``order_by``, by the key where two are equal in it, or where none is given;
        ``order_by=()`` leaves the order to the database. HF623 for what is not declared.
        """
        statement, values = list_statement(self._fields, where, order_by, limit, self._reading(load, rows, strict))
        with explained(self.session):
            return builtins.list(self.session.scalars(statement, values).unique())

    def page(
        self,
        *where: Where,
        order_by: Ordering = None,
        size: int = 20,
        cursor: str | None = None,
        scope: Any = None,
        load: Load = (),
        rows: Rows = "live",
        strict: bool | None = None,
    ) -> Page[M]:
        """The page at ``cursor`` (the first without one), as ``keyset_page`` gives it; ``cursor_secret`` signs."""
        keys = self._fields.cursor_keys
        if keys is None:
            raise DeclarationError(
                "HF115",
                f"{self._fields.owner} has no secret to sign cursors with.",
                "Say cursor_secret = settings.secret in the class; of 16 bytes or more.",
            )
        with explained(self.session):
            return keyset_page(
                self.session,
                self._select(where, load, rows, strict),
                order_by=self._fields.order(order_by),
                secret=keys,
                size=size,
                cursor=cursor,
                scope=scope,
            )

    def numbered_page(
        self,
        *where: Where,
        order_by: Ordering = None,
        number: int = 1,
        size: int = 20,
        total: Total | None = None,
        load: Load = (),
        rows: Rows = "live",
        strict: bool | None = None,
    ) -> OffsetPage[M]:
        """Page ``number`` of the list, the first is 1, as ``offset_page`` gives it; the deeper the slower."""
        with explained(self.session):
            return offset_page(
                self.session,
                self._select(where, load, rows, strict),
                order_by=self._fields.order(order_by),
                number=number,
                size=size,
                total=total,
            )

    def count(self, *where: Where, rows: Rows = "live") -> int:
        """How many rows fit. It reads them all: to know whether there are any ask ``exists``."""
        fields = self._fields
        statement = select(func.count()).select_from(fields.model).where(*fields.conditions(where).clauses)
        with explained(self.session):
            return self.session.scalars(statement.options(*fields.selects.meaning(rows, fields.model))).one()

    def exists(self, *where: Where, rows: Rows = "live") -> bool:
        """Whether any row fits; the database stops at the first."""
        fields = self._fields
        inner = select(literal(1)).select_from(fields.model).where(*fields.conditions(where).clauses)
        with explained(self.session):
            found = self.session.scalar(select(inner.exists()).options(*fields.selects.meaning(rows, fields.model)))
        return bool(found)

    # ------------------------------------------------------------------ writing one row

    def create(self, given: M | Mapping[str, Any] | None = None, /, **values: Any) -> M:
        """Adds a row and sends it; the instance has what the database set.

        ``create(Order(status="new"))``, or declared fields: ``create(status="new")``, ``create(payload)``. HF625 for
        a field that is not declared, HF601 to HF605 where a constraint stands in the way.
        """
        fields = self._fields
        if given is None or isinstance(given, Mapping):
            named = fields.values({**(given or {}), **values})
            given = fields.model(**named)
        elif values or not isinstance(given, fields.model):
            raise InvalidWriteError(
                "HF625",
                f"{self._fields.owner} creates one {fields.model.__name__}, from an instance or from values.",
                "Give one of the two.",
            )
        with explained(self.session):
            self.session.add(given)
            self.session.flush()
        return given

    def update(self, key: Any, values: Mapping[Any, Any], *, version: int | None = None) -> M:
        """Sets exactly what is given (None is a value), in one statement, and gives the row as it then is.

        ``values`` are declared fields in text, or attributes: ``{Stock.count: Stock.count - 1}``. With ``version`` the
        row must still be at that version: HF202 otherwise, which says what differs; a column that is declared with
        ``info={"merge": "auto"}`` is written all the same if nobody else changed it. HF622 where there is no such
        row, also when ``values`` is empty. A second statement is sent on SQLite for times and versions, and where
        the ORM has more to do: joined inheritance, ``@validates``, events of the mapper.
        """
        fields = self._fields
        with explained(self.session):
            return update_row(self.session, fields, fields.identity(key), fields.values(values, change=True), version)

    def delete(self, key: Any, *, version: int | None = None, hard: bool = False) -> None:
        """Deletes the row, and with it what the ORM and the database cascade to; a soft-deleted model's is marked.

        ``hard=True`` deletes for good, marked rows too. HF622 where there is no such row, HF202 where it is not at
        ``version``.
        """
        fields = self._fields
        with explained(self.session):
            delete_row(self.session, fields, fields.identity(key), version, hard=hard)

    def restore(self, key: Any) -> M:
        """Takes the mark away, from the row and from what its delete took along; HF412 for a model without marks."""
        self._fields.needs_mark()
        with explained(self.session):
            model: Any = self._fields.model
            restored: M = restore(self.session, model, self._fields.identity(key))
        return restored

    # ------------------------------------------------------------------ writing many

    def create_many(self, rows: Iterable[Mapping[str, Any] | M]) -> int:
        """Inserts all rows or none, as ``bulk_insert`` does; gives how many. HF625 for a field that is not declared."""
        return bulk_insert(self.session, self._fields.model, self._allowed(rows))

    def update_many(self, rows: Iterable[Mapping[str, Any]], *, missing: Missing = "raise") -> int:
        """Sets the values of each row that is named by its key, and perhaps its version, as ``bulk_update`` does."""
        fields = self._fields
        named = {*fields.key, *([fields.version] if fields.version else [])}
        return bulk_update(self.session, fields.model, self._allowed(rows, named), missing=missing)

    def delete_many(self, keys: Iterable[Any], *, hard: bool = False) -> int:
        """Deletes the rows with these keys, as ``bulk_delete`` does; gives how many there were."""
        found = [self._fields.identity(key) for key in keys]
        single = len(self._fields.key) == 1
        return bulk_delete(self.session, self._fields.model, [key[0] if single else key for key in found], hard=hard)

    def upsert(self, values: Mapping[str, Any], *, on: Iterable[str] | str, update: Update) -> M:
        """Inserts the row, or updates the one that is there, in one statement, as ``upsert`` does; gives the row.

        ``on`` are the attributes of a unique key, ``update`` those that a row that is there takes over.
        """
        matched = self._matched(on)
        self.upsert_many([values], on=on, update=update)
        return self.one(*(self._fields.attribute(name) == values[name] for name in matched))

    def upsert_many(
        self,
        rows: Iterable[Mapping[str, Any]],
        *,
        on: Iterable[str] | str,
        update: Update,
        duplicates: Duplicates = "refuse",
    ) -> int:
        """Inserts the rows and updates those that are there, as ``upsert`` does; gives how many were written."""
        fields = self._fields
        # What rows are matched by is said in code.
        named = [*self._matched(on), *([fields.version] if fields.version else [])]
        given = self._allowed(rows, named)
        return upsert(self.session, fields.model, given, on=on, update=update, duplicates=duplicates)

    def update_where(self, *where: Where, values: Mapping[Any, Any], all_rows: bool = False) -> int:
        """Sets the values in every row that fits, in one statement; gives how many. HF626 without a filter.

        What the session has of the model is read again. Deleted rows are left as they are.
        """
        fields = self._fields
        clauses = self._restricting(where, all_rows)
        given = {fields.attribute(name): value for name, value in fields.values(values, change=True).items()}
        with explained(self.session):
            self.session.flush()
            known = [each for each in self.session.identity_map.values() if isinstance(each, fields.model)]
            statement = update(fields.model).where(*clauses).values(given)
            result: Any = self.session.execute(statement, execution_options={"synchronize_session": False})
            if result.rowcount:
                renew(self.session, fields, known)
        return int(result.rowcount)

    def delete_where(self, *where: Where, all_rows: bool = False, hard: bool = False) -> int:
        """Deletes every row that fits, as ``bulk_delete`` does; gives how many. HF626 without a filter.

        What goes along is what the database cascades to: a ``cascade=`` of the ORM alone is not followed, and a
        foreign key without ON DELETE then refuses (HF602).
        """
        clauses = self._restricting(where, all_rows)
        chosen: Any = {"where": and_(*clauses)} if clauses else {"all_rows": True}
        return bulk_delete(self.session, self._fields.model, hard=hard, **chosen)

    # ------------------------------------------------------------------ parts

    def _reading(self, load: Load, rows: Rows, strict: bool | None) -> Reading:
        ours = isinstance(self.session, holdfast.sqlalchemy.session.Session)
        usual = usual_filter(self.session, self._fields.mapper) if ours else None
        return Reading(load if isinstance(load, str) else tuple(load), rows, strict, usual)

    def _matched(self, on: Iterable[str] | str) -> builtins.list[str]:
        target = target_of(self._fields.model)
        dialect = self.session.get_bind(self._fields.mapper).dialect.name
        return [target.attribute(column) for column in conflict_target(target, on, dialect).columns]

    def _allowed(self, rows: Iterable[Any], besides: Iterable[str] = ()) -> Iterator[Any]:
        """The rows, as far as their names are declared; instances are code."""
        checked: object = None
        for row in rows:
            if isinstance(row, Mapping) and row.keys() != checked:
                self._fields.values(dict.fromkeys(row.keys() - set(besides)))
                checked = row.keys()
            yield row

    def _restricting(self, where: tuple[Where, ...], all_rows: bool) -> tuple[Any, ...]:
        conditions: Conditions = self._fields.conditions(where)
        if not conditions.restricts and not all_rows:
            raise EmptyFilterError(
                "HF626",
                f"The filter leaves no {self._fields.model.__name__} out, and all_rows is not said.",
                "Give a filter, or say all_rows=True.",
            )
        return conditions.clauses

    def _select(self, where: tuple[Where, ...], load: Load, rows: Rows, strict: bool | None) -> Any:
        statement = self._fields.selects.of(self._reading(load, rows, strict))
        clauses = self._fields.conditions(where).clauses
        return statement.where(*clauses) if clauses else statement


def _check_session(session: Session, fields: Fields[Any]) -> None:
    if fields.mark is not None and not isinstance(session, holdfast.sqlalchemy.session.Session):
        raise DeclarationError(
            "HF115",
            f"{fields.model.__name__} is soft-deleted, and this session shows deleted rows.",
            "Take holdfast.sqlalchemy.Session: sessionmaker(engine, class_=Session).",
        )
