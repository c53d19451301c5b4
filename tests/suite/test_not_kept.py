"""What must not be kept is in no copy: the whole journal is searched after every statement, whatever the path."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress

import pytest

from holdfast.errors import HoldfastError, UndoConflictError
from holdfast.policies import Audit, Form, Guard, Inserts, Policy, SoftDelete, Timestamps, Version
from holdfast.waiting import digest_waiting
from tests.harness import Protected, journal
from tests.kept import kept

pytestmark = pytest.mark.copy_of(build=journal)

SECRET = "sekrit"


def shop(url: str, audit: Audit, *more: Policy, generated: bool = False) -> Protected:
    protected = Protected(url)
    computed = ", shout text generated always as (upper(phone)) stored" if generated else ""
    protected.run(
        f"create table people (id int primary key, name text, iban text unique, phone text unique,"
        f" n int check (n < 100){computed})",
        "create table parts (id int primary key, owner int not null references people on delete cascade"
        " on update cascade, iban text, phone text)",
    )
    protected.protect({"people": [audit, *more], "parts": [audit, *more]}, add_columns=True)
    return protected


def statements(protected: Protected) -> Iterator[str]:
    yield "insert into people (id, name, iban, phone, n) values (1, 'a', 'sekrit-1', 'sekrit-1', 1)"
    yield (
        "insert into people (id, name, iban, phone, n) values "
        "(2, 'b', 'sekrit-2', 'sekrit-2', 2), (3, 'c', 'sekrit-3', 'sekrit-3', 3), (4, 'd', 'sekrit-4', null, 4)"
    )
    yield "insert into parts (id, owner, iban, phone) values (1, 1, 'sekrit', 'sekrit'), (2, 2, 'sekrit', 'sekrit')"
    yield "update people set iban = 'sekrit-1b' where id = 1"
    yield "update people set phone = 'sekrit-1b', n = 7 where id = 1"
    yield "update people set phone = phone || '-sekrit', iban = iban || '-sekrit', n = n + 1"
    yield "update people set id = 11 where id = 1"
    yield "update people set id = id + 20, phone = null where id < 10"
    yield (
        "insert into people (id, name, iban, phone) values (11, 'again', 'sekrit-5', 'sekrit-5') "
        "on conflict (id) do update set iban = excluded.iban, phone = excluded.phone"
    )
    yield (
        "insert into people (id, name, iban, phone) values (11, 'ignored', 'sekrit-6', 'sekrit-6') "
        "on conflict do nothing"
    )
    if protected.name == "sqlite":
        yield "insert or replace into people (id, name, iban, phone) values (11, 'r', 'sekrit-7', 'sekrit-7')"
        yield "insert or replace into people (id, name, iban, phone) values (31, 'by phone', 'sekrit-8', 'sekrit-7')"
        yield "insert or ignore into people (id, name, iban, phone) values (32, 'x', 'sekrit-8', 'sekrit-7')"
        yield "update or replace people set phone = 'sekrit-7' where id = 22"
    yield "insert into parts (id, owner, iban, phone) values (3, 23, 'sekrit', 'sekrit')"
    yield "delete from people where id = 23"
    yield "delete from people"


def search(protected: Protected, what: str) -> None:
    """Nothing of it is in the journal, nor in what people are shown of it."""
    text = kept(protected)
    found = [line for line in text.splitlines() if SECRET in line.lower()]
    assert found == [], f"after {what}"


@pytest.mark.parametrize("inserts", ["key", "full"])
def test_no_statement_leaves_a_hidden_value_behind(database: str, inserts: Inserts) -> None:
    # By row, and by statement where the database can.
    form: Form = "row" if inserts == "full" else "auto"
    audit = Audit(exclude={"iban"}, mask={"phone"}, inserts=inserts, form=form)
    protected = shop(database, audit, generated=Protected(database).name == "postgresql")
    for statement in statements(protected):
        protected.run(statement)
        search(protected, statement)
    # That a masked value changed is told, an excluded one is never spoken of.
    changes = [c for c in protected.log("people") if c.operation == "update" and c.before and "phone" in c.before]
    assert changes
    assert {c.before["phone"] for c in changes if c.before} <= {"***", None}
    assert not [c for c in protected.log("people") if "iban" in (c.before or {}) | (c.after or {})]


def test_marks_restores_and_undos_leave_none_either(database: str) -> None:
    audit = Audit(exclude={"iban"}, mask={"phone"}, inserts="full")
    protected = shop(database, audit, SoftDelete(), Timestamps(), Version(), Guard(max_rows=1000))
    for statement in list(statements(protected))[:6]:
        protected.run(statement)
    steps: Sequence[tuple[str, str]] = (
        ("mark", "delete from people where id = 1"),
        ("restore", "update people set deleted_at = null where id = 1"),
        ("update", "update people set name = 'z', phone = 'sekrit-9' where id = 1"),
        ("move", "update people set id = 51 where id = 1"),
        ("insert", "insert into people (id, name, iban, phone) values (60, 'n', 'sekrit-60', 'sekrit-60')"),
    )
    for what, statement in steps:
        transaction = protected.write(statement)
        search(protected, what)
        outcome = protected.undo(transaction, dry_run=True, preview=10)
        assert SECRET not in repr(outcome), what
        with suppress(UndoConflictError):
            protected.undo(protected.undo(transaction, force=True).transaction, force=True)
        search(protected, f"undo of {what}")


def test_errors_leave_none_and_tell_none(database: str) -> None:
    protected = shop(database, Audit(exclude={"iban"}, mask={"phone"}, inserts="full"), Version())
    for statement in list(statements(protected))[:3]:
        protected.run(statement)
    for statement in (
        "insert into people (id, iban, phone) values (9, 'sekrit-1', 'sekrit-9')",
        "insert into people (id, iban, phone) values (9, 'sekrit-9', 'sekrit-1')",
        "update people set n = 100, phone = 'sekrit-9' where id = 1",
        "update people set phone = 'sekrit-2' where id = 1",
        "insert into parts (id, owner, iban, phone) values (9, null, 'sekrit-9', 'sekrit-9')",
        "update people set phone = 'sekrit-10', version = 77 where id = 1",
    ):
        with pytest.raises(HoldfastError) as refused:
            protected.run(statement)
        assert SECRET not in str(refused.value), statement
        search(protected, statement)


def test_an_undo_that_the_database_refuses_does_not_show_the_row(database: str) -> None:
    """PostgreSQL shows the whole row that breaks a rule, what nobody is to keep of it included."""
    protected = shop(database, Audit(exclude={"iban"}, mask={"phone"}))
    protected.run("insert into people (id, iban, phone, n) values (1, 'sekrit', 'sekrit', 50)")
    changed = protected.write("update people set n = 1")
    if protected.name == "postgresql":
        protected.run("alter table people add check (n < 10)")
    else:
        protected.run(
            "create trigger rule before update on people when new.n > 10 begin select raise(abort, 'no'); end"
        )
    with pytest.raises(HoldfastError) as refused:
        protected.undo(changed)
    assert SECRET not in str(refused.value)
    assert SECRET not in repr(getattr(refused.value, "conflicts", ()))


def test_what_a_statement_of_others_sets_off_leaves_none(sqlite_database: str) -> None:
    """Where others have triggers too, an update is noted before it happens."""
    protected = shop(sqlite_database, Audit(exclude={"iban"}, mask={"phone"}))
    protected.run(
        "create table totals (n int)",
        "insert into totals values (0)",
        "create trigger count_up before update on people begin update totals set n = n + 1; end",
        "create trigger shout after update on people when new.name <> upper(new.name) begin "
        "update people set name = upper(name), phone = phone || '-sekrit' where id = new.id; end",
    )
    for statement in statements(protected):
        protected.run(statement)
        search(protected, statement)
    assert protected.rows("select count(*) from holdfast_started")[0][0] >= 0


def test_a_truncate_leaves_none(postgresql_database: str) -> None:
    protected = shop(postgresql_database, Audit(exclude={"iban"}, mask={"phone"}), generated=True)
    for statement in list(statements(protected))[:3]:
        protected.run(statement)
    protected.run("truncate people cascade")
    search(protected, "truncate")
    assert [c.operation for c in protected.log("people")].count("truncate") == 4


def test_a_large_column_is_a_digest_and_costs_nothing_while_it_stays(database: str) -> None:
    on_sqlite = Protected(database).name == "sqlite"
    protected = shop(database, Audit(large={"iban", "phone"}, inserts="full"), generated=not on_sqlite)
    long = SECRET * 10_000
    for statement in (
        *statements(protected),
        f"insert into people (id, iban, n) values (70, '{long}', 1)",
        "update people set n = 2 where id = 70",
    ):
        protected.run(statement)
        told = protected.log()
        assert SECRET not in repr(told), statement
        with protected.database.connect() as connection:
            digest_waiting(connection, protected.database.dialect)
        # It is the same whether the digest was made when it was recorded, when it was read, or in between.
        assert protected.log() == told
        search(protected, statement)
    inserted, last = protected.log("people")[-2:]
    assert (last.before, last.after) == ({"n": 1}, {"n": 2})
    assert inserted.after is not None
    assert inserted.after["iban"] == "sha256:" + hashlib.sha256(long.encode()).hexdigest()
    longest = (
        "max(length(after)) < 100 from holdfast_value" if on_sqlite else "max(length(after)) < 300 from holdfast.change"
    )
    assert protected.rows(f"select {longest}") == [(True,)]


def test_who_and_why_are_what_the_application_said_and_nothing_else(database: str) -> None:
    protected = shop(database, Audit(exclude={"iban"}))
    protected.run("insert into people (id) values (1)")
    protected.write("update people set n = 1", actor="alice")
    anonymous, told = (protected.log("people")[i] for i in (0, 1))
    assert (anonymous.actor, anonymous.tenant, anonymous.reason) == (None, None, None)
    assert (told.actor, told.tenant, told.reason) == ("alice", None, None)
