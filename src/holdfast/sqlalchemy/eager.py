"""Relationships to load along with rows, by name: ``"lines"``, ``"lines.product"``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.orm import Mapper, RelationshipDirection, joinedload, selectinload
from sqlalchemy.orm.strategy_options import _AbstractLoad

from holdfast.errors import InvalidFilterError
from holdfast.sqlalchemy.filters import suggestion

Load = str | Sequence[str]


def loading(mapper: Mapper[Any], load: Load) -> list[_AbstractLoad]:
    """The options that load the relationships with the rows; HF623 for a name that is none.

    A parent comes with its row, by a join; children and other collections come by a second statement for all rows
    of the first, since a join would repeat each row for each child.
    """
    return [_path(mapper, each) for each in ([load] if isinstance(load, str) else load)]


def _path(mapper: Mapper[Any], path: str) -> _AbstractLoad:
    option: Any = None
    for name in path.split("."):
        relationship = mapper.relationships.get(name)
        if relationship is None:
            model = mapper.class_.__name__
            names = mapper.relationships.keys()
            raise InvalidFilterError(
                "HF623", f"{model} has no relationship {name!r} to load.", suggestion(name, names, f"{model} has")
            )
        attribute = getattr(mapper.class_, name)
        if relationship.direction is RelationshipDirection.MANYTOONE:
            option = joinedload(attribute) if option is None else option.joinedload(attribute)
        else:
            option = selectinload(attribute) if option is None else option.selectinload(attribute)
        mapper = relationship.mapper
    loaded: _AbstractLoad = option
    return loaded
