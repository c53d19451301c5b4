"""Roles: who has which in what tenant, and who may therefore do what."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import holdfast
from holdfast.database import execute
from holdfast.dialects import dialect_for
from holdfast.errors import DeclarationError, HoldfastError
from holdfast.permissions import Permissions, define_role, drop_role, explain, grant, held_by, revoke, roles, who_can
from holdfast.rights import granting, may, narrowed
from tests.permissions.conftest import Shop, build

pytestmark = pytest.mark.copy_of(build=build)

PARTS = ("a", "b1", "order")
SOUND = [":".join(parts) for length in (2, 3) for parts in itertools.product(PARTS, repeat=length)]
NASTY = [
    "", "*", ":", "order", "order:", "order:*", "a:*:b1", "a b", "a:b1 *", "a:b1\n", "'", "a:'b1'", '"', "$holdfast$",
    "\\", "a:\\", "é:a", "A:b1", "%", "a:%", "a:b1;--", "a.:b1", "a:b1:order:a", "a:-", "a:b1:", "a" * 201 + ":b1",
]  # fmt: skip
CODES = st.sampled_from([*SOUND, *NASTY])
PATTERNS = st.sampled_from(sorted({pattern for code in SOUND for pattern in granting(code)}))
SCOPES = PATTERNS | st.sampled_from(NASTY)


def held(shop: Shop, actor: str, tenant: str | None = None) -> frozenset[str]:
    with holdfast.context(actor=actor, tenant=tenant), shop.engine().connect() as connection:
        return held_by(connection).patterns


def test_python_and_the_database_give_one_answer(shop: Shop) -> None:
    permitting = dialect_for(shop.url.get_backend_name()).permitting
    with holdfast.context(actor="ada"), shop.engine().connect() as connection, connection.begin():

        @given(
            st.frozensets(PATTERNS, max_size=4),
            st.none() | st.frozensets(PATTERNS | st.sampled_from(NASTY), max_size=3),
            CODES,
        )
        @settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        def agree(patterns: frozenset[str], scopes: frozenset[str] | None, code: str) -> None:
            carried = narrowed(patterns, scopes)
            for query in permitting.carry(carried):
                execute(connection, query)
            [(answer,)] = execute(connection, permitting.may(code))
            assert bool(answer) == may(carried, code)
            if answer and scopes is not None:
                assert may(patterns, code)
                assert may(scopes, code)

        agree()


def test_a_role_is_of_one_tenant_and_until_then(shop: Shop) -> None:
    soon, past = datetime.now(UTC) + timedelta(hours=1), datetime.now(UTC) - timedelta(seconds=1)
    with holdfast.context(actor="root"), shop.admin() as connection:
        define_role(connection, "reader", ["order:read"], tenant="acme")
        define_role(connection, "clerk", ["order:read:total"], tenant="beta")
        grant(connection, "dan", "reader", tenant="acme", expires_at=soon, granted_by="ada", reason="holidays")
        grant(connection, "dan", "boss", tenant="acme", expires_at=past)
        # Of one name the tenant's own.
        grant(connection, "dan", "clerk", tenant="beta")
        with pytest.raises(HoldfastError, match="HF487"):
            grant(connection, "dan", "reader", tenant="beta")
    assert held(shop, "dan", "acme") == {"order:read"}
    assert held(shop, "dan", "beta") == {"order:read:total"}
    assert held(shop, "dan") == held(shop, "cyd") == held(shop, "cyd", "beta") == held(shop, "", "acme") == frozenset()
    assert held(shop, "cyd", "acme") == {"order:create", "order:update", "note:update", "order:delete", "note:delete"}
    with shop.admin() as connection:
        found = who_can(connection, "order:read", tenant="acme")
        assert [(each.actor, each.role) for each in found] == [("dan", "reader")]
        assert found[0].expires_at is not None
        assert abs(found[0].expires_at - soon) < timedelta(seconds=1)
        assert [each.actor for each in who_can(connection, "order:create", tenant="acme")] == ["cyd"]
        assert who_can(connection, "order:read", tenant="beta") == []
        told = explain(connection, "dan", "order:create", tenant="acme")
        assert (told.allowed, told.narrowed, told.roles) == (False, False, ("reader",))
        [ended] = told.grants
        assert (ended.through, ended.pattern, ended.expired) == (("boss", "clerk"), "order:create", True)
        assert explain(connection, "dan", "order:read", tenant="acme").grants[0].granted_by == "ada"
        assert explain(connection, "cyd", "order:create", tenant="acme", scopes=["order:delete"]).narrowed
        assert {(each.tenant, each.name) for each in roles(connection, tenant="acme")} == {
            (None, "boss"), (None, "clerk"), ("acme", "reader")
        }  # fmt: skip
        assert revoke(connection, "dan", "reader", tenant="acme", reason="back again")
        assert not revoke(connection, "dan", "reader", tenant="acme")
    assert held(shop, "dan", "acme") == frozenset()
    given = [
        (kind, actor, details["role"], details.get("tenant"))
        for kind, actor, details in shop.interventions("role", "grant", "revoke")
    ][5:]
    assert given == [
        ("role", "root", "reader", "acme"), ("role", "root", "clerk", "beta"), ("grant", "ada", "reader", "acme"),
        ("grant", "root", "boss", "acme"), ("grant", "root", "clerk", "beta"), ("revoke", None, "reader", "acme"),
    ]  # fmt: skip


def test_a_change_of_roles_is_part_of_the_transaction(shop: Shop) -> None:
    with shop.admin() as connection:
        define_role(connection, "clerk", ["*"])
        grant(connection, "bob", "boss")
        connection.rollback()
    assert held(shop, "bob") == {"order:create", "order:update", "note:update"}
    with shop.admin() as connection:
        define_role(connection, "clerk", ["order:update"])
    assert held(shop, "bob") == {"order:update"}
    assert held(shop, "ada") == {"order:update", "order:delete", "note:delete"}


def test_what_cannot_be_is_refused(shop: Shop) -> None:
    declared = Permissions("order:create", "order:delete")
    with shop.admin() as connection:
        define_role(connection, "intern", [], parent="boss")
        define_role(connection, "local", ["order:*"], tenant="acme", parent="intern", permissions=declared)
        for name, tenant, parent in (
            ("clerk", None, "clerk"), ("clerk", None, "boss"), ("clerk", None, "intern"), ("clerk", None, "local"),
            ("new", None, "nobody"), ("new", "beta", "local"), ("local", "acme", "local"), (" ", None, None),
        ):  # fmt: skip
            with pytest.raises(HoldfastError, match="HF487"):
                define_role(connection, name, [], tenant=tenant, parent=parent)
        for name in ("clerk", "boss", "nobody"):
            with pytest.raises(HoldfastError, match="HF487"):
                drop_role(connection, name)
        for pattern in ("order:read", "orders:*", "order: *", "x' or '1'='1"):
            with pytest.raises(DeclarationError, match="HF486"):
                define_role(connection, "new", [pattern], permissions=declared)
        with pytest.raises(HoldfastError, match="HF487"):
            grant(connection, "ada", "boss", expires_at=datetime(2030, 1, 1))  # noqa: DTZ001
        assert {each.name for each in roles(connection)} == {"boss", "clerk", "intern"}
        drop_role(connection, "local", tenant="acme")
        drop_role(connection, "intern")
    nasty = """x'; drop table orders; --" $$ :actor %s"""
    with shop.admin() as connection:
        define_role(connection, nasty, ["order:create"], tenant=nasty)
        grant(connection, nasty, nasty, tenant=nasty)
        assert [each.actor for each in who_can(connection, "order:create", tenant=nasty)] == [nasty]
    assert held(shop, nasty, nasty) == {"order:create"}
