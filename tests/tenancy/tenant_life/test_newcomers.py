"""A table that comes while a tenant is moved or deleted, as a deployment of that day brings it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from holdfast.errors import HeldError, TenantError, UnsupportedError
from holdfast.holds import hold, release
from holdfast.policies import Audit, Tenant
from holdfast.tenant_life import delete_tenant, ledger, move_tenant, reopen
from tests.alembic.scripts import until
from tests.harness import Protected
from tests.tenancy.tenant_life.shop import contents, place

PAYMENTS = "create table payments (id bigint primary key, shop text not null, amount numeric)"
ROW = "insert into payments values ({}, 'acme', 9.50)"
CAME = "select 1 where to_regclass('payments') is not null"
LOCKED = (
    "select from pg_locks where relation = 'notes'::regclass and mode = '{}' and granted = {} "
    "and database = (select oid from pg_database where datname = current_database())"
)


def payments(*shops: Protected) -> None:
    for each in shops:
        each.run(PAYMENTS)
        each.protect({"payments": [Tenant("shop"), Audit()]})


def killed(shop: Protected, kind: str, step: str) -> Callable[[str, int, int], None]:
    """As soon as that is the last of what was done to the tenant."""

    def progress(table: str, done: int, total: int) -> None:
        last = ledger(place(shop), "acme")[-1]
        if (last.kind, last.step) == (kind, step):
            raise KeyboardInterrupt

    return progress


def open_and_as_declared(shop: Protected) -> bool:
    return shop.drift() == [] and not shop.rows("select from pg_trigger where tgname like 'tenant_closed%'")


@pytest.mark.parametrize("brought", [True, False], ids=["brought over", "deleted"])
def test_rows_that_came_after_the_counting_are_not_deleted(shop: Protected, other: Protected, brought: bool) -> None:
    before = contents(shop, "acme")
    with pytest.raises(KeyboardInterrupt):
        move_tenant(place(shop), place(other), "acme", reason="r", progress=killed(shop, "tenant_delete", "counted"))
    payments(shop, other)
    shop.run(ROW.format(1), "insert into payments values (2, 'beta', 1)")
    for _ in range(2):
        with pytest.raises(UnsupportedError, match=r"HF483.* payments .*Bring them there, delete them here"):
            move_tenant(place(shop), place(other), "acme", reason="r")
        assert shop.rows("select id from payments order by id") == [(1,), (2,)]
    # What the message says to do can be done, and what was closed before is closed still.
    with pytest.raises(TenantError, match=r"HF484"):
        shop.run("insert into notes values ('acme', 'late')")
    if brought:
        other.run(ROW.format(1))
    shop.run("delete from payments where shop = 'acme'")
    moved = move_tenant(place(shop), place(other), "acme", reason="r")
    assert (moved.rows["orders"], moved.rows["payments"]) == (2, 0)
    assert contents(other, "acme") == before
    assert other.rows("select id from payments") == ([(1,)] if brought else [])
    assert not any(contents(shop, "acme").values())
    assert shop.rows("select id from payments") == [(2,)]
    assert open_and_as_declared(shop)


@pytest.mark.parametrize("brought", [True, False], ids=["brought over", "given up"])
def test_rows_that_came_after_the_copying_are_not_deleted(shop: Protected, other: Protected, brought: bool) -> None:
    before = contents(shop, "acme")

    def held(table: str, done: int, total: int) -> None:
        hold(shop.database, "customers", 21, reason="case 7")

    # It stops when all is copied and compared.
    with pytest.raises(HeldError, match="HF421"):
        move_tenant(place(shop), place(other), "acme", reason="r", progress=held)
    release(shop.database, "customers", 21)
    payments(shop, other)
    shop.run(ROW.format(1))
    with pytest.raises(UnsupportedError, match=r"HF483.* payments;.*reopen"):
        move_tenant(place(shop), place(other), "acme", reason="r")
    with pytest.raises(TenantError, match=r"HF484"):
        shop.run(ROW.format(2))
    assert contents(shop, "acme") == before
    if brought:
        other.run(ROW.format(1))
    else:
        reopen(place(shop), "acme", reason="r")
        assert open_and_as_declared(shop)
        delete_tenant(place(other), "acme", reason="begun anew")
    assert move_tenant(place(shop), place(other), "acme", reason="r").rows["payments"] == 1
    assert contents(other, "acme") == before
    assert other.rows("select id, amount::text from payments") == [(1, "9.50")]
    assert not any(contents(shop, "acme").values())
    assert shop.rows("select id from payments") == []
    assert open_and_as_declared(shop)


@contextmanager
def while_it_compares(other: Protected, do: Callable[[], None]) -> Iterator[Callable[..., None]]:
    """Progress of a move: ``do`` is done when the source has been looked at and the target has not."""
    with ThreadPoolExecutor(1) as threads, other.connect() as connection:
        doing: list[Future[None]] = []

        def hold_up() -> None:
            with connection.begin():
                connection.exec_driver_sql("lock table notes in access exclusive mode")
                until(lambda: other.rows(LOCKED.format("AccessShareLock", "false")))
                do()

        def progress(table: str, done: int, total: int) -> None:
            # The import has the table now, and who waits for it gets it when the import has ended.
            if not doing and other.rows(LOCKED.format("AccessShareLock", "true")):
                doing.append(threads.submit(hold_up))
                until(lambda: other.rows(LOCKED.format("AccessExclusiveLock", "false")))

        yield progress
        doing[0].result()


def test_rows_that_came_while_the_copies_were_compared_are_not_deleted(shop: Protected, other: Protected) -> None:
    before = contents(shop, "acme")

    def come() -> None:
        payments(shop)
        shop.run(ROW.format(1))

    with (
        while_it_compares(other, come) as progress,
        pytest.raises(UnsupportedError, match=r"HF483.* payments .*reopen"),
    ):
        move_tenant(place(shop), place(other), "acme", reason="r", progress=progress)
    assert contents(shop, "acme") == before
    payments(other)
    other.run(ROW.format(1))
    assert move_tenant(place(shop), place(other), "acme", reason="r").rows["payments"] == 1
    assert contents(other, "acme") == before
    assert shop.rows("select id from payments") == []
    assert open_and_as_declared(shop)


def test_a_table_that_came_while_it_was_copied_is_not_written_after_it_was_compared(
    shop: Protected, other: Protected
) -> None:
    def write() -> None:
        with pytest.raises(TenantError, match=r"HF484"):
            shop.run(ROW.format(1))

    with while_it_compares(other, write) as hold_up:

        def progress(table: str, done: int, total: int) -> None:
            # The target's tables have been looked at, so the archive may be without it.
            if other.rows(LOCKED.format("AccessShareLock", "true")) and not shop.rows(CAME):
                payments(shop, other)
            hold_up(table, done, total)

        move_tenant(place(shop), place(other), "acme", reason="r", progress=progress)
    assert open_and_as_declared(shop)


@pytest.mark.parametrize("earlier", [False, True], ids=["now", "begun by an earlier release"])
def test_a_table_that_came_before_the_copying_is_moved_too(shop: Protected, other: Protected, earlier: bool) -> None:
    with pytest.raises(KeyboardInterrupt):
        move_tenant(place(shop), place(other), "acme", reason="r", progress=killed(shop, "tenant_export", "done"))
    if earlier:
        shop.run(
            "set local session_replication_role = replica",
            "update holdfast.intervention set details = details - 'tables' where kind = 'tenant_move'",
        )
    payments(shop, other)
    shop.run(ROW.format(1))
    refused = []

    def write(table: str, done: int, total: int) -> None:
        with pytest.raises(TenantError, match=r"HF484"):
            shop.run(ROW.format(2))
        refused.append(table)

    moved = move_tenant(place(shop), place(other), "acme", reason="r", progress=write)
    assert moved.rows["payments"] == 1
    assert refused.count("payments") == 3
    assert other.rows("select id from payments") == [(1,)]
    assert open_and_as_declared(shop)


def test_a_deletion_goes_on_with_the_table_that_came(shop: Protected) -> None:
    with pytest.raises(KeyboardInterrupt):
        delete_tenant(place(shop), "acme", reason="left", progress=killed(shop, "tenant_delete", "counted"))
    payments(shop)
    shop.run(ROW.format(1), ROW.format(2), "insert into payments values (3, 'beta', 1)")

    def write(table: str, done: int, total: int) -> None:
        with pytest.raises(TenantError, match=r"HF484"):
            shop.run(ROW.format(4))

    deleted = delete_tenant(place(shop), "acme", reason="left", progress=write)
    proved = {name: (each["rows"], each["left"]) for name, each in deleted.certificate["tables"].items()}
    assert (proved["payments"], proved["orders"]) == ((2, 0), (2, 0))
    assert shop.rows("select id from payments") == [(3,)]
    assert {change.key for change in shop.log("payments")} == {3}
    assert open_and_as_declared(shop)
