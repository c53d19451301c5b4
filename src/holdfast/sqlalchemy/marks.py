"""What a MetaData has of classes of whose rows some are left out, and which statements can meet one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import copy
from typing import Any

from sqlalchemy import ColumnElement, MetaData, Select, Table
from sqlalchemy.orm import InstrumentedAttribute, LoaderCriteriaOption, Mapper
from sqlalchemy.orm.interfaces import CriteriaOption
from sqlalchemy.sql.visitors import InternalTraversal, iterate

from holdfast.policies import SoftDelete, Tenant
from holdfast.sqlalchemy.links import check_link
from holdfast.sqlalchemy.mapping import FILTERED
from holdfast.sqlalchemy.narrowing import Rows, is_filtered, meant, narrowed
from holdfast.sqlalchemy.reach import is_computed, parts, reached
from holdfast.sqlalchemy.tables import policy_of
from holdfast.sqlalchemy.tenants import tenant_of

_MARKS = "holdfast.marks"
"""The key in ``MetaData.info`` of its Marks."""
_REMEMBERED = 1000
"""How many statements are remembered: SQLAlchemy's own cache holds 500 for each engine."""


_KEY = [("key", InternalTraversal.dp_plain_obj)]


class RowsFilter(CriteriaOption):
    """Criteria for many classes as one option, which costs a statement what one costs.

    The statement alone has it: what it loads beside gets its own, and an instance must stay fit for pickling.
    """

    _cache_key_traversal = _KEY
    propagate_to_loaders = False

    def __init__(self, key: tuple[Any, ...], rows: Iterable[tuple[Mapper[Any], Rows]], *, across: bool = False) -> None:
        self.key = (*key, across)
        criteria = (_criterion(mapper, each, across) for mapper, each in rows)
        self.criteria = [each for each in criteria if each is not None]

    def process_compile_state(self, compile_state: Any) -> None:
        self.get_global_criteria(compile_state.global_attributes)

    def process_compile_state_replaced_entities(self, compile_state: Any, mapper_entities: Any) -> None:
        self.process_compile_state(compile_state)

    def get_global_criteria(self, attributes: dict[Any, Any]) -> None:
        for criterion in self.criteria:
            criterion.get_global_criteria(attributes)


class Marks:
    """The marked classes of a MetaData; what was found out about a statement is kept by its cache key."""

    def __init__(self, roots: list[Mapper[Any]], size: tuple[int, int]) -> None:
        self.size = size
        self.roots = tuple(each for each in roots if not any(one in roots for one in list(each.iterate_to_root())[1:]))
        self.mappers = frozenset(mapper for root in roots for mapper in root.self_and_descendants)
        self.filter = RowsFilter((self,), ((root, "live") for root in self.roots))
        self.filter_across = RowsFilter((self,), ((root, "live") for root in self.roots), across=True)
        self.tenanted = frozenset(mapper for mapper in self.mappers if tenant_of(mapper) is not None)
        tables = {table for mapper in self.mappers for table in mapper.tables if isinstance(table, Table)}
        self.as_they_are: dict[Table, Rows] = dict.fromkeys(tables, "all")
        self.attributes: dict[Mapper[Any], InstrumentedAttribute[Any] | None] = {}
        self._met: dict[Any, bool] = {}
        self._open: dict[Any, bool] = {}
        self._core: dict[Any, bool] = {}
        self._reach: dict[tuple[Mapper[Any], bool], bool] = {}

    def are_met_by(self, statement: Any, mapper: Mapper[Any] | None) -> bool:
        """Whether the statement can read or write a marked row; one that cannot is left alone."""
        cache_key = statement._generate_cache_key()
        known = None if cache_key is None else self._met.get(cache_key.key)
        if known is not None:
            return known
        return _remembered(self._met, statement, lambda key: self._meets(statement, mapper, key))

    def is_core(self, statement: Any) -> bool:
        """Whether no entity is in the statement: then marked rows are read as they are."""

        def find(key: Any) -> bool:
            return key is not None and not any(isinstance(each, Mapper) for each in parts(key))

        return _remembered(self._core, statement, find)

    def leave_open(self, statement: Any) -> bool:
        """Whether the filters alone are not enough for the statement."""
        plain = getattr(statement, "_resolved", statement)  # a lambda statement is what it resolves to
        return _remembered(self._open, statement, lambda _: narrowed(plain) is not plain)

    def _meets(self, statement: Any, mapper: Mapper[Any] | None, key: Any) -> bool:
        if key is None:
            return True
        if mapper is None:
            # A statement of Core: its tables are read as they are, but for other tenants' rows; entities within it not.
            return any(
                self._reaches(each, False) if isinstance(each, Mapper) else _has_tenant(each) for each in parts(key)
            )
        # A join along a relationship, and an option, can go wherever relationships go.
        far = bool(statement._with_options) or any(
            isinstance(each, Select) and each._setup_joins for each in (statement, *iterate(statement))
        )
        for each in (mapper, *parts(key)):
            if isinstance(each, Mapper):
                if self._reaches(each, far):
                    return True
            elif isinstance(each, Table) and is_filtered(each):
                return True
        return False

    def _reaches(self, mapper: Mapper[Any], far: bool) -> bool:
        if (mapper, far) not in self._reach:
            self._reach[mapper, far] = any(
                each in self.mappers or is_computed(each, far) for each in reached(mapper, far)
            )
        return self._reach[mapper, far]


def marks_of(metadata: MetaData) -> Marks | None:
    """The marks of a MetaData, or nothing where no class is marked or has tenants; gathered anew for new classes.

    HF117 where a relationship goes through a marked table and does not look at the mark.
    """
    known: list[Mapper[Any]] | None = metadata.info.get(FILTERED)
    if not known:
        return None
    marks: Marks | None = metadata.info.get(_MARKS)
    size = len(known), len(metadata.tables)
    if marks is None or marks.size != size:
        for registry in {each.registry for each in known}:
            for relationship in (one for each in registry.mappers for one in each.relationships):
                check_link(relationship)
        marks = metadata.info[_MARKS] = Marks(known, size)
    return marks


def mark_of(mapper: Mapper[Any]) -> InstrumentedAttribute[Any] | None:
    """The attribute that marks deleted rows of the class, where it has one."""
    marks: Marks | None = mapper.registry.metadata.info.get(_MARKS)
    if marks is None:
        return _mark_of(mapper)
    if mapper not in marks.attributes:
        marks.attributes[mapper] = _mark_of(mapper)
    return marks.attributes[mapper]


def _mark_of(mapper: Mapper[Any]) -> InstrumentedAttribute[Any] | None:
    for each in mapper.iterate_to_root():
        policy = policy_of(each.local_table, SoftDelete)
        if policy is not None:
            key = each.get_property_by_column(each.local_table.c[policy.column]).key
            attribute: InstrumentedAttribute[Any] = getattr(mapper.class_, key)
            return attribute
    return None


class _Criterion(LoaderCriteriaOption):
    """The rows of a class that are meant, in the terms of the very entity that is read.

    SQLAlchemy takes a condition for an alias that is joined ON a condition of its own as it is: it would be about the
    table, and leave the alias open.
    """

    def __init__(self, mapper: Mapper[Any], rows: Rows, mark: str | None, tenant: str | None) -> None:
        self.rows: Rows = rows
        self.mark = mark
        self.tenant = tenant
        super().__init__(mapper, self._condition(mapper.class_), include_aliases=True)

    def _condition(self, entity: Any) -> Any:
        return meant(
            None if self.mark is None else getattr(entity, self.mark),
            self.rows,
            None if self.tenant is None else getattr(entity, self.tenant),
        )

    def _resolve_where_criteria(self, ext_info: Any) -> ColumnElement[bool]:
        own = copy(self)
        own.where_criteria = self._condition(ext_info.entity)
        return LoaderCriteriaOption._resolve_where_criteria(own, ext_info)


def _criterion(mapper: Mapper[Any], rows: Rows, across: bool) -> CriteriaOption | None:
    mark, tenant = mark_of(mapper), None if across else tenant_of(mapper)
    if tenant is None and (mark is None or rows == "all"):
        return None
    return _Criterion(mapper, rows, None if mark is None else mark.key, tenant)


def _remembered(known: dict[Any, bool], statement: Any, find: Callable[[Any], bool]) -> bool:
    # The key is made once for a statement: SQLAlchemy asks for it again, and is given the same.
    cache_key = statement._generate_cache_key()
    if cache_key is None:
        return find(None)
    answer = known.get(cache_key.key)
    if answer is None:
        if len(known) >= _REMEMBERED:
            known.clear()
        answer = known[cache_key.key] = find(cache_key.key)
    return answer


def _has_tenant(part: Any) -> bool:
    return isinstance(part, Table) and policy_of(part, Tenant) is not None
