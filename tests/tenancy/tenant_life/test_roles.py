"""Who has which role in a tenant is not changed while it is moved or deleted: it would be lost, or come back."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from holdfast.errors import TenantError
from holdfast.permissions import define_role, grant, revoke
from holdfast.tenant_life import delete_tenant, move_tenant, reopen
from tests.harness import Protected
from tests.tenancy.tenant_life.shop import place

WHO = "select tenant, actor from holdfast.actor_role order by 1, 2"


def change(shop: Protected, tenant: str, *, give: str | None = None, take: str | None = None) -> None:
    """Through ``assign_role`` and ``withdraw_role``, as an application does it."""
    with shop.database.begin() as connection:
        if give is not None:
            grant(connection, give, "clerk", tenant=tenant)
        if take is not None:
            assert revoke(connection, take, "clerk", tenant=tenant)


@pytest.fixture
def clerks(shop: Protected, other: Protected) -> None:
    for each in (shop, other):
        with each.database.begin() as connection:
            define_role(connection, "clerk", ["orders:write"])
    change(shop, "acme", give="mallory")


def meddling(shop: Protected, done: list[str]) -> Callable[[str, int, int], None]:
    def progress(table: str, *_: int) -> None:
        for attempt in ({"give": "ada"}, {"give": "mallory"}, {"take": "mallory"}):
            with pytest.raises(TenantError, match="HF484"):
                change(shop, "acme", **attempt)
        change(shop, "beta", give="bo", take="bo")
        done.append(table)

    return progress


@pytest.mark.usefixtures("clerks")
def test_a_move_brings_the_roles_as_they_are(shop: Protected, other: Protected) -> None:
    done: list[str] = []
    copying = meddling(shop, done)

    def progress(table: str, number: int, total: int) -> None:
        # When they are deleted here there is nothing left to take.
        if shop.rows(WHO):
            copying(table, number, total)

    move_tenant(place(shop), place(other), "acme", reason="r", progress=progress)
    assert done
    assert (shop.rows(WHO), other.rows(WHO)) == ([], [("acme", "mallory")])
    for each in (shop, other):
        change(each, "acme", give="ada")
        change(each, "acme", take="ada")


@pytest.mark.usefixtures("clerks")
def test_what_is_given_up_is_open_again(shop: Protected, other: Protected) -> None:
    done: list[str] = []
    copying = meddling(shop, done)

    def killed(table: str, number: int, total: int) -> None:
        copying(table, number, total)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        move_tenant(place(shop), place(other), "acme", reason="r", progress=killed)
    reopen(place(shop), "acme", reason="r")
    change(shop, "acme", give="ada", take="mallory")
    assert shop.rows(WHO) == [("acme", "ada")]


@pytest.mark.usefixtures("clerks")
def test_nobody_gets_a_role_of_a_tenant_that_is_deleted(shop: Protected) -> None:
    refused = []

    def progress(*_: object) -> None:
        with pytest.raises(TenantError, match="HF484"):
            change(shop, "acme", give="ada")
        refused.append(shop.rows(WHO))

    delete_tenant(place(shop), "acme", reason="left", progress=progress)
    assert refused
    assert shop.rows(WHO) == []
    change(shop, "acme", give="ada")


def test_the_state_of_protection_is_the_same_meanwhile(shop: Protected, other: Protected) -> None:
    """Closed is no drift, in the journal's tables as little as in the user's."""
    before, meanwhile = shop.status(), []
    move_tenant(place(shop), place(other), "acme", reason="r", progress=lambda *_: meanwhile.append(shop.status()))
    assert len(meanwhile) > 2
    assert all(each == before for each in (*meanwhile, shop.status()))
