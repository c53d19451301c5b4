"""What a repository class says of its model, checked when the class is made."""

from __future__ import annotations

import typing
from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache
from typing import Any, ClassVar, Generic, TypeVar

from sqlalchemy import inspect

from holdfast.errors import DeclarationError
from holdfast.sqlalchemy.fields import Fields, Names
from holdfast.sqlalchemy.paging.cursor import Secret

M = TypeVar("M")
_REMEMBERED = 200


class Declared(Generic[M]):
    """What the synchronous and the asynchronous repository declare alike."""

    filterable: ClassVar[Names] = ()
    """The attributes that a filter given as data may name."""
    sortable: ClassVar[Names] = ()
    """The attributes that an order given as text may name."""
    writable: ClassVar[Names] = ()
    """The attributes that values given as data may name."""
    strict: ClassVar[bool] = False
    """Whether touching a relationship that was not asked for raises, in place of a statement for each row."""
    cursor_secret: ClassVar[Secret | Sequence[Secret] | None] = None
    """Signs the cursors of pages."""

    _declared: ClassVar[Fields[Any] | None] = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        model = _model_of(cls.__dict__.get("__orig_bases__", ()), cls.__name__)
        if model is None and cls._declared is not None:
            model = cls._declared.model
        if model is not None:
            cls._declared = fields_of(cls, model)

    _model: type[M] | None = None

    @cached_property
    def _fields(self) -> Fields[M]:
        return self._find()

    def _find(self) -> Fields[M]:
        if self._model is not None:
            return fields_of(type(self), self._model)
        if self._declared is not None:
            return self._declared
        model = _model_of([getattr(self, "__orig_class__", None)], type(self).__name__)
        if model is None:
            name = type(self).__name__
            raise DeclarationError("HF115", f"{name} does not say of which model.", f"Write {name}[Order](session).")
        return fields_of(type(self), model)


def fields_of(owner: Any, model: Any) -> Fields[Any]:
    if inspect(model, raiseerr=False) is None:
        raise DeclarationError("HF115", f"{model!r} is not a mapped class.", "Give the class of a model.")
    # A repository that names its model where it is made is made for each request.
    return _fields_of(owner, model)


@lru_cache(maxsize=_REMEMBERED)
def _fields_of(owner: Any, model: Any) -> Fields[Any]:
    fields = Fields(
        model, owner.__name__, owner.filterable, owner.sortable, owner.writable, owner.strict, owner.cursor_secret
    )
    fields.check()
    return fields


def _model_of(bases: Iterable[Any], owner: str) -> Any:
    """The model that a class names in ``Repository[Order]``; None where it names none, or a type variable."""
    for base in bases:
        origin = typing.get_origin(base)
        if isinstance(origin, type) and issubclass(origin, Declared):
            for argument in typing.get_args(base):
                if isinstance(argument, typing.ForwardRef):
                    raise DeclarationError(
                        "HF115", f"{owner} names its model in text.", "Import the class: Repository[Order]."
                    )
                if not isinstance(argument, TypeVar):
                    return argument
    return None
