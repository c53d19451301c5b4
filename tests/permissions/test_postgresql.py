"""What PostgreSQL alone has: roles of its own, row security, TRUNCATE, and a schema to give back as it was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

import holdfast
from holdfast.cli.undo import user
from holdfast.database import Database
from holdfast.errors import HoldfastError, PermissionDeniedError, TenantError, UnsupportedError
from holdfast.permissions import define_role, grant, held_by, revoke
from holdfast.policies import Audit, Permit, Tenant
from holdfast.signing import SigningKey
from holdfast.signing_keys import create_key, turn_off, turn_on
from holdfast.sqlalchemy import explained
from holdfast.sqlalchemy.permissions import bind_permissions
from tests.cli.conftest import Shell
from tests.harness import Protected
from tests.permissions.conftest import ROLE, Shop, build
from tests.servers import pg_dump_schema

COMMANDS = Permit(insert="o:insert", update="o:update", delete="o:delete", select="o:select")


@pytest.fixture
def protected(postgresql_database: str) -> Iterator[Protected]:
    protected = Protected(postgresql_database)
    protected.run(
        f"do $$ begin create role {ROLE} login; exception when duplicate_object then null; end $$",
        "create table orders (id bigint primary key, tenant_id text, status text)",
        "insert into orders values (1, 'acme', 'new'), (2, 'beta', 'new')",
        f"grant select, insert, update, delete, truncate on orders to {ROLE}",
    )
    yield protected
    protected.run(f"drop owned by {ROLE}")


class Application:
    """Raw SQL as the application's role, with what it holds set by hand."""

    def __init__(self, protected: Protected, held: str = "", tenant: str | None = None) -> None:
        url = sa.make_url(protected.url).set(username=ROLE).render_as_string(hide_password=False)
        self.database = Protected(url, kept=False)
        self.settings = [f"set local holdfast.permissions = '{held}'"] if held else []
        if tenant is not None:
            self.settings.append(f"select holdfast.set_context('me', '{tenant}')")

    def run(self, *statements: str) -> None:
        self.database.run(*self.settings, *statements)

    def may(self, statement: str) -> bool:
        try:
            self.run(statement)
        except PermissionDeniedError:
            return False
        return True


WAYS = {
    "insert": "insert into orders values (extract(microseconds from clock_timestamp()), 'acme', 'new')",
    "update": "update orders set status = 'paid' where id > 0",
    "delete": "delete from orders where id > 0",
    "select": "select from orders",
    "truncate": "truncate orders",
}


def test_each_command_needs_its_own_permission(protected: Protected) -> None:
    before = pg_dump_schema(protected.url)
    protected.protect({"orders": [COMMANDS, Audit()]})
    assert protected.drift() == []
    everything = "o:insert o:update o:delete o:select"
    assert [way for way in WAYS if Application(protected).may(WAYS[way])] == []
    assert [way for way in WAYS if Application(protected, everything.replace("o:delete", "")).may(WAYS[way])] == [
        "insert", "update", "select"
    ]  # fmt: skip
    # What reads, even to find its rows, needs to read.
    assert [way for way in WAYS if Application(protected, "o:insert o:update o:delete").may(WAYS[way])] == [
        "insert", "truncate"
    ]  # fmt: skip
    assert [way for way in WAYS if Application(protected, "o:*").may(WAYS[way])] == list(WAYS)
    # Another declaration takes the place of the first, and leaves nothing of it.
    protected.protect({"orders": [Permit(delete="o:delete")]})
    assert protected.drift() == []
    assert [way for way in WAYS if Application(protected).may(WAYS[way])] == ["insert", "update", "select"]
    protected.unprotect(purge_history=True)
    assert pg_dump_schema(protected.url) == before


def test_somebody_switched_a_policy_off(protected: Protected) -> None:
    protected.protect({"orders": [COMMANDS]})
    for statement in (
        "drop policy holdfast_permit_delete on orders",
        "alter policy holdfast_permit_delete on orders using (true)",
        "alter table orders disable row level security",
        "create or replace function holdfast.may(permission text) returns boolean language sql as 'select true'",
    ):
        protected.run(statement)
        assert protected.drift() != []
        protected.protect({})
        assert protected.drift() == []
        assert not Application(protected).may(WAYS["delete"])


def test_tenants_and_permissions_hold_side_by_side(protected: Protected) -> None:
    before = pg_dump_schema(protected.url)
    # Whichever comes first, the other does not open what it closed.
    protected.protect({"orders": [Permit(delete="o:delete")]})
    protected.protect({"orders": [Tenant()]})
    assert protected.drift() == []
    Application(protected, "o:delete", tenant="acme").run("delete from orders")
    assert protected.rows("select tenant_id from orders") == [("beta",)]
    assert not Application(protected, "o:update", tenant="beta").may("delete from orders")
    with pytest.raises(TenantError):
        Application(protected, "*", tenant="acme").run("insert into orders values (9, 'beta')")
    protected.unprotect(purge_history=True)
    assert pg_dump_schema(protected.url) == before


def test_policies_of_the_users_own_still_say_which_rows(protected: Protected) -> None:
    protected.run("alter table orders enable row level security")
    with pytest.raises(UnsupportedError, match="HF489"):
        protected.protect({"orders": [Permit(delete="o:delete")]})
    protected.run("create policy mine on orders using (tenant_id = 'acme')")
    before = pg_dump_schema(protected.url)
    protected.protect({"orders": [Permit(delete="o:delete")]})
    Application(protected, "o:delete").run("delete from orders")
    assert protected.rows("select id from orders") == [(2,)]
    protected.unprotect(purge_history=True)
    assert pg_dump_schema(protected.url) == before


def test_where_there_are_roles_it_is_the_application_that_needs_permissions(protected: Protected) -> None:
    protected.protect({"orders": [Audit()]})
    protected.run(f"insert into holdfast.role values ('application', '{ROLE}')")
    protected.run(f"create role owner_{ROLE} login", f"alter table orders owner to owner_{ROLE}")
    try:
        protected.protect({"orders": [Permit(update="o:update", delete="o:delete")]})
        protected.run(f"grant truncate on orders to {ROLE}")
        assert not Application(protected).may(WAYS["truncate"])
        assert not Application(protected).may("delete from orders")
        owner = Application(protected)
        owner.database = Protected(
            sa.make_url(protected.url).set(username=f"owner_{ROLE}").render_as_string(hide_password=False), kept=False
        )
        owner.run("update orders set status = 'paid'", "truncate orders")
        assert protected.rows("select count(*) from orders") == [(0,)]
    finally:
        protected.run(f"reassign owned by owner_{ROLE} to current_user", f"drop role owner_{ROLE}")


@pytest.mark.copy_of(build=build)
def test_an_application_gives_no_more_than_it_holds(postgresql_shop: Shop) -> None:
    shop, engine = postgresql_shop, postgresql_shop.engine()
    with shop.admin() as connection:
        define_role(connection, "manager", ["permission:grant", "order:*"])
        define_role(connection, "everything", ["*"])
        define_role(connection, "above", [], parent="everything")
        grant(connection, "mia", "manager", tenant="acme")
    with holdfast.context(actor="mia", tenant="acme"):
        with engine.begin() as connection:
            for direct in (
                "insert into holdfast.role_permission values ('', 'clerk', '*')",
                "insert into holdfast.actor_role values ('', 'mia', '', 'boss')",
            ):
                with pytest.raises(HoldfastError, match="HF404"), explained(connection), connection.begin_nested():
                    connection.execute(sa.text(direct))
            with pytest.raises(HoldfastError, match="HF404"), connection.begin_nested():
                define_role(connection, "clerk", ["*"])
        with engine.begin() as connection:
            for role in ("everything", "above", "boss"):
                with pytest.raises(PermissionDeniedError, match=role), connection.begin_nested():
                    grant(connection, "mia", role, tenant="acme")
            with pytest.raises(TenantError), connection.begin_nested():
                grant(connection, "mia", "manager", tenant="beta")
            grant(connection, "new", "manager", tenant="acme")
            assert not revoke(connection, "new", "clerk", tenant="acme")
            assert revoke(connection, "new", "manager", tenant="acme")
    with holdfast.context(actor="bob"), engine.begin() as connection:
        with pytest.raises(PermissionDeniedError, match="permission:grant"):
            grant(connection, "bob", "clerk")
    assert [(actor, details["actor"]) for _, actor, details in shop.interventions("grant")][-2:] == [
        (None, "mia"), ("mia", "new")
    ]  # fmt: skip


@pytest.mark.copy_of(build=build)
def test_a_pool_carries_nothing_over(postgresql_shop: Shop) -> None:
    engine = postgresql_shop.engine()
    pids = set()
    for actor, may in (("ada", True), (None, False), ("bob", False), ("ada", True), ("eve", False)):
        with holdfast.context(actor=actor), engine.connect() as connection:
            pids.add(connection.scalar(sa.text("select pg_backend_pid()")))
            assert connection.scalar(sa.text("select holdfast.may('order:delete')")) is may
            assert held_by(connection).may("order:delete") is may
            connection.commit()
    assert len(pids) == 1


@pytest.mark.copy_of(build=build)
def test_with_signed_contexts_a_setting_holds_nothing(postgresql_shop: Shop) -> None:
    shop = postgresql_shop
    database = Database(shop.url)
    key = SigningKey("web", create_key(database, "web"))
    turn_on(database)
    engine = sa.create_engine(shop.url.set(username=ROLE), poolclass=sa.NullPool)
    holdfast.sqlalchemy.bind(engine, signing_key=key)
    bind_permissions(engine)
    forged = "select set_config('holdfast.permissions', '*', true), set_config('holdfast.tenant', 'acme', true)"
    asked = "select holdfast.may('order:delete')"
    for actor, tenant, scopes, may in (
        ("ada", None, None, True), ("bob", None, None, False), ("cyd", None, None, False), ("cyd", "acme", None, True),
        ("ada", None, ["order:*"], True), ("ada", None, ["order:read", "x *"], False), ("ada", None, [], False),
        ("ada", None, "openid order:delete", True), ("ada", None, "openid", False),
    ):  # fmt: skip
        with holdfast.context(actor=actor, tenant=tenant, scopes=scopes), engine.connect() as connection:
            assert held_by(connection).may("order:delete") is may
            assert connection.scalar(sa.text(asked)) is may
            connection.execute(sa.text(forged))
            assert connection.scalar(sa.text(asked)) is may
    bare = Protected(engine.url.render_as_string(hide_password=False), kept=False)
    with pytest.raises(PermissionDeniedError):
        bare.run(forged, "delete from orders")
    admin = Protected(shop.url.render_as_string(hide_password=False))
    assert admin.drift() == []
    turn_off(database)
    assert admin.drift() == []
    bare.run(forged, "delete from orders")


@pytest.mark.copy_of(build=build)
def test_with_signed_contexts_who_gives_and_takes_a_role_is_who_signed(postgresql_shop: Shop) -> None:
    shop = postgresql_shop
    database = Database(shop.url)
    key = SigningKey("web", create_key(database, "web"))
    with shop.admin() as connection:
        define_role(connection, "lead", ["permission:grant", "order:*", "note:*"])
        grant(connection, "mia", "lead")
    engine = sa.create_engine(shop.url.set(username=ROLE), poolclass=sa.NullPool)
    holdfast.sqlalchemy.bind(engine, signing_key=key)
    owner = sa.create_engine(shop.url, poolclass=sa.NullPool)
    holdfast.sqlalchemy.bind(owner)

    def given() -> list[str | None]:
        """By whom to the one and to the other, as it is recorded: in the table, and for good."""
        by = [row[0] for row in shop.rows("select granted_by from holdfast.actor_role where actor in ('one', 'two')")]
        recorded = [who for _, who, told in shop.interventions("grant", "revoke") if told["actor"] in ("one", "two")]
        return [*by, *recorded]

    turn_on(database)
    with holdfast.context(actor="mia"), engine.begin() as connection:
        connection.execute(sa.text("select set_config('holdfast.context', '{\"actor\": \"the boss\"}', true)"))
        grant(connection, "one", "clerk", granted_by="the boss", reason="she said so")
        assert revoke(connection, "one", "clerk", revoked_by="the boss")
        grant(connection, "one", "clerk")
    assert given() == ["mia", "mia", "mia", "mia"]
    # Whom the journal belongs to is believed without a signature, on the command line too.
    with holdfast.context(actor="root"), owner.begin() as connection:
        grant(connection, "two", "clerk")
        assert revoke(connection, "two", "clerk", revoked_by="the board")
    said = Shell(shop.url.render_as_string(hide_password=False))("permissions", "grant", "two", "clerk")
    assert said.code == 0
    assert given() == ["mia", user(), "mia", "mia", "mia", "root", "the board", user()]
    assert Protected(shop.url.render_as_string(hide_password=False)).drift() == []
    turn_off(database)
    with holdfast.context(actor="mia"), shop.engine().begin() as connection:
        grant(connection, "one", "clerk", granted_by="the boss")
    assert given()[-1] == "the boss"
