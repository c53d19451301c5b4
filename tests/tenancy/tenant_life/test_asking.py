"""Who may be asked for, and who may ask."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.errors import RequestError, UnsupportedError
from holdfast.granting import named
from holdfast.policies import Audit, Tenant
from holdfast.roles import Roles
from holdfast.tenant_life import (
    Place,
    delete_tenant,
    export_tenant,
    import_tenant,
    move_tenant,
    plan_deletion,
    plan_move,
)
from tests.duties import drop_roles, give_roles, new_prefix, play
from tests.harness import Protected
from tests.servers import Server
from tests.suite.test_tenant import login
from tests.tenancy.tenant_life.shop import SHARED, contents, place


@pytest.fixture
def prefix(postgresql: Server) -> Iterator[str]:
    """Of roles that are gone when the databases are."""
    prefix = new_prefix()
    yield prefix
    drop_roles(postgresql, prefix)


def test_who_is_not_there_is_not_found(shop: Protected, other: Protected, tmp_path: Path) -> None:
    for tenant in ("nobody", "", "a\0b", "acme'"):
        for attempt in (
            lambda name: export_tenant(place(shop), name, tmp_path / "a.zip", reason="r"),
            lambda name: delete_tenant(place(shop), name, reason="r"),
            lambda name: plan_deletion(place(shop), name),
            lambda name: move_tenant(place(shop), place(other), name, reason="r"),
            lambda name: plan_move(place(shop), place(other), name),
        ):
            with pytest.raises(RequestError, match="HF480"):
                attempt(tenant)
    assert not list(tmp_path.iterdir())


def test_numbers_and_uuids(postgresql_database: str) -> None:
    shop = Protected(postgresql_database, kept=False)
    kinds = {"bigint": ("007", ("x", "1e3", "9" * 19, "1; drop table t")), "uuid": (f"{'0' * 31}A", ("x", "1"))}
    shop.run(*(f"create table t_{kind} (id int primary key, tenant_id {kind} not null)" for kind in kinds))
    shop.protect({f"t_{kind}": [Tenant(), Audit()] for kind in kinds})
    for kind, (known, unknown) in kinds.items():
        shop.run(f"insert into t_{kind} values (1, '{known}')")
        where = Place(shop.database, None, {f"t_{other}": "of another" for other in kinds if other != kind})
        for tenant in unknown:
            with pytest.raises(RequestError, match="HF480"):
                plan_deletion(where, tenant)
        deleted = delete_tenant(where, known, reason="r")
        assert (deleted.rows[f"t_{kind}"], deleted.changes) == (1, 2)
    assert shop.log() == []


@pytest.mark.parametrize("spelled", ["ab", "ab ", "ab   ", "ab       "])
def test_blanks_at_the_end_are_none_of_a_value_of_fixed_width(postgresql_database: str, spelled: str) -> None:
    shop = Protected(postgresql_database, kept=False)
    shop.run("create table t (id int primary key, tenant_id char(5) not null, body text)")
    shop.protect({"t": [Tenant(), Audit()]})
    shop.run("insert into t values (1, 'ab', 'x'), (2, 'abc', 'x')", "update t set body = 'secret' where id = 1")

    def killed(table: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        delete_tenant(Place(shop.database), "ab", reason="r", progress=killed)
    deleted = delete_tenant(Place(shop.database), spelled, reason="r")
    assert (deleted.tenant, deleted.rows["t"], deleted.changes) == ("ab", 1, 3)
    assert {change.key for change in shop.log()} == {2}
    for nobody in ("a", " ab", "     ", "abcdef"):
        with pytest.raises(RequestError, match="HF480"):
            delete_tenant(Place(shop.database), nobody, reason="r")


def test_who_does_not_see_all_is_told(shop: Protected, tmp_path: Path) -> None:
    with login(shop) as app:
        shop.run(
            f"grant select on all tables in schema holdfast to {app.database.url.username}",
            f"grant insert on holdfast.intervention to {app.database.url.username}",
        )
        with pytest.raises(UnsupportedError, match="HF404"):
            export_tenant(Place(app.database, None, SHARED), "acme", tmp_path / "a.zip", reason="copy")


def test_the_role_that_works_across_tenants_says_so(
    prefix: str, shop: Protected, other: Protected, tmp_path: Path
) -> None:
    roles = named(prefix, Roles())
    for each in (shop, other):
        give_roles(each, roles, own=True)
        each.run(
            f"grant holdfast to {roles.all_tenants}",
            f"grant select, insert, update, delete on all tables in schema public to {roles.all_tenants}",
            f"grant usage, select, update on all sequences in schema public to {roles.all_tenants}",
        )
    before = contents(shop, "acme")
    across, there = (play(each, roles.all_tenants) for each in (shop, other))
    export_tenant(place(across), "acme", tmp_path / "a.zip", reason="copy", actor="ada")
    assert shop.rows("select reason from holdfast.intervention where kind = 'all_tenants'") == [("copy",)]
    import_tenant(place(there), tmp_path / "a.zip", reason="copy")
    assert contents(other, "acme") == before


def test_a_database_without_it_says_what_can_be_done(sqlite_database: str, tmp_path: Path) -> None:
    file = Protected(sqlite_database, kept=False)
    with pytest.raises(UnsupportedError, match="HF499"):
        export_tenant(Place(file.database), "acme", tmp_path / "a.zip", reason="r")
