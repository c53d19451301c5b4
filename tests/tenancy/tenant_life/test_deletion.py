"""A tenant is deleted: nothing is left of it, nobody writes meanwhile, and it can be proved."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from holdfast.database import Database, execute
from holdfast.errors import HeldError, HoldfastError, RequestError, TenantError, UnsupportedError
from holdfast.evidence import seal, verify
from holdfast.holds import hold, release
from holdfast.policies import Audit, Tenant
from holdfast.tenant_life import Place, delete_tenant, export_tenant, ledger, plan_deletion, reopen
from tests.harness import Protected
from tests.tenancy.tenant_life.shop import HOSTILE, QUOTED, contents, place


def test_nothing_is_left_and_it_is_proved(shop: Protected, tmp_path: Path) -> None:
    kept, seals = contents(shop, "acme"), seal(shop.database)
    plan = plan_deletion(place(shop), HOSTILE)
    assert contents(shop, HOSTILE)["orders"]
    certificate = tmp_path / "certificate.json"
    deleted = delete_tenant(place(shop), HOSTILE, reason="left", actor="ada", batch=1, certificate=certificate)
    assert deleted.rows == plan.rows
    assert not any(contents(shop, HOSTILE).values())
    assert contents(shop, "acme") == kept
    assert shop.rows("select count(*) from holdfast.change where tenant is distinct from 'acme'") == [(0,)]
    document = json.loads(certificate.read_text())
    assert document == ledger(place(shop), HOSTILE)[-1].details["certificate"]
    assert document["tables"]["orders"]["rows"] == 2
    assert (document["actor"], document["reason"], document["history"]["left"]) == ("ada", "left", 0)
    # Of the name nothing is left either, and what was sealed still verifies.
    [(found,)] = shop.rows("select count(*) from holdfast.intervention where details::text like '%neil%'")
    assert found == 0
    assert "neil" not in certificate.read_text()
    assert not verify(shop.database, [seals]).findings
    assert shop.drift() == []
    assert shop.rows("select count(*) from pg_trigger where tgname like 'tenant_closed%'") == [(0,)]
    with pytest.raises(RequestError, match=r"HF480"):
        delete_tenant(place(shop), HOSTILE, reason="again")


def test_the_history_may_stay(shop: Protected) -> None:
    delete_tenant(place(shop), "acme", reason="left", keep_history=True)
    assert not any(contents(shop, "acme").values())
    assert {change.operation for change in shop.log("orders") if change.key in (20, 21)} >= {"delete"}


def test_history_from_before_there_were_tenants_goes_too(postgresql_database: str) -> None:
    shop = Protected(postgresql_database, kept=False)
    shop.run("create table t (id int primary key, shop text, body text)")
    shop.protect({"t": [Audit()]})
    shop.run("insert into t values (1, 'a', 'x'), (2, 'b', 'x')", "update t set body = 'secret'")
    shop.protect({"t": [Audit(), Tenant("shop")]})
    delete_tenant(Place(shop.database), "a", reason="left")
    assert {change.key for change in shop.log("t") if change.operation == "update"} == {2}


def test_a_killed_deletion_goes_on_and_nobody_writes_meanwhile(shop: Protected, tmp_path: Path) -> None:
    def killed(table: str, done: int, total: int) -> None:
        if done >= 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        delete_tenant(place(shop), "acme", reason="left", batch=1, progress=killed)
    with pytest.raises(TenantError, match=r"HF484"):
        shop.run("insert into notes values ('acme', 'late')")
    shop.run(f"insert into notes values ('{QUOTED}', 'not concerned')")
    for attempt in (
        lambda: export_tenant(place(shop), "acme", tmp_path / "a.zip", reason="copy"),
        lambda: reopen(place(shop), "acme", reason="no"),
        lambda: delete_tenant(place(shop), "acme", reason="left", keep_history=True),
    ):
        with pytest.raises(TenantError, match=r"HF484"):
            attempt()
    deleted = delete_tenant(place(shop), "acme", reason="left")
    # All that was there at first, not only what was left.
    assert (deleted.rows["orders"], deleted.rows["notes"]) == (2, 3)
    assert not any(contents(shop, "acme").values())
    shop.run("insert into notes values ('acme', 'a new one')")


def test_writers_at_work_are_waited_for(shop: Protected) -> None:
    """Each row that was committed before the tenant was closed is deleted; each that comes later is refused."""
    refused: list[str] = []

    def write() -> None:
        database = Database(shop.url)
        for number in range(10_000):
            try:
                with database.begin() as connection:
                    execute(connection, f"insert into notes values ('acme', '{number}')")
            except HoldfastError as error:
                refused.append(error.code)
                return

    writers = [threading.Thread(target=write) for _ in range(2)]
    for each in writers:
        each.start()
    deleted = delete_tenant(place(shop), "acme", reason="left", progress=lambda *_: [each.join() for each in writers])
    assert refused == ["HF484", "HF484"]
    assert deleted.rows["notes"] >= 3
    assert not any(contents(shop, "acme").values())


def test_a_legal_hold_keeps_the_tenant(shop: Protected) -> None:
    hold(shop.database, "customers", 21, reason="case 7")
    before = contents(shop, "acme")
    for attempt in (plan_deletion, delete_tenant):
        with pytest.raises(HeldError, match="HF421"):
            attempt(place(shop), "acme", reason="left")
    assert contents(shop, "acme") == before
    release(shop.database, "customers", 21)
    delete_tenant(place(shop), "acme", reason="left")


def test_what_a_trigger_saves_is_reported_and_the_run_goes_on(shop: Protected) -> None:
    shop.run(
        "create function keep() returns trigger language plpgsql as $$begin return null; end$$",
        "create trigger keep before delete on notes for each row when (old.body = '') execute function keep()",
    )
    with pytest.raises(UnsupportedError, match=r"HF483.*notes \(1\)"):
        delete_tenant(place(shop), "acme", reason="left")
    shop.run("drop trigger keep on notes")
    assert delete_tenant(place(shop), "acme", reason="left").certificate["tables"]["notes"]["rows"] == 3
