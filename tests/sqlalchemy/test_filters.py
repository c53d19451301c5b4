"""Filters as data: they find what plain Python would find, and refuse whatever they do not understand."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import JSON, BigInteger, Enum, Interval, LargeBinary, SmallInteger, create_engine
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from holdfast.errors import InvalidFilterError
from holdfast.sqlalchemy import UTCDateTime
from holdfast.sqlalchemy.filters import MOST, OPERATORS
from holdfast.sqlalchemy.repository import Repository
from tests.conftest import _server
from tests.servers import Servers

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
KEY = UUID("0190b0f0-0000-7000-8000-000000000001")


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Base(DeclarativeBase):
    pass


class Thing(Base):
    __tablename__ = "things"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None]
    title: Mapped[str]
    count: Mapped[int | None]
    price: Mapped[Decimal | None]
    weight: Mapped[float | None]
    ready: Mapped[bool | None]
    made: Mapped[date | None]
    opens: Mapped[time | None]
    seen: Mapped[datetime | None] = mapped_column(UTCDateTime)
    local: Mapped[datetime | None]
    key: Mapped[UUID | None]
    colour: Mapped[Colour | None]
    size: Mapped[str | None] = mapped_column(Enum("s", "m", name="size", native_enum=False))
    small: Mapped[int | None] = mapped_column(SmallInteger)
    big: Mapped[int | None] = mapped_column(BigInteger)
    digest: Mapped[bytes | None] = mapped_column(LargeBinary)
    lasts: Mapped[timedelta | None] = mapped_column(Interval)
    data: Mapped[Any | None] = mapped_column(JSON)
    under__score: Mapped[str | None]

    @hybrid_property
    def double(self) -> Any:
        return self.count * 2


FIELDS = [*(column.key for column in Thing.__mapper__.column_attrs), "double"]


class Things(Repository[Thing]):
    filterable = FIELDS


NAMES = ["", "a", "A", "ab", "aB", "a%b", "a_b", "axb", "%", "_", "\\", "a\\b", "\\%", "é", "b'c", 'b"c', "b b"]
ROWS = [
    {
        "id": number + 1,
        "name": None if number % 7 == 6 else NAMES[number % len(NAMES)],
        "title": NAMES[(number * 3) % len(NAMES)],
        "count": None if number % 5 == 4 else number % 6 - 2,
        "price": None if number % 6 == 5 else Decimal(number % 4) / 4,
        "ready": (True, False, None)[number % 3],
        "made": None if number % 4 == 3 else date(2026, 1, 1 + number % 5),
        "seen": None if number % 5 == 2 else NOON + timedelta(hours=number % 4),
        "key": None if number % 3 else UUID(int=number),
        "colour": (Colour.RED, Colour.BLUE, None)[number % 3],
    }
    for number in range(40)
]


@pytest.fixture(scope="module", params=["postgresql", "sqlite"])
def things(request: pytest.FixtureRequest, servers: Servers) -> Iterator[Things]:
    if request.param == "sqlite":
        yield from _things("sqlite://")
    else:
        with _server(servers, None).new_database() as url:
            yield from _things(url)


@pytest.fixture(scope="module")
def unfilled() -> Iterator[Things]:
    yield from _things("sqlite://", rows=[])


def _things(url: str, rows: Any = ROWS) -> Iterator[Things]:
    engine = create_engine(url)
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([Thing(**row) for row in rows])
        session.flush()
        yield Things(session)
    engine.dispose()


# ---------------------------------------------------------------------- against plain Python

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "name": st.sampled_from(NAMES),
    "title": st.sampled_from(NAMES),
    "count": st.integers(-3, 4),
    "price": st.sampled_from([Decimal(number) / 4 for number in range(5)]),
    "ready": st.booleans(),
    "made": st.dates(date(2026, 1, 1), date(2026, 1, 6)),
    "seen": st.sampled_from([NOON + timedelta(hours=number) for number in range(5)]),
    "key": st.sampled_from([UUID(int=number) for number in range(6)]),
    "colour": st.sampled_from(Colour),
}
ORDERED = {"count", "price", "made", "seen"}
TEXT = {"name", "title"}
PATTERNS: dict[str, Callable[[str, str], bool]] = {
    "contains": lambda value, wanted: wanted in value,
    "startswith": str.startswith,
    "endswith": str.endswith,
    "eq": str.__eq__,
}
COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "lt": lambda value, wanted: value < wanted,
    "lte": lambda value, wanted: value <= wanted,
    "gt": lambda value, wanted: value > wanted,
    "gte": lambda value, wanted: value >= wanted,
    "between": lambda value, wanted: wanted[0] <= value <= wanted[1],
}


def fits(value: Any, operator: str, wanted: Any) -> bool:
    """A row without a value is different from every value, and neither less nor more."""
    match operator:
        case "eq":
            return bool(value == wanted)
        case "ne":
            return bool(value != wanted)
        case "in":
            return value is not None and value in wanted
        case "not_in":
            return value is None or value not in wanted
        case "is_null":
            return (value is None) is wanted
    if value is None:
        return False
    if operator in COMPARED:
        return COMPARED[operator](value, wanted)
    if operator.startswith("i"):
        return PATTERNS[operator[1:]](value.lower(), wanted.lower())
    return PATTERNS[operator](value, wanted)


@st.composite
def filters(draw: st.DrawFn) -> dict[str, Any]:
    found = {}
    for name in draw(st.lists(st.sampled_from(sorted(VALUES)), max_size=3, unique=True)):
        value = VALUES[name]
        operator = draw(
            st.sampled_from(
                ["eq", "ne", "in", "not_in", "is_null"]
                + ["lt", "lte", "gt", "gte", "between"] * (name in ORDERED)
                + ["contains", "startswith", "endswith", "ieq", "icontains", "istartswith", "iendswith"]
                * (name in TEXT)
            )
        )
        given_values = {
            "in": st.lists(value, max_size=4),
            "not_in": st.lists(value, max_size=4),
            "between": st.tuples(value, value),
            "is_null": st.booleans(),
            "eq": st.none() | value,
            "ne": st.none() | value,
        }
        key = name if operator == "eq" and draw(st.booleans()) else f"{name}__{operator}"
        found[key] = draw(given_values.get(operator, value))
    return found


@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=filters())
def test_a_filter_finds_what_plain_python_finds(things: Things, data: dict[str, Any]) -> None:
    wanted = set()
    for row in ROWS:
        parts = [(*(key.rsplit("__", 1) if "__" in key else (key, "eq")), value) for key, value in data.items()]
        if all(fits(row[name], operator, value) for name, operator, value in parts):
            wanted.add(row["id"])

    found = {thing.id for thing in things.list(data, limit="all")}

    assert found == wanted
    assert things.count(data) == len(wanted)
    assert things.exists(data) is bool(wanted)


def test_values_may_come_as_text(things: Things) -> None:
    def ids(data: Mapping[str, Any]) -> list[int]:
        return [thing.id for thing in things.list(data, limit="all")]

    as_text = {"count": "-2", "price": "0.25", "ready": "false", "made": "2026-01-02", "colour": "red"}
    as_they_are = {
        "count": -2,
        "price": Decimal("0.25"),
        "ready": False,
        "made": date(2026, 1, 2),
        "colour": Colour.RED,
    }
    for name, value in as_text.items():
        assert ids({name: value}) == ids({name: as_they_are[name]}) != []
    assert ids({"seen__gte": "2026-01-01T13:00:00Z"}) == ids({"seen__gte": NOON + timedelta(hours=1)}) != []
    assert ids({"seen": "2026-01-01T14:00:00+02:00"}) == ids({"seen": NOON}) != []
    assert ids({"key": str(UUID(int=3))}) == [4]
    assert ids({"count__in": ["0", 1], "ready__is_null": "true"}) == ids({"count__in": {0, 1}, "ready": None}) != []
    assert ids({"double": 4}) == ids({"count": 2}) != []


def test_a_name_with_the_separator_in_it(unfilled: Things) -> None:
    unfilled.session.add(Thing(id=1, title="x", under__score="y"))

    assert unfilled.count({"under__score": "y"}) == unfilled.count({"under__score__startswith": "y"}) == 1


# ---------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    "data, said",
    [
        ({"nmae": "x"}, r"Things has no filter 'nmae'.*Did you mean name\?.*declares: big, colour"),
        ({"nmae__contains": "x"}, r"no filter 'nmae'"),
        ({"name__foo": "x"}, r"name has no operator 'foo'.*It has: between, contains, endswith, eq"),
        ({"name__": "x"}, r"name has no operator ''"),
        ({"__class__": "x"}, r"no filter '__class__'"),
        ({"metadata": "x"}, r"no filter 'metadata'"),
        ({"colour__gt": "red"}, r"colour has no operator 'gt'"),
        ({"ready__lt": True}, r"ready has no operator 'lt'"),
        ({"count__contains": "1"}, r"count has no operator 'contains'"),
        ({"data": {}}, r"data has no operator 'eq'.*It has: is_null"),
        ({5: "x"}, r"in text, not as 5"),
    ],
)
def test_a_name_that_is_not_declared(unfilled: Things, data: dict[Any, Any], said: str) -> None:
    with pytest.raises(InvalidFilterError, match=rf"HF623.*{said}"):
        unfilled.list(data, limit=1)


@pytest.mark.parametrize("name", [name for name in FIELDS if name not in ("data", "id")])
@pytest.mark.parametrize("value", [object(), {}, {"a": 1}, [1], ["x"], b"\xff", 1j])
def test_a_value_of_another_kind(unfilled: Things, name: str, value: Any) -> None:
    if name == "digest" and isinstance(value, bytes):
        assert unfilled.count({name: value}) == 0
        return
    with pytest.raises(InvalidFilterError, match=rf"HF623.*The filter {name} takes"):
        unfilled.list({name: value}, limit=1)


@pytest.mark.parametrize(
    "data, said",
    [
        ({"count": "five"}, "count takes an integer, not 'five'"),
        ({"count": "1_000"}, "an integer"),
        ({"count": " 1"}, "an integer"),
        ({"count": "٣"}, "an integer"),
        ({"count": 1.5}, "an integer"),
        ({"count": True}, "an integer"),
        ({"count": 2**31}, "an integer from -2,147,483,648 to 2,147,483,647"),
        ({"small": 2**15}, "an integer from -32,768"),
        ({"big": 2**63}, "an integer from -9,223"),
        ({"count": "9" * 5000}, "an integer"),
        ({"price": "1,5"}, "a number"),
        ({"price": "NaN"}, "a finite number"),
        ({"price": "1e999999999"}, "a finite number"),
        ({"weight": "Infinity"}, "a finite number"),
        ({"weight": float("nan")}, "a finite number"),
        ({"ready": "yes"}, "true or false"),
        ({"ready": 1}, "true or false"),
        ({"name": 5}, "text, not 5"),
        ({"name": "a\0b"}, "NUL"),
        ({"name": "\ud800"}, "lone surrogates"),
        ({"made": "01/02/2026"}, "a date, 2026-12-31"),
        ({"made": NOON}, "a date"),
        ({"opens": "noon"}, "a time"),
        ({"seen": "2026-01-01T12:00:00"}, "with a time zone"),
        ({"seen": datetime(2026, 1, 1)}, "with a time zone"),  # noqa: DTZ001
        ({"local": NOON}, "without a time zone"),
        ({"key": "42"}, "a UUID"),
        ({"colour": "green"}, "one of red, blue"),
        ({"colour": "RED"}, "one of red, blue"),
        ({"size": "l"}, "one of s, m"),
        ({"lasts": "1h"}, "a timedelta"),
        ({"count__gt": None}, "a value; for null say is_null"),
        ({"count__in": [1, None]}, "a value; for null say is_null"),
        ({"name__contains": None}, "a value; for null say is_null"),
        ({"count__in": 5}, "a list, not 5"),
        ({"name__in": "abc"}, "a list, not 'abc'"),
        ({"count__in": range(MOST + 1)}, "10,000 values at most"),
        ({"count__between": [1]}, "2 values, and there are 1"),
        ({"count__between": 1}, "a list"),
        ({"name__is_null": "maybe"}, "name__is_null takes true or false"),
        ({"name__is_null": None}, "true or false"),
    ],
)
def test_a_value_that_does_not_fit(unfilled: Things, data: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidFilterError, match=f"HF623.*{said}"):
        unfilled.list(data, limit=1)


def test_the_largest_numbers_that_fit_are_no_error_of_the_database(things: Things) -> None:
    for name, bits in ("count", 31), ("small", 15), ("big", 63):
        assert things.count({f"{name}__gt": 2**bits - 1}) == 0
        assert things.count({f"{name}__lt": -(2**bits)}) == 0
    assert things.count({"id__in": range(MOST)}) == len(ROWS)


def test_what_is_not_declared_is_not_filtered_by(unfilled: Things) -> None:
    class Narrow(Repository[Thing]):
        filterable = ("count",)

    narrow = Narrow(unfilled.session)
    assert narrow.count({"count": 99}) == 0
    with pytest.raises(InvalidFilterError, match="Narrow has no filter 'name'"):
        narrow.count({"name": "x"})
    with pytest.raises(InvalidFilterError, match="declares: nothing"):
        Repository(unfilled.session, Thing).count({"count": 1})
    assert narrow.count(Thing.name == "x") == 0, "code may"


@pytest.mark.parametrize("wrong", [None, True, "name = 'x'", 5, [("name", "x")]])
def test_what_is_no_filter_at_all(unfilled: Things, wrong: Any) -> None:
    for read in (unfilled.count, unfilled.exists, unfilled.one, unfilled.delete_where):
        with pytest.raises(InvalidFilterError, match=r"HF623.*is no filter"):
            read(wrong)


def test_every_operator_is_tried_against_plain_python() -> None:
    tried = {"eq", "ne", "in", "not_in", "is_null", *COMPARED}
    tried |= {*PATTERNS, *(f"i{name}" for name in PATTERNS)}
    assert tried == set(OPERATORS)
