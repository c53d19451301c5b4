"""Models that change at random, as plain data, and the metadata that they stand for."""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from holdfast import Audit, Guard, SoftDelete, Timestamps, Version
from holdfast.sqlalchemy import UTCDateTime, protect, unique_live

TYPES: dict[str, list[Any]] = {
    "text": [sa.String(20), sa.String(40), sa.Text()],
    "number": [sa.Integer(), sa.BigInteger()],
    "money": [sa.Numeric(10, 2), sa.Numeric(12, 2)],
    "time": [sa.DateTime(timezone=True)],
    "flag": [sa.Boolean()],
}


@dataclass
class Model:
    columns: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Name to family and number of the type."""
    parent: tuple[str, str] | None = None
    """Whom it refers to, and what becomes of it when that goes."""
    policies: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    unique: tuple[str, ...] = ()
    """The columns that are unique among the living."""
    live_view: bool = False


Models = dict[str, Model]


def start(seed: random.Random) -> Models:
    models: Models = {}
    for _ in range(3):
        _add_table(models, seed)
    return models


def changed(models: Models, seed: random.Random) -> Models:
    """One to three changes."""
    models = copy.deepcopy(models)
    for _ in range(seed.randint(1, 3)):
        seed.choice(CHANGES)(models, seed)
    return models


def metadata_of(models: Models) -> sa.MetaData:
    metadata = sa.MetaData()
    for name, model in models.items():
        columns: list[Any] = [sa.Column("id", sa.Integer, primary_key=True)]
        for column, (family, number) in model.columns.items():
            columns.append(sa.Column(column, TYPES[family][number]))
        if model.parent is not None:
            parent, action = model.parent
            if action == "CASCADE" and ("SoftDelete" in models[parent].policies) != ("SoftDelete" in model.policies):
                # One would be marked and the other really deleted, which is refused.
                action = "RESTRICT"
            key = f"fk_{name}_{parent}"
            columns.append(sa.Column(f"{parent}_id", sa.ForeignKey(f"{parent}.id", ondelete=action, name=key)))
        if "SoftDelete" in model.policies:
            columns.append(sa.Column("deleted_at", UTCDateTime))
        if "Timestamps" in model.policies:
            columns += [
                sa.Column(each, UTCDateTime, server_default=sa.func.now()) for each in ("created_at", "updated_at")
            ]
        if "Version" in model.policies:
            columns.append(sa.Column("version", sa.Integer, server_default="1", nullable=False))
        if model.unique and "SoftDelete" in model.policies:
            columns.append(unique_live(*model.unique, name=f"live_{name}"))
        table = sa.Table(name, metadata, *columns)
        policies = {
            "Audit": Audit(exclude=model.exclude),
            "SoftDelete": SoftDelete(live_view=model.live_view),
            "Timestamps": Timestamps(),
            "Version": Version(),
            "Guard": Guard(max_rows=len(model.columns) + 10),
        }
        if model.policies:
            protect(*(policies[each] for each in model.policies))(table)
    return metadata


# ---------------------------------------------------------------------- the changes


def _name(taken: Any, stem: str) -> str:
    return next(f"{stem}{number}" for number in range(1, 1000) if f"{stem}{number}" not in taken)


def _add_table(models: Models, seed: random.Random) -> None:
    model = Model()
    for _ in range(seed.randint(1, 3)):
        _add_to(model, seed)
    if models and seed.random() < 0.7:
        model.parent = (seed.choice(list(models)), seed.choice(["CASCADE", "SET NULL", "RESTRICT"]))
    model.policies = _policies(seed)
    models[_name(models, "table_")] = model


def _policies(seed: random.Random) -> tuple[str, ...]:
    return tuple(each for each in ("Audit", "SoftDelete", "Timestamps", "Version", "Guard") if seed.random() < 0.6)


def _add_to(model: Model, seed: random.Random) -> None:
    family = seed.choice(list(TYPES))
    model.columns[_name(model.columns, f"{family}_")] = (family, 0)


def _drop_table(models: Models, seed: random.Random) -> None:
    free = [name for name in models if not any(each.parent and each.parent[0] == name for each in models.values())]
    if len(models) > 1:
        del models[seed.choice(free)]


def _add_column(models: Models, seed: random.Random) -> None:
    _add_to(seed.choice(list(models.values())), seed)


def _drop_column(models: Models, seed: random.Random) -> None:
    model = seed.choice(list(models.values()))
    if len(model.columns) > 1:
        column = seed.choice(list(model.columns))
        del model.columns[column]
        model.exclude = tuple(each for each in model.exclude if each != column)
        model.unique = tuple(each for each in model.unique if each != column)


def _retype(models: Models, seed: random.Random) -> None:
    model = seed.choice(list(models.values()))
    column = seed.choice(list(model.columns))
    family, number = model.columns[column]
    model.columns[column] = (family, (number + 1) % len(TYPES[family]))


def _redeclare(models: Models, seed: random.Random) -> None:
    seed.choice(list(models.values())).policies = _policies(seed)


def _exclude(models: Models, seed: random.Random) -> None:
    model = seed.choice(list(models.values()))
    model.exclude = (seed.choice(list(model.columns)),) if not model.exclude else ()


def _view(models: Models, seed: random.Random) -> None:
    model = seed.choice(list(models.values()))
    model.live_view = not model.live_view


def _make_unique(models: Models, seed: random.Random) -> None:
    model = seed.choice(list(models.values()))
    model.unique = (seed.choice(list(model.columns)),) if not model.unique else ()


def _adopt(models: Models, seed: random.Random) -> None:
    """Another parent, an older table, or none."""
    names = list(models)
    name = seed.choice(names)
    older = names[: names.index(name)]
    models[name].parent = (seed.choice(older), seed.choice(["CASCADE", "SET NULL"])) if older else None


CHANGES = [
    _add_table, _drop_table, _add_column, _add_column, _drop_column, _drop_column, _retype, _retype, _redeclare,
    _exclude, _view, _make_unique, _adopt,
]  # fmt: skip
