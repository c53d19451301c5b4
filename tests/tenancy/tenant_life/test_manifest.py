"""Which tables have rows of a tenant: one that is forgotten is found before anything is done."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from holdfast.errors import UnsupportedError
from holdfast.tenant_life import check_manifest, delete_tenant, export_tenant
from tests.harness import Protected
from tests.tenancy.tenant_life.shop import SHARED, TABLES, place


def test_a_table_that_is_forgotten_fails_the_users_test(shop: Protected) -> None:
    engine = sa.create_engine(shop.database.url, poolclass=sa.NullPool)
    manifest = check_manifest(shop.database, shared=SHARED)
    assert manifest.tables.index("customers") < manifest.tables.index("orders")
    assert {*TABLES} < {*manifest.tables}
    assert "holdfast.actor_role" in manifest.tables
    for forgotten, statement in {
        "invoices": "create table invoices (id int primary key, shop text)",
        "ratings": "create table ratings (order_id bigint references orders)",
        "stray": "create table stray (id int)",
    }.items():
        shop.run(statement)
        with pytest.raises(UnsupportedError, match=f"HF481.*{forgotten}"):
            check_manifest(shop.database, shared=SHARED)
        check_manifest(engine, shared={**SHARED, forgotten: "not of a tenant"})
        shop.run(f"drop table {forgotten}")
    shop.run("create materialized view totals as select shop, count(*) from orders group by shop")
    with pytest.raises(UnsupportedError, match=r"HF481.*totals"):
        check_manifest(shop.database, shared=SHARED)
    check_manifest(shop.database, shared={**SHARED, "totals": "refreshed each night"})
    with pytest.raises(UnsupportedError, match=r"HF481.*gone_table"):
        check_manifest(shop.database, shared={**SHARED, "gone_table": "?"})


def test_a_gap_refuses_a_deletion_and_an_export(shop: Protected, tmp_path: Path) -> None:
    shop.run("create table ratings (order_id bigint references orders)")
    with pytest.raises(UnsupportedError, match=r"HF481.*ratings"):
        delete_tenant(place(shop), "acme", reason="left")
    with pytest.raises(UnsupportedError, match=r"HF481.*ratings"):
        export_tenant(place(shop), "acme", tmp_path / "acme.zip", reason="copy")
    assert not list(tmp_path.iterdir())
