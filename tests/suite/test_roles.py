"""Who may do what: one role that owns everything, roles apart, and roles that may not."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
import sqlalchemy as sa

from holdfast.errors import HoldfastError, UnsupportedError
from holdfast.policies import Audit, Guard, SoftDelete, Timestamps, Version
from tests.harness import Protected
from tests.servers import Server, pg_dump_schema

pytestmark = pytest.mark.all_versions

EVERYTHING = (Audit(), SoftDelete(), Timestamps(), Version(), Guard(max_rows=10))


@dataclass
class Cast:
    """A database and its roles, by the part that they play."""

    server: Server
    url: str
    suffix: str

    def role(self, part: str, attributes: str = "", *, member_of: str = "") -> str:
        name = self.name(part)
        self.admin.run(f"create role {name} login {attributes}")
        if member_of:
            self.admin.run(f"grant {self.name(member_of)} to {name}")
        return name

    def name(self, part: str) -> str:
        return f"{part}_{self.suffix}"

    @property
    def admin(self) -> Protected:
        return Protected(self.url)

    def play(self, part: str) -> Protected:
        return Protected(sa.make_url(self.url).set(username=self.name(part)).render_as_string(hide_password=False))

    def owner_of_all(self, attributes: str = "") -> Protected:
        """A role that owns the database, two schemas and their tables."""
        name = self.role("owner", attributes)
        self.admin.run(f'alter database "{sa.make_url(self.url).database}" owner to {name}')
        owner = self.play("owner")
        owner.run(
            "create schema sales",
            "create table sales.orders (id int primary key, status text)",
            "create table items (id int primary key, order_id int references sales.orders on delete cascade)",
        )
        return owner


@pytest.fixture
def cast(postgresql: Server, no_templates: None) -> Iterator[Cast]:
    with ExitStack() as exits:
        url = exits.enter_context(postgresql.new_database())
        cast = Cast(postgresql, url, uuid.uuid4().hex[:8])
        # Left by databases that were dropped with their journal.
        cast.admin.run("drop role if exists holdfast")
        yield cast
        exits.close()
        with postgresql.new_database() as url:
            admin = Protected(url)
            for (name,) in admin.rows(f"select rolname from pg_roles where rolname ~ '_{cast.suffix}$'"):
                admin.run(f"drop role {name}")


def declare(database: Protected) -> tuple[str, ...]:
    plan = database.protect({"sales.orders": EVERYTHING, "items": EVERYTHING}, add_columns=True)
    assert database.drift() == []
    return plan.notes


def a_day_of_work(writer: Protected, reader: Protected) -> None:
    """Everything is recorded and refused as declared, whoever writes."""
    writer.run(
        "select holdfast.set_context(actor => 'ada')",
        "insert into sales.orders (id, status) values (1, 'new'), (2, 'new')",
        "insert into items (id, order_id) values (1, 1)",
    )
    writer.run("update sales.orders set status = 'paid' where id = 1")
    writer.run("delete from sales.orders where id = 1")
    writer.run("set local holdfast.allow = 'truncate'", "truncate sales.orders, items")
    told = [(each.table, each.operation, each.actor) for each in reader.log()]
    assert told[:4] == [
        ("sales.orders", "insert", "ada"),
        ("sales.orders", "insert", "ada"),
        ("items", "insert", "ada"),
        ("sales.orders", "update", None),
    ]
    assert {each[:2] for each in told[4:6]} == {("items", "delete"), ("sales.orders", "delete")}
    assert {each[:2] for each in told[6:]} == {("items", "truncate"), ("sales.orders", "truncate")}
    with pytest.raises(HoldfastError, match="HF205"):
        writer.run("truncate items")


def application(cast: Cast, owner: Protected) -> Protected:
    """A role with DML alone."""
    name = cast.role("application")
    owner.run(
        f"grant usage on schema sales to {name}",
        f"grant select, insert, update, delete, truncate on sales.orders, items to {name}",
    )
    return cast.play("application")


FORBIDDEN = {
    "reading": "select * from holdfast.change",
    "reading through the view": "select * from holdfast.timeline",
    "writing": "insert into holdfast.change (xid, at, relation, operation) values ('1', now(), 1, 'D')",
    "rewriting": "update holdfast.change set before = null",
    "removing": "delete from holdfast.transaction",
    "emptying": "truncate holdfast.change",
    "declaring": "update holdfast.relation set protected = false",
    "recording": "select holdfast.record_transaction()",
    "refusing": "select holdfast.refuse_unless_allowed('', 1, 'HF201', '', '')",
    "marking": "select holdfast.mark('', '', '', '', '', '')",
    "making things": "create table holdfast.mine ()",
    "a trigger of its own on a recording function": (
        "create temporary table forged (id int); create trigger forge after insert on forged"
        " referencing new table as new_rows for each statement execute function holdfast.record_insert_1()"
    ),
    "switching off": "alter table sales.orders disable trigger all",
    "dropping a trigger": "drop trigger holdfast_record_update on sales.orders",
    "replication role": "set local session_replication_role = replica",
    "the next number": "select nextval('holdfast.change_id')",
}


def refused(database: Protected, attempts: dict[str, str]) -> list[str]:
    went_through = []
    for what, statement in attempts.items():
        try:
            database.run(statement)
        except HoldfastError as error:
            if error.code == "HF404":
                continue
        went_through.append(what)
    return went_through


def test_a_superuser_keeps_roles_apart(cast: Cast) -> None:
    owner = cast.owner_of_all()
    assert declare(cast.admin) == ()
    a_day_of_work(application(cast, owner), cast.admin)
    assert refused(cast.play("application"), FORBIDDEN) == []
    # Not even the owner of the tables writes the journal; what is the owner's, it may do.
    owners = {"switching off", "dropping a trigger"}
    assert refused(owner, {what: each for what, each in FORBIDDEN.items() if what not in owners}) == []


def test_an_owner_that_may_create_roles_keeps_them_apart(cast: Cast) -> None:
    owner = cast.owner_of_all("createrole")
    before = pg_dump_schema(cast.url)
    assert declare(owner) == ()
    assert owner.inventory().state["journal_owner"] == "holdfast"
    a_day_of_work(application(cast, owner), owner)
    assert refused(cast.play("application"), FORBIDDEN) == []
    owner.run("insert into sales.orders (id) values (9)")
    owner.undo()
    assert owner.rows("select * from sales.orders") == []
    cast.admin.run("drop owned by " + cast.name("application"))
    owner.unprotect(purge_history=True)
    assert pg_dump_schema(cast.url) == before
    assert owner.rows("select count(*) from pg_roles where rolname = 'holdfast'") == [(0,)]


def test_one_role_that_owns_everything_works_and_is_told_what_is_weaker(cast: Cast) -> None:
    owner = cast.owner_of_all()
    before = pg_dump_schema(cast.url)
    (note,) = declare(owner)
    assert cast.name("owner") in note
    assert "rewrite" in note
    assert owner.inventory().state["journal_owner"] == cast.name("owner")
    # It is told again, each time, for as long as it is so.
    assert owner.plan({}).notes == (note,)
    a_day_of_work(owner, owner)
    cast.role("stranger")
    with pytest.raises(UnsupportedError, match="HF404"):
        cast.play("stranger").run("select * from holdfast.change")
    owner.unprotect(purge_history=True)
    assert pg_dump_schema(cast.url) == before


def test_others_than_the_one_role_write_and_cannot_touch_the_journal(cast: Cast) -> None:
    owner = cast.owner_of_all()
    declare(owner)
    a_day_of_work(application(cast, owner), owner)
    assert refused(cast.play("application"), FORBIDDEN) == []


def test_a_deployer_that_is_a_member_of_the_owner(cast: Cast) -> None:
    owner = cast.owner_of_all()
    cast.role("deployer", "createrole", member_of="owner")
    cast.admin.run(f'grant create on database "{sa.make_url(cast.url).database}" to {cast.name("deployer")}')
    before = pg_dump_schema(cast.url)
    deployer = cast.play("deployer")
    assert declare(deployer) == ()
    a_day_of_work(application(cast, owner), deployer)
    assert refused(cast.play("application"), FORBIDDEN) == []
    cast.admin.run("drop owned by " + cast.name("application"))
    deployer.unprotect(purge_history=True)
    assert pg_dump_schema(cast.url) == before


@pytest.mark.parametrize(
    "prepare, part",
    [
        (lambda cast: cast.role("nobody"), "nobody"),
        (lambda cast: application(cast, cast.play("owner")), "application"),
        (
            lambda cast: cast.admin.run(f"alter role {cast.role('reader')} set default_transaction_read_only = on"),
            "reader",
        ),
    ],
    ids=["without rights", "application", "read-only"],
)
def test_a_role_without_the_rights_is_told_and_nothing_is_half_done(
    cast: Cast, prepare: Callable[[Cast], object], part: str
) -> None:
    cast.owner_of_all()
    prepare(cast)
    before = pg_dump_schema(cast.url)
    with pytest.raises(UnsupportedError, match="HF404"):
        declare(cast.play(part))
    # A right to make the schema is not enough.
    cast.admin.run(f'grant create on database "{sa.make_url(cast.url).database}" to {cast.name(part)}')
    with pytest.raises(UnsupportedError, match="HF404"):
        declare(cast.play(part))
    assert pg_dump_schema(cast.url) == before


def test_a_read_only_session_of_the_owner_is_told_so(cast: Cast) -> None:
    owner = cast.owner_of_all()
    cast.admin.run(f"alter role {cast.name('owner')} set default_transaction_read_only = on")
    before = pg_dump_schema(cast.url)
    with pytest.raises(UnsupportedError, match="HF405"):
        declare(owner)
    assert pg_dump_schema(cast.url) == before


def test_an_owner_that_does_not_own_the_journal_is_told_so(cast: Cast) -> None:
    owner = cast.owner_of_all()
    cast.admin.run("create table admins (id int primary key)")
    cast.admin.protect({"admins": [Audit()]})
    before = pg_dump_schema(cast.url)
    with pytest.raises(UnsupportedError, match="HF404"):
        declare(owner)
    assert pg_dump_schema(cast.url) == before


def test_a_reader_of_the_journal_reads_and_does_nothing_else(cast: Cast) -> None:
    owner = cast.owner_of_all()
    declare(cast.admin)
    a_day_of_work(owner, cast.admin)
    name = cast.role("analyst")
    with pytest.raises(UnsupportedError, match="HF404"):
        cast.play("analyst").log()
    cast.admin.run(f"grant select on holdfast.timeline to {name}")
    analyst = cast.play("analyst")
    assert analyst.rows("select count(*) from holdfast.timeline where actor = 'ada'") == [(3,)]
    assert cast.admin.drift() == []
    kept = {what: each for what, each in FORBIDDEN.items() if what != "reading through the view"}
    assert refused(analyst, kept) == []
    cast.admin.run("drop owned by " + name)


def test_roles_are_kept_together_when_it_is_asked_for(cast: Cast) -> None:
    cast.owner_of_all()
    admin = cast.admin
    plan = admin.protect({"items": [Audit()]}, roles_apart=False)
    assert len(plan.notes) == 1
    assert admin.inventory().state["journal_owner"] == admin.inventory().state["role"]
    assert admin.drift() == []


def test_whoever_could_make_roles_but_not_use_this_one_has_the_journal_itself(cast: Cast, postgresql: Server) -> None:
    # Another database of the cluster has the role already, and it is not ours to use.
    with postgresql.new_database() as url:
        other = Protected(url)
        other.run("create table t (id int primary key)")
        other.protect({"t": [Audit()]})
        owner = cast.owner_of_all()
        assert len(declare(owner)) == 1
        a_day_of_work(owner, owner)
        owner.unprotect(purge_history=True)
        assert other.drift() == []
        other.unprotect(purge_history=True)
