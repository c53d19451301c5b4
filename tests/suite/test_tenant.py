"""One tenant at a time: what a login that owns nothing sees and writes, by raw SQL; and the schema before and after."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa

from holdfast.database import Database, execute
from holdfast.errors import DeclarationError, ForeignKeyError, TenantError, UnsupportedError
from holdfast.policies import Audit, SoftDelete, Tenant
from tests.harness import Protected, journal
from tests.servers import Server, Servers, pg_dump_schema
from tests.suite.test_soft_delete import made

pytestmark = pytest.mark.copy_of(build=journal)

SHOP = [
    """create table customers (
        id bigint primary key, shop_id bigint not null, email text, constraint email unique (email))""",
    """create table orders (
        id bigint primary key, shop_id bigint not null,
        customer_id bigint constraint customer references customers on delete cascade, status text)""",
]
ROWS = (
    "insert into customers values (1, 1, 'a@x'), (2, 2, 'b@x')",
    "insert into orders values (10, 1, 1, 'new'), (11, 1, 1, 'paid'), (20, 2, 2, 'new')",
)
TENANT = Tenant("shop_id")
TABLES = ("customers", "orders")
ON_CONFLICT = "on conflict (id) do update set status = 'theirs'"


class Login:
    """A role that owns nothing and may read and write the rows of every table."""

    def __init__(self, shop: Protected, name: str) -> None:
        self.database = Database(sa.make_url(shop.url).set(username=name).render_as_string(hide_password=False))

    def run(self, *statements: str, tenant: object = None) -> list[list[tuple[Any, ...]]]:
        """All in one transaction, which is rolled back."""
        with self.database.connect() as connection:
            if tenant is not None:
                execute(connection, f"select holdfast.set_context(tenant => '{tenant}')")
            return [[tuple(row) for row in execute(connection, each)] for each in statements]

    def ids(self, table: str, tenant: object = None) -> list[int]:
        [rows] = self.run(f"select id from {table} order by id", tenant=tenant)
        return [row[0] for row in rows]


@contextmanager
def login(shop: Protected, *, schema: str = "public") -> Iterator[Login]:
    name = f"app_{uuid.uuid4().hex[:12]}"
    shop.run(
        f"create role {name} login",
        f"grant usage on schema {schema} to {name}",
        f"grant select, insert, update, delete on all tables in schema {schema} to {name}",
    )
    try:
        yield Login(shop, name)
    finally:
        shop.run(f"drop owned by {name}", f"drop role {name}")


def filled(url: str) -> None:
    made(url, *SHOP, *ROWS, protect={table: [TENANT] for table in TABLES})


@pytest.fixture
def shop(postgresql: Server, servers: Servers) -> Iterator[Protected]:
    with postgresql.new_database(servers.template(postgresql, filled)) as url:
        yield Protected(url)


@pytest.fixture
def app(shop: Protected) -> Iterator[Login]:
    with login(shop) as app:
        yield app


def test_each_sees_its_own_rows_and_nobody_sees_any(shop: Protected, app: Login) -> None:
    assert (app.ids("orders", 1), app.ids("orders", 2)) == ([10, 11], [20])
    assert app.ids("orders") == []
    assert app.ids("orders", 3) == []


@pytest.mark.parametrize(
    "write",
    [
        "insert into orders values (30, 2, 2, 'new')",
        f"insert into orders (id, shop_id, status) values (10, 2, 'new') {ON_CONFLICT}",
        "update orders set shop_id = 2",
        "update orders set shop_id = 2 where id = 10",
        "insert into orders values (30, null, 1, 'new')",
    ],
)
def test_nothing_is_written_for_another(shop: Protected, app: Login, write: str) -> None:
    before = shop.checksum("orders")
    with pytest.raises(TenantError) as refused:
        app.run(write, tenant=1)
    assert refused.value.code == "HF203"
    assert shop.checksum("orders") == before


@pytest.mark.parametrize("write", ["update orders set status = 'x' where id = 20", "delete from orders where id = 20"])
def test_what_is_not_seen_is_not_written(shop: Protected, app: Login, write: str) -> None:
    before = shop.checksum("orders")
    with app.database.begin() as connection:
        execute(connection, "select holdfast.set_context(tenant => '1')")
        execute(connection, write)
    assert shop.checksum("orders") == before


def test_a_row_that_does_not_say_whose_it_is_is_the_present_tenants(shop: Protected, app: Login) -> None:
    [_, rows] = app.run(
        "insert into orders (id, status) values (30, 'new')", "select id, shop_id from orders", tenant=1
    )
    assert (30, 1) in rows
    with pytest.raises(TenantError):
        app.run("insert into orders (id, status) values (30, 'new')")


def test_a_reference_to_another_tenants_row_tells_nothing(shop: Protected, app: Login) -> None:
    said = []
    for customer in (2, 999):
        with pytest.raises(ForeignKeyError) as refused:
            app.run(f"insert into orders (id, customer_id) values (30, {customer})", tenant=1)
        said.append((refused.value.constraint, refused.value.message))
    assert said[0] == said[1]


def test_a_value_that_another_tenant_has_is_free(shop: Protected, app: Login) -> None:
    [_, rows] = app.run("insert into customers (id, email) values (3, 'b@x')", "select id from customers", tenant=1)
    assert rows == [(1,), (3,)]


@pytest.mark.parametrize("said", ["by its name", "by its column"])
def test_a_key_over_all_tenants_is_declared(postgresql_database: str, said: str) -> None:
    # The constraint and its column are both called email; told apart by another name for the one.
    ddl = [
        each.replace("constraint email unique", f"constraint {'email' if said == 'by its name' else 'one'} unique")
        for each in SHOP
    ]
    declared = {"customers": [Tenant("shop_id", global_keys={"email"})], "orders": [TENANT]}
    shop = made(postgresql_database, *ddl, *ROWS, protect=declared)
    assert {each.columns for each in shop.inventory().resolve("customers").uniques} == {
        ("id",), ("email",), ("shop_id", "id"),
    }  # fmt: skip


def test_a_cascade_stays_within_the_tenant(shop: Protected, app: Login) -> None:
    [_, rows] = app.run("delete from customers", "select count(*) from orders", tenant=1)
    assert rows == [(0,)]
    assert shop.rows("select id from orders where shop_id = 2") == [(20,)]


def test_a_transaction_is_of_one_tenant(shop: Protected, app: Login) -> None:
    with pytest.raises(TenantError):
        app.run("select holdfast.set_context(tenant => '2')", tenant=1)
    with pytest.raises(TenantError):
        app.run("select holdfast.set_context(tenant => '')")
    # Said again without a tenant it stays the same one.
    [_, rows] = app.run("select holdfast.set_context('ada')", "select id from orders order by id", tenant=1)
    assert rows == [(10,), (11,)]


def test_nothing_of_the_tenant_is_left_on_the_connection(shop: Protected, app: Login) -> None:
    with app.database.connect() as connection:
        for end in ("commit", "rollback"):
            execute(connection, "select holdfast.set_context(tenant => '1')")
            assert execute(connection, "select count(*) from orders") == [(2,)]
            getattr(connection, end)()
            assert execute(connection, "select count(*) from orders") == [(0,)]
            connection.rollback()


def test_a_savepoint_that_is_rolled_back_gives_the_tenant_back(shop: Protected, app: Login) -> None:
    with app.database.connect() as connection:
        savepoint = connection.begin_nested()
        execute(connection, "select holdfast.set_context(tenant => '1')")
        savepoint.rollback()
        assert execute(connection, "select count(*) from orders") == [(0,)]
        execute(connection, "select holdfast.set_context(tenant => '2')")
        assert execute(connection, "select id from orders") == [(20,)]


def test_a_prepared_plan_serves_each_tenant_its_own(shop: Protected, app: Login) -> None:
    with app.database.connect() as connection:
        execute(connection, "set plan_cache_mode = force_generic_plan")
        execute(connection, "prepare everything as select id from orders order by id")
        connection.commit()
        for tenant, expected in ((1, [(10,), (11,)]), (2, [(20,)]), (1, [(10,), (11,)])):
            execute(connection, f"select holdfast.set_context(tenant => '{tenant}')")
            for _ in range(6):
                assert execute(connection, "execute everything") == expected
            # The driver forgets what was prepared when it rolls back.
            connection.commit()


def test_the_owner_is_no_exception(shop: Protected) -> None:
    owner = f"owner_{uuid.uuid4().hex[:12]}"
    shop.run(f"create role {owner} login")
    try:
        shop.run(*(f"alter table {each} owner to {owner}" for each in TABLES))
        assert Login(shop, owner).ids("orders") == []
        assert Login(shop, owner).ids("orders", 1) == [10, 11]
    finally:
        shop.run(f"reassign owned by {owner} to current_user", f"drop role {owner}")


def test_a_policy_that_somebody_adds_opens_nothing(shop: Protected, app: Login) -> None:
    shop.run("create policy oops on orders for select using (true)")
    assert app.ids("orders", 1) == [10, 11]
    assert app.ids("orders") == []


PARTITIONED = """
create table events (id bigint, shop_id bigint not null, at date not null, primary key (id, at))
    partition by range (at);
create table events_old partition of events for values from ('2020-01-01') to ('2021-01-01');
insert into events values (1, 1, '2020-05-05'), (2, 2, '2020-05-05')"""


def test_partitions_and_children_are_covered_and_new_ones_are_found(postgresql_database: str) -> None:
    events = made(
        postgresql_database,
        PARTITIONED,
        "create table notes (id bigint, shop_id bigint not null)",
        "create table notes_child () inherits (notes)",
        "insert into notes_child values (1, 1), (2, 2)",
        protect={"events": [TENANT], "notes": [TENANT]},
    )
    with login(events) as app:
        for table in ("events", "events_old", "notes", "notes_child"):
            assert app.ids(table, 1) == [1], table
            assert app.ids(table) == [], table
    assert events.drift() == []
    events.run("create table events_new partition of events for values from ('2021-01-01') to ('2022-01-01')")
    assert ("policy holdfast_tenant", "missing") in {(each.object, each.state) for each in events.drift()}
    events.protect({"events": [TENANT]})
    assert events.drift() == []


@pytest.mark.parametrize(
    "change",
    [
        "alter table orders disable row level security",
        "alter table orders no force row level security",
        "drop policy holdfast_tenant_only on orders",
        "alter policy holdfast_tenant on orders using (true)",
        "alter policy holdfast_tenant_only on orders to pg_monitor",
        "alter table orders alter column shop_id drop not null",
        "alter table orders alter column shop_id drop default",
        "alter table orders disable trigger holdfast_tenant",
        "drop index holdfast_tenant_2",
    ],
)
def test_what_is_taken_away_is_seen_and_mended(shop: Protected, change: str) -> None:
    assert shop.drift() == []
    shop.run(change)
    assert shop.drift() != []
    shop.protect({"orders": [TENANT]})
    assert shop.drift() == []


BEFORE = """
create table shops (id bigint primary key);
create table people (id bigint primary key, shop bigint default 7, name text, boss bigint,
    constraint one unique (name) deferrable);
comment on constraint one on people is 'a name is one''s own: 100%';
create unique index two on people (boss, name) with (fillfactor = 70);
alter table people
    add constraint boss foreign key (boss) references people on delete set null deferrable initially deferred,
    add constraint shop foreign key (shop) references shops;
create table visits (id bigint primary key, shop bigint not null, person bigint references people on update cascade);
alter table visits enable row level security;
create policy mine on visits using (true)"""


@pytest.mark.copy_of(build=None)
def test_what_was_there_before_comes_back(postgresql_database: str) -> None:
    people = Protected(postgresql_database)
    people.run(BEFORE)
    before = pg_dump_schema(people.url)
    people.protect({"people": [Tenant("shop"), Audit()], "visits": [Tenant("shop")]})
    assert pg_dump_schema(people.url) != before
    people.unprotect(purge_history=True)
    assert pg_dump_schema(people.url) == before


def test_a_parent_alone_can_go(shop: Protected) -> None:
    before = shop.inventory().resolve("orders").foreign_keys
    assert [each.columns for each in before] == [("shop_id", "customer_id")]
    shop.unprotect("customers")
    assert [each.columns for each in shop.inventory().resolve("orders").foreign_keys] == [("customer_id",)]
    assert shop.drift() == []
    shop.protect({"customers": [TENANT]})
    assert [each.columns for each in shop.inventory().resolve("orders").foreign_keys] == [("shop_id", "customer_id")]


@pytest.mark.copy_of(build=None)
@pytest.mark.parametrize(
    ("ddl", "code"),
    [
        ("create table t (id int primary key, shop_id numeric not null)", "HF119"),
        ("create table t (id int primary key)", "HF102"),
        (
            "create table t (id int primary key, shop_id int not null, a text); create unique index on t (lower(a))",
            "HF116",
        ),
    ],
)
def test_what_cannot_hold_is_refused_before_anything_is_done(postgresql_database: str, ddl: str, code: str) -> None:
    table = Protected(postgresql_database)
    table.run(ddl)
    with pytest.raises(DeclarationError) as refused:
        table.protect({"t": [TENANT]}, add_columns=True)
    assert refused.value.code == code
    assert not table.inventory().has_journal


@pytest.mark.copy_of(build=None)
def test_a_key_of_one_partition_must_have_the_tenant_in_it(postgresql_database: str) -> None:
    """It cannot be made anew for the whole table, and without the tenant it would lead to another one's rows."""
    tables = Protected(postgresql_database)
    tables.run(
        "create table p (shop_id int, id int, primary key (shop_id, id)) partition by range (id)",
        "create table p1 partition of p for values from (0) to (100)",
        "alter table p1 add unique (id)",
        "create table k (shop_id int not null, id int primary key, p int) partition by range (id)",
        "create table k1 partition of k for values from (0) to (100)",
        "alter table k1 add constraint one foreign key (p) references p1 (id)",
    )
    with pytest.raises(DeclarationError, match=r"HF119.*partition public.k1 alone \(one\)"):
        tables.protect({"p": [TENANT], "k": [TENANT]})
    tables.run(
        "alter table k1 drop constraint one",
        "alter table k1 add constraint one foreign key (shop_id, p) references p1 (shop_id, id)",
    )
    tables.protect({"p": [TENANT], "k": [TENANT]})
    assert tables.drift() == []


def test_a_delete_can_be_undone_by_who_sees_all(postgresql_database: str) -> None:
    shop = made(postgresql_database, *SHOP, *ROWS, protect={table: [TENANT, Audit()] for table in TABLES})
    before = shop.checksums(*TABLES)
    shop.write("delete from customers")
    shop.undo()
    assert shop.checksums(*TABLES) == before


def test_soft_delete_and_tenants_go_together(postgresql_database: str) -> None:
    shop = made(
        postgresql_database,
        *SHOP,
        *ROWS,
        *(f"alter table {each} add column deleted_at timestamptz" for each in TABLES),
        protect={table: [TENANT, SoftDelete(), Audit()] for table in TABLES},
    )
    with login(shop) as app, app.database.begin() as connection:
        execute(connection, "select holdfast.set_context(tenant => '1')")
        execute(connection, "delete from customers")
        assert execute(connection, "select id from orders where deleted_at is null") == []
    assert shop.rows("select id from orders where deleted_at is null") == [(20,)]


# ------------------------------------------------------------------ SQLite

ACCEPTED = Tenant("shop_id", global_keys={"email"}, reads="application")


def sqlite_shop(url: str, policies: Sequence[Any] = (ACCEPTED,)) -> Protected:
    shop = Protected(url)
    shop.run(*SHOP, *ROWS)
    email = next(each.name for each in shop.inventory().resolve("customers").uniques if each.columns == ("email",))
    declared = Tenant("shop_id", global_keys={email}, reads="application")
    shop.protect({"customers": [declared], "orders": list(policies)})
    return shop


def test_a_database_that_cannot_hide_rows_says_so(sqlite_database: str) -> None:
    with pytest.raises(UnsupportedError) as refused:
        made(sqlite_database, *SHOP, protect={"orders": [TENANT]})
    assert refused.value.code == "HF418"


@pytest.mark.parametrize(
    "write",
    [
        "insert into orders values (30, 2, null, 'new')",
        "insert into orders values (30, null, null, 'new')",
        "insert into orders values (30, 1, 2, 'new')",
        "update orders set status = 'x' where id = 20",
        "update orders set shop_id = 2 where id = 10",
        "update orders set customer_id = 2 where id = 10",
        "delete from orders where id = 20",
        "replace into orders values (20, 1, 1, 'mine')",
    ],
)
def test_sqlite_checks_every_write(sqlite_database: str, write: str) -> None:
    shop = sqlite_shop(sqlite_database)
    before = shop.checksum("orders")
    with pytest.raises(TenantError):
        shop.run("insert into holdfast_context (tenant) values ('1')", write)
    assert shop.checksum("orders") == before
    with pytest.raises(TenantError):
        shop.run(write)


def test_sqlite_lets_a_tenant_write_its_own(sqlite_database: str) -> None:
    shop = sqlite_shop(sqlite_database)
    shop.run(
        "insert into holdfast_context (tenant) values ('1')",
        "insert into orders values (30, 1, 1, 'new')",
        "update orders set status = 'sent' where id in (10, 30)",
        "delete from orders where id = 11",
        "delete from holdfast_context",
    )
    assert shop.rows("select id, status from orders where shop_id = 1 order by id") == [(10, "sent"), (30, "sent")]


def test_the_plan_says_what_changes_for_those_who_knew_the_keys(postgresql_database: str) -> None:
    shop = Protected(postgresql_database)
    shop.run(*SHOP)
    told = " ".join(shop.plan({"customers": [TENANT]}).notes)
    assert "email of public.customers holds within each tenant" in told
    assert "The primary key of public.customers holds over all tenants" in told
    assert "public.orders refers to public.customers (customer) and has no tenant" in told
    shop.protect({table: [TENANT] for table in TABLES})
    assert shop.plan({table: [TENANT] for table in TABLES}).notes == ()


MARKED = [*SHOP, *ROWS, *(f"alter table {each} add column deleted_at timestamptz" for each in TABLES)]


@contextmanager
def owned(url: str, *, roles: bool) -> Iterator[tuple[Protected, Login]]:
    """Tables whose rows are marked, of an owner who is no superuser; with roles, each has its duty."""
    shop, owner = Protected(url), f"owner_{uuid.uuid4().hex[:12]}"
    shop.run(*MARKED, f"create role {owner}", *(f"alter table {each} owner to {owner}" for each in TABLES))
    shop.protect({table: [TENANT, SoftDelete(), Audit()] for table in TABLES})
    try:
        with login(shop) as app:
            if roles:
                name = app.database.url.username
                shop.run(f"insert into holdfast.role values ('application', '{name}'), ('owner', '{owner}')")
                shop.protect({table: [TENANT] for table in TABLES})
                assert shop.drift() == []
            yield shop, app
            if roles:
                shop.run("delete from holdfast.role")
                shop.protect({table: [TENANT] for table in TABLES})
    finally:
        shop.run(f"reassign owned by {owner} to current_user", f"drop owned by {owner}", f"drop role {owner}")


@pytest.mark.parametrize(("who", "roles"), [("application", False), ("application", True), ("superuser", True)])
def test_a_soft_delete_reaches_the_children(postgresql_database: str, who: str, roles: bool) -> None:
    with owned(postgresql_database, roles=roles) as (shop, app):
        with (app if who == "application" else shop).database.begin() as connection:
            if who == "application":
                execute(connection, "select holdfast.set_context(tenant => '1')")
            execute(connection, "delete from customers where id = 1")
        assert shop.rows("select id from customers where deleted_at is null") == [(2,)]
        assert shop.rows("select id from orders where deleted_at is null") == [(20,)]


def test_a_soft_delete_that_could_mark_nothing_is_an_error(postgresql_database: str) -> None:
    with owned(postgresql_database, roles=False) as (shop, _), pytest.raises(TenantError):
        shop.run("delete from customers where id = 1")


def test_a_new_owner_is_seen(postgresql_database: str) -> None:
    with owned(postgresql_database, roles=True) as (shop, _):
        shop.run("alter table orders owner to current_user")
        assert ("policy holdfast_tenant_owner", "altered") in {(each.object, each.state) for each in shop.drift()}
        shop.protect({"orders": [TENANT]})
        assert "policy holdfast_tenant_owner" not in {each.object for each in shop.drift()}


MEANT = "set local holdfast.allow = 'truncate'"


@pytest.mark.parametrize("roles", [False, True])
def test_a_truncate_records_every_tenants_rows_or_is_refused(postgresql_database: str, roles: bool) -> None:
    with owned(postgresql_database, roles=roles) as (shop, _):
        assert shop.drift() == []
        before = shop.checksum("orders")
        if not roles:
            with pytest.raises(UnsupportedError):
                shop.run("select holdfast.set_context(tenant => '1')", MEANT, "truncate orders")
            assert shop.checksum("orders") == before
            return
        shop.write(MEANT, "truncate orders")
        shop.undo()
        assert shop.checksum("orders") == before


def test_rows_of_nobody_are_told_before_anything_else(postgresql_database: str) -> None:
    table = Protected(postgresql_database)
    table.run("create table t (id int primary key, shop_id int)", "insert into t values (1, null)")
    before = table.checksum("t")
    with pytest.raises(TenantError, match="belong to nobody"):
        table.protect({"t": [TENANT]})
    assert table.checksum("t") == before
    table.run("update t set shop_id = 1")
    table.protect({"t": [TENANT]})
    assert table.drift() == []
