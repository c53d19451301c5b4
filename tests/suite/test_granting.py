"""A role for each duty: what it can do, what it cannot, and that nothing is left of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from holdfast.errors import DeclarationError, HoldfastError, UnsupportedError
from holdfast.granting import named, open_large_objects, plan_drop_roles
from holdfast.inspector import inspect
from holdfast.install import apply
from holdfast.policies import Audit, Tenant
from holdfast.roles import Roles
from tests.duties import Duties, drop_roles, duties, give_roles, new_prefix, play, server_of, versions
from tests.harness import Protected
from tests.servers import Server, Servers, pg_dump_schema


@pytest.fixture(scope="module", params=versions())
def shop(servers: Servers, request: pytest.FixtureRequest) -> Iterator[Duties]:
    with duties(servers, request.param) as each:
        yield each


@pytest.fixture
def copy(shop: Duties) -> Iterator[Protected]:
    with shop.copy() as protected:
        for tenant in "1", "2":
            play(protected, shop.roles.application).run(
                f"select holdfast.set_context(actor => 'ada', tenant => '{tenant}')",
                "insert into customers (email) values ('a@x')",
                "insert into sales.orders (customer_id, status) select id, 'new' from customers",
                "insert into events (id, at) values (1, now())",
            )
        yield protected


def refused(protected: Protected, *statements: str) -> bool:
    with pytest.raises(HoldfastError) as error:
        protected.run(*statements)
    return error.value.code in ("HF404", "HF203")


def seen(protected: Protected, *before: str, table: str = "customers") -> int:
    """How many rows of a table a transaction sees, once it has said something."""
    with protected.database.begin() as connection:
        for statement in before:
            connection.exec_driver_sql(statement)
        return int(connection.exec_driver_sql(f"select count(*) from {table}").scalar_one())


FIRST = "select holdfast.set_context(tenant => '1')"
ACROSS = "select holdfast.all_tenants('a report')"


def test_the_application_works_within_one_tenant_and_owns_nothing(shop: Duties, copy: Protected) -> None:
    application = play(copy, shop.roles.application)
    assert (seen(application), seen(application, FIRST)) == (0, 1)
    assert seen(application, FIRST, table="sales.orders_live") == 1
    for statement in (
        "truncate customers",
        "create table mine ()",
        (
            "create trigger t before insert on customers for each row"
            " execute function suppress_redundant_updates_trigger()"
        ),
        "alter table customers disable row level security",
        f"set role {shop.roles.owner}",
        f"set role {shop.roles.all_tenants}",
        ACROSS,
        "select * from holdfast.timeline",
        "select lo_from_bytea(0, 'of tenant 1')",
        "select lo_get(1)",
        "delete from holdfast.change",
        "update holdfast.role set name = 'x'",
    ):
        assert refused(application, FIRST, statement), statement
    # What acts for the owner of the tables, who is no superuser, sees the tenant's rows and takes them along.
    application.run(FIRST, "delete from customers")
    assert seen(application, FIRST, table="sales.orders_live") == 0
    assert seen(application, "select holdfast.set_context(tenant => '2')", table="sales.orders_live") == 1


def test_one_that_reads_writes_nothing(shop: Duties, copy: Protected) -> None:
    reader = play(copy, shop.roles.read_only)
    assert (seen(reader), seen(reader, FIRST), seen(reader, FIRST, table="sales.orders_live")) == (0, 1, 1)
    assert refused(reader, FIRST, "delete from customers")


@pytest.mark.parametrize("duty", ["all_tenants", "migrator"])
def test_work_across_tenants_says_why_and_is_recorded(shop: Duties, copy: Protected, duty: str) -> None:
    worker = play(copy, shop.roles.by_duty()[duty])
    assert (seen(worker), seen(worker, ACROSS)) == (0, 2)
    worker.run(ACROSS, "update customers set name = 'x'")
    assert copy.rows("select distinct name from customers") == [("x",)]
    assert copy.rows("select count(*), min(reason) from holdfast.intervention where kind = 'all_tenants'") == [
        (2, "a report")
    ]


def test_the_migrator_changes_tables_in_the_name_of_the_owner(shop: Duties, copy: Protected) -> None:
    migrator = play(copy, shop.roles.migrator)
    migrator.run(f"set role {shop.roles.owner}", "create table notes (id int primary key, tenant_id int not null)")
    assert copy.rows("select tableowner from pg_tables where tablename = 'notes'") == [(shop.roles.owner,)]
    migrator.protect({"notes": [Tenant(), Audit()]})
    # Rights come with the protection, and not before.
    application = play(copy, shop.roles.application)
    application.run(FIRST, "insert into notes (id) values (1)")
    assert (seen(application, table="notes"), seen(application, FIRST, table="notes")) == (0, 1)
    assert migrator.drift() == []


def test_the_auditor_reads_the_journal_alone(shop: Duties, copy: Protected) -> None:
    auditor = play(copy, shop.roles.auditor)
    assert auditor.rows("select distinct actor, operation from holdfast.timeline") == [("ada", "insert")]
    copy.run("update sales.orders set status = 'paid'")
    assert auditor.rows("select distinct after::text from holdfast.timeline where operation = 'update'") == [
        ('{ "status" : "paid" }',)
    ]
    assert refused(auditor, "select * from customers")
    assert refused(auditor, "delete from holdfast.change")


def test_members_of_the_journals_role_see_no_rows_by_it_and_a_truncate_is_recorded(
    shop: Duties, copy: Protected
) -> None:
    migrator = play(copy, shop.roles.migrator)
    if migrator.rows("select pg_has_role('holdfast', 'usage')") == [(True,)]:
        assert seen(migrator) == 0
    copy.run("set local holdfast.allow = 'truncate'", "truncate customers, sales.orders")
    assert copy.rows("select count(*) from holdfast.timeline where operation = 'truncate'") == [(4,)]


@contextmanager
def plain(servers: Servers) -> Iterator[tuple[Server, Protected, str]]:
    server, prefix = server_of(servers), new_prefix()
    try:
        with server.new_database() as url:
            protected = Protected(url, kept=False)
            protected.run('create table "t" (id serial primary key, tenant_id text not null)')
            yield server, protected, prefix
    finally:
        drop_roles(server, prefix)


def test_roles_come_and_go_and_leave_everything_as_it_was(servers: Servers) -> None:
    with plain(servers) as (_, protected, prefix):
        protected.protect({"t": [Tenant(), Audit()]})
        before = pg_dump_schema(protected.url)
        # One that is there already, whose name needs quotes.
        protected.run(f'create role "{prefix}_O\'Neil%s" login')
        roles = named(prefix, Roles(application=f"{prefix}_O'Neil%s"))
        give_roles(protected, roles)
        given = pg_dump_schema(protected.url)
        assert protected.drift() == []
        give_roles(protected, roles)
        assert pg_dump_schema(protected.url) == given
        application = play(protected, roles.application)
        application.run(FIRST, "insert into t default values")
        assert seen(application, FIRST, table="t") == 1
        with protected.database.snapshot() as connection:
            dialect, inventory = inspect(connection, protected.database.dialect)
        ours = [name for name in roles.by_duty().values() if name != roles.application]
        apply(protected.database, plan_drop_roles(dialect, inventory, ours))
        assert protected.drift() == []
        protected.run(f'drop owned by "{roles.application}"')
        assert pg_dump_schema(protected.url) == before
        assert protected.rows(f"select rolname from pg_roles where rolname like '{prefix}%'") == [(roles.application,)]


def test_large_objects_are_closed_by_their_owner_and_open_again_without_the_journal(servers: Servers) -> None:
    with plain(servers) as (_, protected, prefix):
        protected.protect({"t": [Tenant()]})
        admin = play(protected, f"{prefix}_admin")
        protected.run(
            f"create role {prefix}_admin login createrole",
            f"grant holdfast to {prefix}_admin",
            f"alter table t owner to {prefix}_admin",
            f"grant create on schema public to {prefix}_admin",
            f'grant create on database "{protected.database.url.database}" to {prefix}_admin',
        )
        give_roles(admin, named(prefix, Roles()))
        with admin.database.snapshot() as connection:
            left = open_large_objects(connection, admin.database.dialect)
        owners = {name for (name,) in protected.rows("select rolname from pg_roles where oid = 10")}
        assert {owner for _, owner in left} == owners
        protected.run(*(statement for statement, _ in left))
        with admin.database.snapshot() as connection:
            assert open_large_objects(connection, admin.database.dialect) == []
        protected.run(*(statement.replace("revoke ", "grant ").replace(" from ", " to ") for statement, _ in left))
        give_roles(protected, named(prefix, Roles()))
        with pytest.raises(HoldfastError, match="HF404"):
            play(protected, f"{prefix}_app").run("select lo_from_bytea(0, 'of tenant 1')")
        protected.unprotect(purge_history=True)
        play(protected, f"{prefix}_app").run("select lo_from_bytea(0, 'of tenant 1')")
        # Who gave a membership goes last.
        ours = ", ".join(named(prefix, Roles()).by_duty().values())
        protected.run(f"drop owned by {ours}, {prefix}_admin", f"drop role {ours}", f"drop role {prefix}_admin")


def test_what_cannot_be_is_refused(servers: Servers) -> None:
    with plain(servers) as (_, protected, prefix):
        with pytest.raises(UnsupportedError, match="HF303"):
            give_roles(protected, named(prefix, Roles()))
        protected.protect({"t": [Tenant()]})
        with pytest.raises(DeclarationError, match="HF321"):
            give_roles(protected, named(prefix, Roles(owner="same", application="same")))
        with pytest.raises(DeclarationError, match="HF323"):
            give_roles(protected, named("x" * 60, Roles()))


def test_sqlite_has_no_roles(sqlite_database: str) -> None:
    protected = Protected(sqlite_database)
    protected.run("create table t (id integer primary key)")
    protected.protect({"t": [Audit()]})
    with pytest.raises(UnsupportedError, match="HF324"):
        give_roles(protected, named("x", Roles()))
