"""A tenant is moved to another database or schema, and deleted here only once the copies are the same."""

from __future__ import annotations

import pytest

from holdfast.errors import HeldError, TenantError, UnsupportedError
from holdfast.holds import hold, release
from holdfast.policies import Audit
from holdfast.tenant_life import delete_tenant, move_tenant, plan_move, reopen
from tests.harness import Protected
from tests.tenancy.tenant_life.shop import DDL, HOSTILE, contents, place


def test_a_move_to_another_database_and_back(shop: Protected, other: Protected) -> None:
    before = contents(shop, HOSTILE)
    assert plan_move(place(shop), place(other), HOSTILE).rows["orders"] == 2
    assert contents(shop, HOSTILE) == before
    moved = move_tenant(place(shop), place(other), HOSTILE, reason="bigger server", actor="ada")
    assert moved.rows["orders"] == 2
    assert contents(other, HOSTILE) == before
    assert not any(contents(shop, HOSTILE).values())
    assert shop.log("orders")
    move_tenant(place(other), place(shop), HOSTILE, reason="back", keep_history=False)
    assert contents(shop, HOSTILE) == before
    assert other.log() == []


def test_a_move_into_a_schema_and_out_of_it(shop: Protected) -> None:
    before = contents(shop, "acme")
    shop.run("create schema tenant_acme", "set local search_path = tenant_acme, public",
             *DDL.split(";\n")[1:])  # fmt: skip
    inside = place(shop, "tenant_acme")
    move_tenant(place(shop), inside, "acme", reason="on its own")
    assert contents(shop, "acme", "tenant_acme") == before
    assert not any(contents(shop, "acme").values())
    # What is one tenant's as a whole is so in the journal as well, though no change says whose it is.
    shop.protect({"tenant_acme.customers": [Audit()]})
    shop.run("update tenant_acme.customers set email = 'new@x' where id = 21")
    before = contents(shop, "acme", "tenant_acme")
    moved = move_tenant(inside, place(shop), "acme", reason="back", keep_history=False)
    assert moved.deleted is not None
    assert moved.deleted.changes
    assert shop.log("tenant_acme.customers") == []
    assert contents(shop, "acme") == before
    with pytest.raises(UnsupportedError, match=r"HF482"):
        move_tenant(place(shop), place(shop), "acme", reason="nowhere")


def test_an_interrupted_move_goes_on_or_is_given_up(shop: Protected, other: Protected) -> None:
    before = contents(shop, "acme")

    def killed(table: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        move_tenant(place(shop), place(other), "acme", reason="r", progress=killed)
    with pytest.raises(TenantError, match=r"HF484"):
        shop.run("delete from notes where shop = 'acme'")
    with pytest.raises(TenantError, match=r"HF484"):
        delete_tenant(place(shop), "acme", reason="left")
    reopen(place(shop), "acme", reason="given up")
    shop.run("insert into notes values ('acme', 'open again')")
    before = contents(shop, "acme")
    # Killed when all is copied and a part is deleted.
    steps = iter(range(10_000))

    def later(table: str, done: int, total: int) -> None:
        if next(steps) == 17:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        move_tenant(place(shop), place(other), "acme", reason="r", progress=later, batch=1)
    assert contents(shop, "acme") != before
    with pytest.raises(TenantError, match=r"HF484"):
        move_tenant(place(shop), place(other, "public"), "acme", reason="r")
    move_tenant(place(shop), place(other), "acme", reason="r")
    assert contents(other, "acme") == before
    assert not any(contents(shop, "acme").values())


def test_nothing_is_deleted_where_the_copies_differ(shop: Protected, other: Protected) -> None:
    def held(table: str, done: int, total: int) -> None:
        hold(shop.database, "customers", 21, reason="case 7")

    with pytest.raises(HeldError, match="HF421"):
        move_tenant(place(shop), place(other), "acme", reason="r", progress=held)
    release(shop.database, "customers", 21)
    other.run("update notes set body = 'changed' where body = ''")
    with pytest.raises(UnsupportedError, match=r"HF483.*notes"):
        move_tenant(place(shop), place(other), "acme", reason="r")
    assert contents(shop, "acme")["notes"]
