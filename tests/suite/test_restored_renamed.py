"""In a copy that was dumped and restored a table is known under any name, by the triggers that came along."""

from __future__ import annotations

import pytest

from holdfast.policies import Audit, Guard, Policy, SoftDelete, Tenant, Timestamps, Version
from tests.harness import Protected, journal
from tests.servers import dump_and_restore

pytestmark = pytest.mark.copy_of(build=journal)

ORDERS = """\
create table orders (
    id integer primary key, total integer, shop integer not null default 1,
    deleted_at timestamptz, created_at timestamptz, updated_at timestamptz, version integer
)"""
EVERYTHING: tuple[Policy, ...] = (Audit(), SoftDelete(), Timestamps(), Version(), Guard(max_rows=100))
ANOTHER = ("alter table orders rename to old_orders", "create table orders (like old_orders including all)")
# What happens in the source before it is dumped, what in the copy, and what the table is called then.
RENAMED: dict[str, tuple[tuple[str, ...], tuple[str, ...], str]] = {
    "in the copy": ((), ("alter table orders rename to sales",), "public.sales"),
    "in the source": (("alter table orders rename to sales",), (), "public.sales"),
    "with its schema": ((), ("alter schema public rename to shop", "create schema public"), "shop.orders"),
    "its name taken in the copy": ((), ANOTHER, "public.old_orders"),
    "its name taken in the source": (ANOTHER, (), "public.old_orders"),
}
POLICIES: dict[str, tuple[Policy, ...]] = {
    "audit by statement": (Audit(),),
    "audit by row": (Audit(form="row"),),
    "guard of rows": (Guard(max_rows=100, truncate=True),),
    "guard of truncate": (Guard(max_rows=None),),
    "soft delete": (SoftDelete(),),
    "soft delete that refuses": (SoftDelete(raw_delete="refuse"),),
    "soft delete that allows": (SoftDelete(raw_delete="allow"),),
    "timestamps": (Timestamps(),),
    "version": (Version(),),
    "tenant": (Tenant("shop"),),
}
ITS_TRIGGERS = """\
select c.oid::regclass::text, t.tgname, f.proname
from pg_trigger as t
join pg_class as c on c.oid = t.tgrelid
join pg_proc as f on f.oid = t.tgfoid
where f.pronamespace = 'holdfast'::regnamespace and c.relnamespace <> 'holdfast'::regnamespace
order by 1, 2"""


@pytest.mark.parametrize("case", RENAMED)
def test_history_and_triggers_stay_with_the_table(postgresql_database: str, elsewhere: str, case: str) -> None:
    before, after, name = RENAMED[case]
    source = Protected(postgresql_database)
    source.run(ORDERS, "insert into orders values (1, 10), (2, 20)")
    source.protect({"orders": EVERYTHING})
    paid = source.write("update orders set total = 11 where id = 1")
    source.run(*before)
    dump_and_restore(postgresql_database, elsewhere)
    copy = Protected(elsewhere)
    copy.run(*after)
    triggers = copy.rows(ITS_TRIGGERS)

    # It is there, and its protection speaks of the old name.
    assert {str(each.table) for each in copy.drift()} == {name}
    assert "missing" not in {each.state for each in copy.drift()}
    copy.run(f"update {name} set total = 21 where id = 2")
    assert [step.title for step in copy.protect({}).steps] == [name]

    assert copy.drift() == []
    assert copy.rows(ITS_TRIGGERS) == triggers
    assert copy.rows("select id, format('%s.%s', schema_name, table_name), protected from holdfast.relation") == [
        (1, name, True)
    ]
    assert [each.key for each in copy.log(name)] == [1, 2]
    copy.undo(paid)
    copy.run(f"delete from {name} where id = 2")
    copy.undo()
    copy.undo(copy.log()[1].transaction)
    assert copy.rows(f"select id, total, deleted_at from {name} order by id") == [(1, 10, None), (2, 20, None)]
    if "taken" in case:
        assert copy.rows("select from orders") == []


@pytest.mark.parametrize("case", POLICIES)
def test_each_policy_tells_the_table(postgresql_database: str, elsewhere: str, case: str) -> None:
    """Of one that took its name nothing is declared."""
    source = Protected(postgresql_database)
    source.run(ORDERS)
    source.protect({"orders": POLICIES[case]})
    dump_and_restore(postgresql_database, elsewhere)
    copy = Protected(elsewhere)
    copy.run(*ANOTHER)
    triggers = copy.rows(ITS_TRIGGERS)

    copy.protect({})

    assert copy.drift() == []
    assert copy.rows(ITS_TRIGGERS) == triggers
    assert {table for table, _, _ in triggers} == {"old_orders"}


def test_a_partition_does_not_pass_for_its_table(postgresql_database: str, elsewhere: str) -> None:
    """It has the same triggers, where those of the table would not see what is aimed at it."""
    source = Protected(postgresql_database)
    source.run(
        "create table orders (id integer primary key) partition by range (id)",
        "create table first partition of orders for values from (0) to (1000)",
        "create table later partition of orders for values from (1000) to (9000)",
    )
    source.protect({"orders": [Guard(max_rows=2)]})
    dump_and_restore(postgresql_database, elsewhere)
    copy = Protected(elsewhere)
    copy.run("alter table orders rename to sales", "alter table first rename to orders")
    triggers = copy.rows(ITS_TRIGGERS)

    copy.protect({})

    assert copy.drift() == []
    assert copy.rows(ITS_TRIGGERS) == triggers
    assert copy.rows("select table_name, protected from holdfast.relation") == [("sales", True)]


def test_two_tables_that_swapped_their_names(postgresql_database: str, elsewhere: str) -> None:
    """The child has triggers that ask for its parent."""
    source = Protected(postgresql_database)
    source.run(
        "create table parents (id integer primary key, deleted_at timestamptz)",
        "create table children (id integer primary key, parent integer references parents on delete cascade,"
        " deleted_at timestamptz)",
        "insert into parents values (1)",
        "insert into children values (7, 1)",
    )
    source.protect({"parents": [Audit(), SoftDelete()], "children": [Audit(), SoftDelete()]})
    deleted = source.write("delete from parents where id = 1")
    dump_and_restore(postgresql_database, elsewhere)
    copy = Protected(elsewhere)
    copy.run(
        "alter table parents rename to third",
        "alter table children rename to parents",
        "alter table third rename to children",
    )

    copy.protect({})

    assert copy.drift() == []
    assert sorted((each.table, each.key) for each in copy.log()) == [("children", 1), ("parents", 7)]
    copy.undo(deleted)
    assert copy.rows("select id, deleted_at from children") == [(1, None)]
    assert copy.rows("select id, deleted_at from parents") == [(7, None)]
    copy.run("delete from children")
    assert copy.rows("select count(*) from parents where deleted_at is null") == [(0,)]
