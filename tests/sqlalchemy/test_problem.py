"""A problem document says what kind of thing went wrong, and nothing that anybody wrote or that the database holds."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast import errors
from holdfast.policies import Guard, SoftDelete, Version
from holdfast.problem import to_problem
from holdfast.sqlalchemy.explaining import explained
from holdfast.sqlalchemy.scopes import async_session_scope, session_scope
from tests.harness import Protected
from tests.sqlalchemy.drivers import async_sessions, sessions

TABLES = (
    """create table people (id integer primary key, email text not null unique, age integer, boss integer,
    constraint adult check (age > 17),
    constraint boss foreign key (boss) references people (id) deferrable initially deferred)""",
    "create table words (word text)",
    "create unique index one_spelling on words (lower(word))",
    "create table guarded (id integer primary key, secret text)",
    "create table kept (id integer primary key, secret text, removed_at {time})",
    "create table counted (id integer primary key, secret text, version integer not null default 1)",
    "insert into guarded values (1, 'a'), (2, 'b')",
    "insert into kept (id, secret) values (1, 'a')",
    "insert into counted (id, secret) values (1, 'a')",
)
POLICIES = {
    "guarded": [Guard(max_rows=1)],
    "kept": [SoftDelete("removed_at", raw_delete="refuse")],
    "counted": [Version("version")],
}
STATEMENTS = {
    "unique": "insert into people (id, email) values (:number, :secret), (:number + 1, :secret)",
    "spelling": "insert into words values ('x' || :secret), ('X' || :secret)",
    "key": "insert into people (id, email) values (:number, :secret), (:number, 'y' || :secret)",
    "null": "insert into people (id, email, age) values (:number, null, 18)",
    "check": "insert into people (id, email, age) values (:number, :secret, 1)",
    "reference": "insert into people (id, email, boss) values (:number, :secret, :number + 1)",
    "guard": "update guarded set secret = :secret",
    "raw delete": "delete from kept where id = 1 or secret = :secret",
    "version": "update counted set secret = :secret, version = 999 where id = 1",
    "table": "select :secret, no_such_column from people",
    "syntax": "select from where :secret",
}
ON_POSTGRESQL = {
    "value": "select (:secret || 'x')::int",
    "json": "select (:secret || '{')::json",
    "raised": "select 1 / (length(:secret) - length(:secret))",
}


@pytest.fixture
def people(database: str) -> str:
    protected = Protected(database)
    time = "text" if database.startswith("sqlite") else "timestamptz"
    protected.run(*(each.format(time=time) for each in TABLES))
    protected.protect(POLICIES)
    return database


def statements(url: str) -> dict[str, str]:
    return STATEMENTS if url.startswith("sqlite") else {**STATEMENTS, **ON_POSTGRESQL}


def strings(value: Any) -> Iterator[str]:
    """Every text in a document, as it is before JSON escapes it."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from (key, *strings(each))
    elif isinstance(value, list):
        for each in value:
            yield from strings(each)
    else:
        yield str(value)


def refused(url: str, parameters: dict[str, Any], driver: str) -> dict[str, BaseException]:
    """What every statement ends with, by its name."""
    found: dict[str, BaseException] = {}

    def bound(sql: str) -> tuple[Any, dict[str, Any]]:
        used = {name: value for name, value in parameters.items() if f":{name}" in sql}
        kinds = {"secret": sa.String(), "number": sa.Integer()}
        return sa.text(sql).bindparams(*(sa.bindparam(name, type_=kinds[name]) for name in used)), used

    def run() -> None:
        with sessions(url) as maker:
            for name, sql in statements(url).items():
                try:
                    with session_scope(maker) as session:
                        session.execute(*bound(sql))
                except errors.HoldfastError as error:
                    found[name] = error

    async def run_async() -> None:
        async with async_sessions(url) as maker:
            for name, sql in statements(url).items():
                try:
                    async with async_session_scope(maker) as session:
                        await session.execute(*bound(sql))
                except errors.HoldfastError as error:
                    found[name] = error

    run() if driver == "synchronous" else asyncio.run(run_async())
    return found


@pytest.mark.parametrize("driver", ["synchronous", "asyncio"])
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters=":"), max_size=20),
    number=st.integers(10**8, 2**31 - 10),
)
def test_no_value_gets_into_it(people: str, driver: str, text: str, number: int) -> None:
    # What is short or usual might stand in any text.
    secret = f"s3cr3t {text} t3rc3s"
    found = refused(people, {"secret": secret, "number": number}, driver)
    assert set(found) == set(statements(people))
    for error in found.values():
        problem = to_problem(error, instance="/orders/17")
        document = json.dumps(problem)
        for told in (document, *strings(problem)):
            assert "3cr3t" not in told
            assert "t3rc3s" not in told
            assert str(number) not in told
            assert "select " not in told
            assert "insert " not in told


def test_what_each_of_them_says(people: str) -> None:
    found = refused(people, {"secret": "s", "number": 5}, "synchronous")
    postgresql = not people.startswith("sqlite")
    told = {
        name: (problem["status"], problem.get("code"), problem.get("constraint"), problem.get("columns"))
        for name, problem in ((name, to_problem(error)) for name, error in found.items())
    }
    assert told["unique"] == (
        (409, "HF601", "people_email_key", None) if postgresql else (409, "HF601", None, ["email"])
    )
    assert told["spelling"] == (409, "HF601", "one_spelling", None)
    assert told["null"] == (409, "HF603", None, ["email"])
    assert told["check"] == (409, "HF604", "adult", None)
    assert told["reference"] == (409, "HF602", "boss" if postgresql else None, None)
    assert told["guard"] == (403, "HF204", None, None)
    assert told["raw delete"] == (403, "HF201", None, None)
    assert told["version"] == (409, "HF202", None, None)
    assert told["table"] == (500, "HF408", None, None)


def test_a_password_does_not_get_into_it(postgresql_database: str) -> None:
    url = sa.make_url(postgresql_database)
    for wrong in (
        url.set(username="s3cr3tary", password="pa55word"),
        url.set(port=1, password="pa55word"),
        url.set(host="s3cr3t.invalid", password="pa55word"),
    ):
        engine = sa.create_engine(wrong)
        with pytest.raises(errors.UnsupportedError) as caught, explained(engine), engine.connect():
            pass
        problem = to_problem(caught.value)
        document = json.dumps(problem)
        assert (problem["status"], problem["code"], problem["retry_after"]) == (503, "HF406", 1)
        assert "pa55word" not in document
        assert "s3cr3t" not in document
        assert str(url.port) not in document
        engine.dispose()


def test_the_status_of_every_error() -> None:
    told = {
        errors.NotFoundError: 404,
        errors.InvalidFilterError: 400,
        errors.MultipleFoundError: 409,
        errors.RequestError: 400,
        errors.TenantError: 403,
        errors.DeadlockError: 503,
        errors.ConnectionLostError: 503,
        errors.CommitUnknownError: 500,
        errors.UndoConflictError: 409,
        errors.DeclarationError: 500,
        errors.HoldfastError: 500,
    }
    for kind, status in told.items():
        problem = to_problem(kind("HF000", "message", "hint"))
        assert problem["status"] == status, kind
        assert ("retry_after" in problem) == (status == 503)
        assert "message" not in json.dumps(problem)
        assert "hint" not in json.dumps(problem)


def test_it_has_the_form_of_rfc_9457() -> None:
    error = errors.UniqueError("HF601", "message", constraint="users_email_key", columns=["email"])
    assert to_problem(error, instance="/users", base="https://docs.example/errors/") == {
        "type": "https://docs.example/errors/HF601",
        "title": "The value is taken",
        "status": 409,
        "detail": "Another row has this value already.",
        "code": "HF601",
        "constraint": "users_email_key",
        "columns": ["email"],
        "instance": "/users",
    }
    assert to_problem(error)["type"] == "/errors/HF601"


@pytest.mark.parametrize("error", [ValueError("s3cr3t"), asyncio.CancelledError("s3cr3t"), KeyError("s3cr3t")])
def test_anything_else_is_a_500_of_which_nothing_is_told(error: BaseException) -> None:
    error.add_note("s3cr3t")
    error.__cause__ = RuntimeError("s3cr3t")
    assert to_problem(error) == {
        "type": "about:blank",
        "title": "Internal Server Error",
        "status": 500,
        "detail": "The request could not be carried out.",
    }
