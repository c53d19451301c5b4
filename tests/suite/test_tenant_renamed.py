"""Tenants and migrations that rename: what is declared can be made to hold again, and all of it can be taken away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytest

from holdfast.errors import ForeignKeyError, TenantError
from holdfast.policies import Audit, Policy, Tenant
from tests.harness import Prepared, Protected
from tests.servers import pg_dump_schema
from tests.suite.test_tenant import login

SHOP = (
    "create table shops (id int primary key, tenant text, name text, constraint one unique (name) deferrable)",
    "create unique index two on shops (id, name)",
    """create table orders (
        id int primary key, tenant text default 'none', shop int
            constraint shop references shops on update cascade on delete set null deferrable initially deferred,
        parent int constraint parent references orders on delete cascade)""",
    "create table days (id int, tenant text, day date not null, primary key (id, day)) partition by range (day)",
    "create table days_1 partition of days for values from ('2020-01-01') to ('2021-01-01')",
    # Of the two this one had row security before.
    "create table days_2 partition of days for values from ('2021-01-01') to ('2022-01-01')",
    "alter table days_2 enable row level security",
    "alter table days_2 alter column tenant set default 'somebody'",
)


@dataclass(frozen=True)
class Names:
    shops: str = "shops"
    orders: str = "orders"
    days: str = "days"
    id: str = "id"
    tenant: str = "tenant"
    shop: str = "shop"

    @property
    def declared(self) -> Mapping[str, Sequence[Policy]]:
        tenant = Tenant(self.tenant)
        return {self.shops: (tenant, Audit()), self.orders: (tenant, Audit()), self.days: (tenant,)}


RENAMED: Mapping[str, tuple[Names, Sequence[str]]] = {
    "nothing": (Names(), ()),
    "the table that is referred to": (Names(shops="stores"), ["alter table shops rename to stores"]),
    "the table that refers": (Names(orders="bills"), ["alter table orders rename to bills"]),
    "the partitioned table": (Names(days="dates"), ["alter table days rename to dates"]),
    "its schema": (
        Names(shops="sales.shops"),
        ["create schema sales", "grant usage on schema sales to public", "alter table shops set schema sales"],
    ),
    "the tenant's column": (
        Names(tenant="owner"),
        [f"alter table {each} rename tenant to owner" for each in ("shops", "orders", "days")],
    ),
    "the key's column": (Names(id="number"), ["alter table shops rename id to number"]),
    # Its former history ends, and what stands on the table does not.
    "the key's type": (Names(), ["alter table shops alter id type numeric"]),
    "the column that refers": (Names(shop="of_shop"), ["alter table orders rename shop to of_shop"]),
    "a unique constraint's column": (Names(), ["alter table shops rename name to title"]),
    "a unique constraint": (Names(), ["alter table shops rename constraint one to first"]),
    "a unique index": (Names(), ["alter index two rename to second"]),
    "a foreign key": (Names(), ["alter table orders rename constraint shop to of_shop"]),
    "a partition": (Names(), ["alter table days_2 rename to days_old"]),
    "a partition that came": (
        Names(),
        ["create table days_3 partition of days for values from ('2022-01-01') to ('2023-01-01')"],
    ),
    # Names that go from one to another: what was written down by its name would now be something else's.
    "a table for another": (
        Names(shops="stores"),
        ["alter table shops rename to stores", "create table shops (id int primary key, name text)"],
    ),
    "a column for another": (
        Names(),
        ["alter table shops rename name to title", "alter table shops add column name text"],
    ),
}
RENAMES = pytest.mark.parametrize("what", RENAMED)


pytestmark = pytest.mark.copy_of(build=Prepared(SHOP, tuple(Names().declared.items())))


def as_without(elsewhere: str, ddl: Sequence[str]) -> str:
    """The schema of a database that holdfast never saw."""
    other = Protected(elsewhere)
    other.run(*SHOP)
    other.run(*ddl)
    return pg_dump_schema(elsewhere)


@RENAMES
@pytest.mark.parametrize("directly", [False, True], ids=["protected again", "directly"])
def test_unprotect_leaves_what_would_be_without_holdfast(
    postgresql_database: str, elsewhere: str, what: str, directly: bool
) -> None:
    names, ddl = RENAMED[what]
    shop = Protected(postgresql_database)
    shop.run(*ddl)
    if not directly:
        shop.protect(names.declared)
        assert shop.drift() == []
        assert shop.plan(names.declared).empty
    shop.unprotect(purge_history=True)
    assert pg_dump_schema(postgresql_database) == as_without(elsewhere, ddl)


@RENAMES
def test_tenants_are_kept_apart_after_it(postgresql_database: str, what: str) -> None:
    names, ddl = RENAMED[what]
    shop = Protected(postgresql_database)
    shop.run(*ddl)
    shop.protect(names.declared)
    number, tenant = names.id, names.tenant
    shop.run(
        f"insert into {names.shops} ({number}, {tenant}) values (1, 'a'), (2, 'b')",
        f"insert into {names.orders} (id, {tenant}, {names.shop}) values (10, 'a', 1), (20, 'b', 2)",
        f"insert into {names.days} (id, {tenant}, day) values (1, 'a', '2021-05-05'), (2, 'b', '2021-05-05')",
    )
    with login(shop) as app:
        name = app.database.url.username
        shop.run(f"grant select, insert, update, delete on {names.shops} to {name}")
        for table, key in ((names.shops, number), (names.orders, "id"), (names.days, "id")):
            [own] = app.run(f"select {tenant} from {table} order by {key}", tenant="a")
            assert own == [("a",)], table
            with pytest.raises(TenantError):
                app.run(f"update {table} set {tenant} = 'b'", tenant="a")
        with pytest.raises(ForeignKeyError):
            app.run(
                "set constraints all immediate",
                f"insert into {names.orders} (id, {names.shop}) values (30, 2)",
                tenant="a",
            )
        part = "days_old" if what == "a partition" else "days_2"
        shop.run(f"grant select on {part} to {name}")
        assert app.run(f"select {tenant} from {part}", tenant="b") == [[("b",)]]


@pytest.mark.parametrize("again", [False, True])
def test_a_parent_that_goes_alone_leaves_the_reference_whole(postgresql_database: str, again: bool) -> None:
    shop = Protected(postgresql_database)
    shop.run("alter table shops rename to stores", "alter table orders rename constraint shop to of_shop")
    names = Names(shops="stores")
    if again:
        shop.protect(names.declared)
    shop.unprotect("stores")
    [key] = [each for each in shop.inventory().resolve("orders").foreign_keys if each.name == "of_shop"]
    assert (key.columns, str(key.target), key.target_columns) == (("shop",), "public.stores", ("id",))
    assert (key.on_update, key.on_delete, key.let_go) == ("CASCADE", "SET NULL", ())
    assert key.deferral == "DEFERRABLE INITIALLY DEFERRED"
    if not again:
        shop.protect({"orders": names.declared["orders"]})
    assert shop.drift() == []


def test_a_name_that_is_used_again_is_given_back_as_it_was_last(postgresql_database: str) -> None:
    shop = Protected(postgresql_database)
    shop.run("alter index two rename to second")
    shop.unprotect("shops")
    shop.run("create unique index two on shops (id, name) with (fillfactor=70)")
    shop.protect({"shops": Names().declared["shops"]})
    shop.unprotect("shops")
    assert shop.rows("select pg_get_indexdef('two'::regclass), pg_get_indexdef('second'::regclass)") == [
        (
            "CREATE UNIQUE INDEX two ON public.shops USING btree (id, name) WITH (fillfactor='70')",
            "CREATE UNIQUE INDEX second ON public.shops USING btree (id, name)",
        )
    ]


def test_an_index_that_others_made_by_our_name_is_made_anew(postgresql_database: str) -> None:
    shop = Protected(postgresql_database)
    [(name,)] = shop.rows(
        "select i.indexrelid::regclass::text from pg_index as i"
        " where i.indrelid = 'shops'::regclass and i.indexrelid::regclass::text ~ '^holdfast_tenant'"
    )
    shop.run("create table t (id int primary key, tenant text not null, n int)")
    shop.protect({"t": [Tenant("tenant")]})
    [(own,)] = shop.rows(
        "select indexrelid::regclass::text from pg_index where indrelid = 't'::regclass and not indisprimary"
    )
    assert own != name
    for change in (
        f"create unique index {own} on t (tenant text_pattern_ops, id)",
        f"create unique index {own} on t (tenant, id) where n > 0",
        f"create index {own} on t (tenant, id)",
    ):
        shop.run(f"drop index {own}", change)
        assert shop.drift() != []
        shop.protect({"t": [Tenant("tenant")]})
        assert shop.drift() == []
        assert shop.rows(f"select pg_get_indexdef('{own}'::regclass)") == [
            (f"CREATE UNIQUE INDEX {own} ON public.t USING btree (tenant, id)",)
        ]


def test_an_index_that_lost_its_marker_stays_where_references_need_it(postgresql_database: str) -> None:
    shop = Protected(postgresql_database)
    [(name, oid)] = shop.rows(
        "select relname, oid from pg_class where relname ~ '^holdfast_tenant' and oid in ("
        " select conindid from pg_constraint where conname = 'shop')"
    )
    shop.run(f"comment on index {name} is null")
    assert shop.drift() != []
    shop.protect({"shops": Names().declared["shops"]})
    assert shop.drift() == []
    assert shop.rows(f"select oid from pg_class where relname = '{name}'") == [(oid,)]
