"""The ORM: every kind of statement on the application's own models, and what a session has in hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Table, orm
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Mapper

import holdfast.sqlalchemy as hs
from holdfast.context import context
from holdfast.errors import HoldfastError, TenantError
from holdfast.testing.leaks.filling import values
from holdfast.testing.leaks.probe import DoesNotApplyError, Leaked, Probe
from holdfast.testing.leaks.stage import Stage
from holdfast.testing.leaks.subject import as_value, of_tenant, tenant_column

_SESSION = "Work with holdfast.sqlalchemy.Session, and declare Tenant on the model"
Shape = Callable[[hs.Session, "_Model"], Iterable[Any]]


class _Model:
    """A mapped class, its table, and its tenant's attribute."""

    def __init__(self, stage: Stage, table: Table) -> None:
        mapper = stage.subject.mapper_of(table)
        if mapper is None:
            raise DoesNotApplyError(f"No class is mapped to {table.fullname}.")
        self.mapper: Mapper[Any] = mapper
        self.entity: Any = mapper.class_
        self.table = table
        self.column = tenant_column(table)
        self.key = mapper.get_property_by_column(self.column).key
        self.tenant: Any = getattr(self.entity, self.key)
        self.first: Any = mapper.primary_key[0]

    def key_of(self, row: Any) -> tuple[Any, ...]:
        return tuple(row[each.key] for each in self.mapper.primary_key if isinstance(each, sa.Column))

    def own(self, instances: Iterable[Any]) -> list[Any]:
        return [getattr(each, self.key) for each in instances]

    def given(self, tenant: Any, row: Any) -> dict[str, Any]:
        """A new row, by the keys of the columns; it refers to what the row at hand refers to."""
        return values(self.table, tenant) | {
            each.key: row[each.key] for each in self.table.columns if each.foreign_keys
        }

    def attributes(self, given: dict[str, Any]) -> dict[str, Any]:
        """The same by the names of the attributes."""
        return {self.mapper.get_property_by_column(self.table.c[key]).key: value for key, value in given.items()}


def _self_join(session: hs.Session, model: _Model) -> Iterable[Any]:
    one, two = orm.aliased(model.entity), orm.aliased(model.entity)
    key = model.mapper.get_property_by_column(model.first).key
    return session.scalars(
        sa.select(getattr(two, model.key)).select_from(one).join(two, getattr(one, key) != getattr(two, key))
    )


READS: dict[str, Shape] = {
    "select(Model)": lambda s, m: m.own(s.scalars(sa.select(m.entity)).unique()),
    "columns": lambda s, m: s.scalars(sa.select(m.tenant)),
    "select(table)": lambda s, m: s.scalars(sa.select(m.column)),
    "an alias": lambda s, m: s.scalars(sa.select(getattr(orm.aliased(m.entity), m.key))),
    "an alias of the table": lambda s, m: s.scalars(sa.select(m.table.alias("o").c[m.column.key])),
    "a join of aliases": _self_join,
    "a CTE": lambda s, m: s.scalars(sa.select(sa.select(m.tenant).cte().c[m.column.name])),
    "a subquery": lambda s, m: s.scalars(sa.select(sa.select(m.tenant).subquery().c[m.column.name])),
    "a union": lambda s, m: s.scalars(sa.union_all(sa.select(m.tenant), sa.select(m.tenant))),
    "IN (SELECT …)": lambda s, m: s.scalars(sa.select(m.tenant).where(m.tenant.in_(sa.select(m.tenant)))),
    "EXISTS": lambda s, m: s.scalars(sa.select(m.tenant).where(sa.exists(sa.select(m.first)))),
    "a scalar subquery": lambda s, m: [
        s.scalar(sa.select(sa.select(m.tenant).order_by(way).limit(1).scalar_subquery()))
        for way in (m.tenant.asc(), m.tenant.desc())
    ],
    "an aggregate": lambda s, m: s.scalars(sa.select(m.tenant).group_by(m.tenant)),
    "Query": lambda s, m: m.own(s.query(m.entity)),
    "text()": lambda s, m: s.scalars(sa.text(_sql(s, m))),
    "from_statement(text())": lambda s, m: m.own(
        s.scalars(sa.select(m.entity).from_statement(sa.text(f"select * from {_name(s, m)}"))).unique()
    ),
    "session.connection()": lambda s, m: s.connection().scalars(sa.select(m.column)),
}
WITH_CRITERIA = frozenset(READS) - {"text()", "from_statement(text())", "session.connection()", "EXISTS"}
"""Of which the ORM knows what is read, and refuses it where there is no tenant."""


def _name(session: hs.Session, model: _Model) -> str:
    return session.connection().dialect.identifier_preparer.format_table(model.table)


def _sql(session: hs.Session, model: _Model) -> str:
    column = session.connection().dialect.identifier_preparer.format_column(model.column)
    return f"select {column} from {_name(session, model)}"


@contextmanager
def _session(stage: Stage) -> Iterator[hs.Session]:
    with hs.Session(stage.connection, join_transaction_mode="create_savepoint") as session:
        yield session


def reads_stay_within(stage: Stage, table: Table) -> None:
    model = _Model(stage, table)
    for tenant in (stage.a, stage.b):
        stage.row_of(table, tenant)
        with stage.application(tenant):
            for name, read in READS.items():
                with _session(stage) as session:
                    others = {each for each in read(session, model) if each is not None and str(each) != str(tenant)}
                if others:
                    raise Leaked(f"{name} of {model.entity.__name__} reads rows of {others} for {tenant}.", _SESSION)


def relationships_stay_within(stage: Stage, table: Table) -> None:
    model = _Model(stage, table)
    found = [each for each in model.mapper.relationships if stage_has(stage, each.mapper)]
    if not found:
        raise DoesNotApplyError(f"{model.entity.__name__} has no relationship to a class that has tenants.")
    for each in found:
        other = _Model(stage, each.mapper.local_table)  # type: ignore[arg-type]
        attribute = getattr(model.entity, each.key)
        dynamic = each.lazy in ("dynamic", "write_only", "raise", "raise_on_sql", "noload")
        ways = () if dynamic else ((), (orm.selectinload(attribute),), (orm.joinedload(attribute),))
        with stage.application(stage.a):
            for options in ways:
                with _session(stage) as session:
                    for one in session.scalars(sa.select(model.entity).options(*options)).unique():
                        near = getattr(one, each.key)
                        _check(stage, other, near if isinstance(near, Iterable) else [near], f"{attribute}")


def stage_has(stage: Stage, mapper: Mapper[Any]) -> bool:
    return mapper.local_table in stage.tables


def _check(stage: Stage, model: _Model, instances: Iterable[Any], said: str) -> None:
    others = {each for each in model.own(one for one in instances if one is not None) if str(each) != str(stage.a)}
    if others:
        raise Leaked(f"{said} gives rows of {others} for {stage.a}.", _SESSION)


def another_is_not_got_by_its_key(stage: Stage, table: Table) -> None:
    model = _Model(stage, table)
    key = model.key_of(stage.row_of(table, stage.b))
    with stage.application(stage.a), _session(stage) as session:
        if session.get(model.entity, key) is not None:
            raise Leaked(f"session.get() of {model.entity.__name__} gives another tenant's row.", _SESSION)


def without_a_tenant_it_is_told(stage: Stage, table: Table) -> None:
    model = _Model(stage, table)
    for name in sorted(WITH_CRITERIA):
        with stage.application(), _session(stage) as session:
            try:
                list(READS[name](session, model))
            except (TenantError, sa.exc.StatementError) as error:
                if isinstance(error, TenantError) or isinstance(getattr(error, "orig", None), TenantError):
                    continue
                raise
            raise Leaked(f"{name} of {model.entity.__name__} works without a tenant.", _SESSION)


def session_keeps_its_tenant(stage: Stage, table: Table) -> None:
    model = _Model(stage, table)
    key = model.key_of(stage.row_of(table, stage.a))
    with stage.application(stage.a), _session(stage) as session:
        if session.get(model.entity, key) is None:
            raise DoesNotApplyError(f"The application sees no row of its own in {table.fullname}.")
        with context(tenant=stage.b):
            uses: tuple[Callable[[], Any], ...] = (
                lambda: session.get(model.entity, key),
                lambda: session.scalars(sa.select(model.entity)).first(),
            )
            for use in uses:
                try:
                    use()
                except TenantError:
                    continue
                raise Leaked(f"A session gives its {model.entity.__name__} to another tenant.", _SESSION)


def _added(session: hs.Session, instance: Any) -> None:
    session.add(instance)
    session.flush()


def _writes(stage: Stage, model: _Model) -> dict[str, Callable[[hs.Session], Any]]:
    theirs = stage.row_of(model.table, stage.b)
    plain = next((each for each in model.table.columns if not each.primary_key and each is not model.column), None)
    by_key = {
        **{model.mapper.get_property_by_column(each).key: theirs[each.key] for each in model.table.primary_key},
        model.key: as_value(model.table, stage.b),
    }
    given = model.given(stage.b, theirs)
    new = model.attributes(given)
    writes: dict[str, Callable[[hs.Session], Any]] = {
        "add()": lambda s: _added(s, model.entity(**new)),
        "insert()": lambda s: s.execute(sa.insert(model.entity), [new]),
        "insert(table)": lambda s: s.connection().execute(sa.insert(model.table), [given]),
        "bulk_insert()": lambda s: hs.bulk_insert(s, model.entity, [new]),
        "update() by key": lambda s: s.execute(sa.update(model.entity), [by_key]),
        "update(table)": lambda s: s.execute(
            sa.update(model.table).values({model.column.key: as_value(model.table, stage.b)})
        ),
        "delete(table)": lambda s: s.connection().execute(
            sa.delete(model.table).where(of_tenant(model.table, stage.b))
        ),
    }
    if plain is not None:
        writes["update(Model)"] = lambda s: s.execute(
            sa.update(model.table).values({plain.key: plain}).where(of_tenant(model.table, stage.b))
        )
    return writes


def writes_stay_within(stage: Stage, table: Table) -> None:
    model = _Model(stage, table)
    before = stage.all_of(table, stage.b)
    for name, write in _writes(stage, model).items():
        with stage.application(stage.a):
            try:
                with _session(stage) as session:
                    write(session)
                    session.commit()
            except (HoldfastError, DBAPIError, sa.exc.StatementError, orm.exc.StaleDataError, KeyError):
                continue
            stage.leave()
            if stage.all_of(table, stage.b) != before:
                raise Leaked(f"{name} of {model.entity.__name__} writes rows of another tenant.", _SESSION)


_TRIED = (
    (24, "no-tenant-orm", "A statement of the ORM works without a tenant.", without_a_tenant_it_is_told),
    (41, "session-in-hand", "A session gives the former tenant's objects to the next.", session_keeps_its_tenant),
    (42, "reads", "A kind of statement passes by the filter of the ORM.", reads_stay_within),
    (42, "relationships", "A relationship loads another tenant's rows.", relationships_stay_within),
    (42, "get", "A row of another tenant is got by its key.", another_is_not_got_by_its_key),
    (42, "writes", "A kind of write passes by the check of the ORM.", writes_stay_within),
)
PROBES = tuple(Probe(number, name, why, run, by_session=True) for number, name, why, run in _TRIED)
