"""Models that change at random, as plain data, and the metadata that they stand for."""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass, field, replace
from typing import Any

import sqlalchemy as sa

from holdfast import Audit, Guard, Permit, SoftDelete, Tenant, Timestamps, Version
from holdfast.policies import Policy
from holdfast.sqlalchemy import UTCDateTime, index_live, protect, unique_live

TYPES: dict[str, list[Any]] = {
    "text": [sa.String(20), sa.String(40), sa.Text()],
    "number": [sa.Integer(), sa.BigInteger()],
    "money": [sa.Numeric(10, 2), sa.Numeric(12, 2)],
    "time": [sa.DateTime(timezone=True)],
    "flag": [sa.Boolean()],
    "json": [sa.JSON()],
}
DEFAULTS = {"text": "'it''s'", "number": "7", "money": "1.5", "time": "'2020-01-02'", "flag": "true"}
COMPARED = ("text", "number", "money", "time")
"""The families of which a value can be compared, and so indexed."""
KINDS = ("Audit", "SoftDelete", "Timestamps", "Version", "Guard", "Permit", "Tenant")


@dataclass(frozen=True)
class Column:
    family: str
    number: int = 0
    """Which of the family's types."""
    default: bool = False
    required: bool = False
    """NOT NULL; only with a default, or a table with rows could not get it."""


@dataclass(frozen=True)
class Index:
    columns: tuple[str, ...]
    unique: bool = False
    where: int = 0
    include: str | None = None


@dataclass
class Model:
    schema: str | None = None
    """Where the database has several."""
    columns: dict[str, Column] = field(default_factory=dict)
    parent: tuple[str, str] | None = None
    """Whom it refers to, and what becomes of it when that goes."""
    policies: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    inserts: bool = False
    """Whether an insert is recorded whole."""
    unique: tuple[str, ...] = ()
    """The columns that are unique among the living."""
    live_index: tuple[str, ...] = ()
    live_view: bool = False
    indexes: dict[str, Index] = field(default_factory=dict)
    checks: dict[str, tuple[str, int]] = field(default_factory=dict)
    most: int = 10
    """Rows at once."""

    def used(self) -> set[str]:
        """The columns that something else than the table names."""
        found = {*self.exclude, *self.unique, *self.live_index, *(column for column, _ in self.checks.values())}
        return found.union(*((*each.columns, each.include or "") for each in self.indexes.values()))


@dataclass
class Models:
    tables: dict[str, Model] = field(default_factory=dict)
    """Those that others refer to come first."""
    taken: set[str] = field(default_factory=set)
    """Names of tables that were renamed: what they own still bears the name."""
    renamed: tuple[str, str, str] | None = None
    """A table, its column before, and now: what the last change was, in words that no comparison could find."""
    moved: tuple[str, str] | None = None
    """The same of a table."""


def start(seed: random.Random) -> Models:
    models = Models()
    for _ in range(3):
        _add_table(models, seed)
    return models


def changed(models: Models, seed: random.Random) -> Models:
    """One to three changes; or a rename, by itself."""
    models = replace(copy.deepcopy(models), renamed=None, moved=None)
    if seed.random() < 0.15:
        seed.choice((_rename_column, _rename_table))(models, seed)
        return models
    for _ in range(seed.randint(1, 3)):
        seed.choice(CHANGES)(models, seed)
    return models


# ---------------------------------------------------------------------- the metadata


def metadata_of(models: Models, dialect: str) -> sa.MetaData:
    metadata = sa.MetaData()
    hides = dialect == "postgresql"
    for name, model in models.tables.items():
        schema = model.schema if hides else None
        columns: list[Any] = [sa.Column("id", sa.Integer, primary_key=True)]
        for each, column in model.columns.items():
            default = sa.text(DEFAULTS[column.family]) if column.default else None
            kind = TYPES[column.family][column.number]
            columns.append(sa.Column(each, kind, server_default=default, nullable=not column.required))
        columns += _kept(model)
        if model.parent is not None:
            columns += _reference(models, name, model, hides)
        live = "SoftDelete" in model.policies
        if model.unique and live:
            columns.append(unique_live(*model.unique, name=f"live_{name}"))
        if model.live_index and live:
            columns.append(index_live(*model.live_index, name=f"alive_{name}"))
        columns += [_index(each, index, model, hides) for each, index in model.indexes.items()]
        columns += [
            sa.CheckConstraint(f"{column} <> {_odd(model.columns[column].family)} OR {bound} > 1", name=each)
            for each, (column, bound) in model.checks.items()
        ]
        table = sa.Table(name, metadata, *columns, schema=schema)
        if model.policies:
            protect(*(_policy(each, model, hides) for each in model.policies))(table)
    return metadata


def _kept(model: Model) -> list[Any]:
    """The columns that the policies keep."""
    columns: list[Any] = [sa.Column("tenant_id", sa.BigInteger, nullable="Tenant" not in model.policies)]
    if "SoftDelete" in model.policies:
        columns.append(sa.Column("deleted_at", UTCDateTime))
    if "Timestamps" in model.policies:
        columns += [sa.Column(each, UTCDateTime, server_default=sa.func.now()) for each in ("created_at", "updated_at")]
    if "Version" in model.policies:
        columns.append(sa.Column("version", sa.Integer, server_default="1", nullable=False))
    return columns


def _reference(models: Models, name: str, model: Model, hides: bool) -> list[Any]:
    assert model.parent is not None
    parent, action = model.parent
    target = models.tables[parent]
    if action == "CASCADE" and ("SoftDelete" in target.policies) != ("SoftDelete" in model.policies):
        # One would be marked and the other really deleted, which is refused.
        action = "RESTRICT"
    schema = f"{target.schema}." if target.schema and hides else ""
    key = sa.ForeignKey(f"{schema}{parent}.id", ondelete=action, name=f"fk_{name}_{parent}")
    return [sa.Column(f"{parent}_id", sa.Integer, key)]


def _index(name: str, index: Index, model: Model, hides: bool) -> sa.Index:
    where = (None, "id > 10", f"id < 99 AND {index.columns[0]} IS NOT NULL")[index.where]
    told = None if where is None else sa.text(where)
    # A policy puts the tenant in front, but where there is a condition, and not on SQLite.
    columns = ("tenant_id", *index.columns) if index.unique and (where or not hides) else index.columns
    options: dict[str, Any] = {"postgresql_where": told, "sqlite_where": told}
    if index.include is not None and hides:
        options["postgresql_include"] = [index.include]
    return sa.Index(name, *columns, unique=index.unique, **options)


def _odd(family: str) -> str:
    return {"text": "'odd'", "time": "'1999-01-01'"}.get(family, "-1")


def _policy(kind: str, model: Model, hides: bool) -> Policy:
    match kind:
        case "Audit":
            return Audit(exclude=model.exclude, inserts="full" if model.inserts else "key")
        case "SoftDelete":
            return SoftDelete(live_view=model.live_view)
        case "Timestamps":
            return Timestamps()
        case "Version":
            return Version()
        case "Permit":
            return Permit(insert="row:insert", delete="row:delete", select="row:read" if hides else None)
        case "Tenant":
            return Tenant(reads="database" if hides else "application")
        case _:
            return Guard(max_rows=model.most)


# ---------------------------------------------------------------------- the changes


def _name(taken: Any, stem: str) -> str:
    return next(f"{stem}{number}" for number in range(1, 1000) if f"{stem}{number}" not in taken)


def _any(models: Models, seed: random.Random) -> Model:
    return seed.choice(list(models.tables.values()))


def _add_table(models: Models, seed: random.Random) -> None:
    model = Model(schema=seed.choice([None, None, "other"]), inserts=seed.random() < 0.3)
    for _ in range(seed.randint(1, 3)):
        _add_to(model, seed)
    if models.tables and seed.random() < 0.7:
        model.parent = (seed.choice(list(models.tables)), seed.choice(["CASCADE", "SET NULL", "RESTRICT"]))
    model.policies = _policies(seed)
    models.tables[_name({*models.tables, *models.taken}, "table_")] = model


def _policies(seed: random.Random) -> tuple[str, ...]:
    return tuple(each for each in KINDS if seed.random() < (0.3 if each in ("Permit", "Tenant") else 0.55))


def _add_to(model: Model, seed: random.Random) -> None:
    family = seed.choice(list(TYPES))
    default = family in DEFAULTS and seed.random() < 0.3
    required = default and seed.random() < 0.5
    model.columns[_name(model.columns, f"{family}_")] = Column(family, 0, default, required)


def _drop_table(models: Models, seed: random.Random) -> None:
    free = _childless(models)
    if len(models.tables) > 1:
        del models.tables[seed.choice(free)]


def _childless(models: Models) -> list[str]:
    parents = {each.parent[0] for each in models.tables.values() if each.parent}
    return [name for name in models.tables if name not in parents]


def _add_column(models: Models, seed: random.Random) -> None:
    _add_to(_any(models, seed), seed)


def _drop_column(models: Models, seed: random.Random) -> None:
    model = _any(models, seed)
    if len(model.columns) > 1:
        column = seed.choice(list(model.columns))
        del model.columns[column]
        model.exclude = tuple(each for each in model.exclude if each != column)
        model.unique = tuple(each for each in model.unique if each != column)
        model.live_index = tuple(each for each in model.live_index if each != column)
        model.checks = {name: each for name, each in model.checks.items() if each[0] != column}
        model.indexes = {
            name: each for name, each in model.indexes.items() if column not in (*each.columns, each.include)
        }


def _retype(models: Models, seed: random.Random) -> None:
    model = _any(models, seed)
    name = seed.choice(list(model.columns))
    column = model.columns[name]
    model.columns[name] = replace(column, number=(column.number + 1) % len(TYPES[column.family]))


def _default(models: Models, seed: random.Random) -> None:
    model = _any(models, seed)
    name = seed.choice(list(model.columns))
    column = model.columns[name]
    if column.family in DEFAULTS:
        model.columns[name] = replace(column, default=not column.default, required=False)


def _require(models: Models, seed: random.Random) -> None:
    model = _any(models, seed)
    for name, column in model.columns.items():
        if column.default:
            model.columns[name] = replace(column, required=not column.required)
            return


def _redeclare(models: Models, seed: random.Random) -> None:
    _any(models, seed).policies = _policies(seed)


def _one_policy(models: Models, seed: random.Random) -> None:
    """One comes, or goes."""
    model = _any(models, seed)
    one = seed.choice(KINDS)
    model.policies = tuple(each for each in KINDS if (each in model.policies) != (each == one))


def _exclude(models: Models, seed: random.Random) -> None:
    model = _any(models, seed)
    model.exclude = (seed.choice(list(model.columns)),) if not model.exclude else ()


def _options(models: Models, seed: random.Random) -> None:
    """What changes nothing but what a function does."""
    model = _any(models, seed)
    model.inserts = not model.inserts
    model.most += 1


def _view(models: Models, seed: random.Random) -> None:
    model = _any(models, seed)
    model.live_view = not model.live_view


def _compared(model: Model) -> list[str]:
    return [name for name, column in model.columns.items() if column.family in COMPARED]


def _make_unique(models: Models, seed: random.Random) -> None:
    model = _any(models, seed)
    if found := _compared(model):
        model.unique = ("tenant_id", seed.choice(found)) if not model.unique else ()


def _index_live(models: Models, seed: random.Random) -> None:
    model = _any(models, seed)
    if found := _compared(model):
        model.live_index = (seed.choice(found),) if not model.live_index else ()


def _change_index(models: Models, seed: random.Random) -> None:
    """Adds one, takes one away, or changes what stock autogenerate does not see."""
    name, model = seed.choice(list(models.tables.items()))
    found = _compared(model)
    if model.indexes and seed.random() < 0.7:
        index, there = seed.choice(list(model.indexes.items()))
        if seed.random() < 0.3:
            del model.indexes[index]
        else:
            include = seed.choice([None, *(each for each in found if each not in there.columns)])
            model.indexes[index] = replace(there, where=seed.randrange(3), include=include)
    elif found:
        columns = tuple(seed.sample(found, min(len(found), seed.randint(1, 2))))
        where = seed.randrange(3)
        model.indexes[_name(model.indexes, f"by_{name}_")] = Index(columns, seed.random() < 0.4, where)


def _change_check(models: Models, seed: random.Random) -> None:
    name, model = seed.choice(list(models.tables.items()))
    found = _compared(model)
    if model.checks and seed.random() < 0.6:
        check = seed.choice(list(model.checks))
        if seed.random() < 0.4:
            del model.checks[check]
        else:
            model.checks[check] = (model.checks[check][0], model.checks[check][1] + 1)
    elif found:
        model.checks[_name(model.checks, f"ck_{name}_")] = (seed.choice(found), 1)


def _adopt(models: Models, seed: random.Random) -> None:
    """Another parent, an older table, or none."""
    names = list(models.tables)
    name = seed.choice(names)
    older = names[: names.index(name)]
    models.tables[name].parent = (seed.choice(older), seed.choice(["CASCADE", "SET NULL"])) if older else None


def _rename_column(models: Models, seed: random.Random) -> None:
    name, model = seed.choice(list(models.tables.items()))
    if free := sorted(set(model.columns) - model.used()):
        column = seed.choice(free)
        new = _name(model.columns, f"{column}_now_")
        model.columns[new] = model.columns.pop(column)
        models.renamed = (name, column, new)


def _rename_table(models: Models, seed: random.Random) -> None:
    free = [
        name
        for name in _childless(models)
        if not (models.tables[name].parent or models.tables[name].indexes or models.tables[name].checks)
        and not (models.tables[name].unique or models.tables[name].live_index)
    ]
    if free:
        name = seed.choice(free)
        new = _name({*models.tables, *models.taken}, "table_")
        models.tables[new] = models.tables.pop(name)
        models.taken.add(name)
        models.moved = (name, new)


CHANGES = [
    _add_table, _drop_table, _add_column, _add_column, _drop_column, _drop_column, _retype, _retype, _redeclare,
    _one_policy, _one_policy, _exclude, _options, _view, _make_unique, _index_live, _change_index, _change_index,
    _change_check, _adopt, _default, _require,
]  # fmt: skip
