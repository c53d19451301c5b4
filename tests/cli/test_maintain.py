"""``holdfast maintain``, ``holdfast purge`` and ``holdfast hold``."""

from __future__ import annotations

import gzip
import json
import pathlib

import pytest

from holdfast.policies import Audit, SoftDelete, find
from tests.cli.conftest import Shop


def dead(shop: Shop) -> None:
    """Orders 2 and 3 are deleted, and that long ago."""
    assert shop.holdfast("protect", "orders", "order_lines", "--soft-delete", "--add-columns", "--yes").code == 0
    shop.run("delete from orders where id > 1")
    if shop.protected.name == "sqlite":
        shop.run(
            "insert into holdfast_context (undo) values (1)",
            *(f"update {each} set deleted_at = '2020-01-01 00:00:00.000000' where deleted_at is not null"
              for each in ("orders", "order_lines")),
            "delete from holdfast_context",
        )  # fmt: skip
    else:
        shop.run(
            "set local session_replication_role = replica",
            "update orders set deleted_at = '2020-01-01' where deleted_at is not null",
            "update order_lines set deleted_at = '2020-01-01' where deleted_at is not null",
        )


def test_the_rules_are_declared_on_the_command_line_and_in_the_file(shop: Shop, empty_folder: pathlib.Path) -> None:
    assert shop.holdfast("protect", "orders", "--keep", "400d", "--yes").code == 0
    soft = ("--soft-delete", "--add-columns", "--yes")
    assert shop.holdfast("protect", "orders", "order_lines", *soft).code == 0
    assert shop.holdfast("protect", "orders", "--purge-after", "8w", "--yes").code == 0
    (empty_folder / "holdfast.toml").write_text(
        '[tables.customers]\naudit = { keep = "36h" }\nsoft_delete = { purge_after = 30 }\n'
    )
    outcome = shop.holdfast("protect", "--add-columns", "--yes")
    assert "keep=36h" in outcome.out
    assert "purge_after=30d" in outcome.out, outcome.err
    declared = {each.table.name: each.policies for each in shop.protected.inventory().relations.values()}
    assert find(declared["orders"], Audit) == Audit(keep=400)
    assert find(declared["orders"], SoftDelete) == SoftDelete(purge_after=56)
    assert find(declared["customers"], Audit) == Audit(keep="36h")
    assert shop.holdfast("status").code == 0
    for wrong in ("0", "soon", "-1d"):
        assert shop.holdfast("protect", "orders", f"--keep={wrong}", "--yes").code == 2
    (empty_folder / "holdfast.toml").write_text('[tables.orders]\naudit = { keep = "soon" }\n')
    assert "HF108" in shop.holdfast("status").err


def test_maintain_says_what_it_did(protected_shop: Shop, tmp_path: pathlib.Path) -> None:
    outcome = protected_shop.holdfast("maintain")
    assert (outcome.code, outcome.out.splitlines()[0]) == (
        0,
        "Nothing to do: the partitions are there, and no history is older than its rule says.",
    )
    protected_shop.holdfast("protect", "orders", "--keep", "1d", "--yes")
    protected_shop.run("update orders set status = 'lost' where id = 1")
    protected_shop.run("update customers set name = 'Bea' where id = 2")
    if protected_shop.protected.name == "sqlite":
        protected_shop.run(
            "insert into holdfast_context (id, maintenance) values (1, 1)",
            "update holdfast_transaction set at = '2020-02-02T00:00:00.000Z' where id = 1",
            "delete from holdfast_context",
        )
    else:
        protected_shop.run(
            "update holdfast.change set at = '2020-02-02' where id = 1",
            "update holdfast.transaction set at = '2020-02-02', committed = '2020-02-02' where id = 1",
        )
        status = protected_shop.holdfast("status")
        assert status.code == 1
        assert "partition 202002" in status.out
        assert "holdfast maintain" in status.out
    outcome = protected_shop.holdfast("maintain", "--export", str(tmp_path / "old"), "--json")
    assert outcome.code == 0
    [removed] = outcome.json["removed"]
    assert removed["changes"] == {"orders": 1}
    with gzip.open(removed["file"], "rt") as file:
        [_, line] = [json.loads(each) for each in file]
    assert (line["table"].rpartition(".")[2], line["key"], line["operation"]) == ("orders", 1, "update")
    assert (line["before"], line["after"]) == ({"status": "paid"}, {"status": "lost"})
    assert protected_shop.holdfast("status").code == 0


def test_a_second_maintain_ends_with_four(postgresql_shop: Shop) -> None:
    assert postgresql_shop.holdfast("maintain").code == 1, "nothing is protected"
    postgresql_shop.holdfast("protect", "orders", "--yes")
    with postgresql_shop.protected.connect() as other:
        other.exec_driver_sql("select pg_advisory_lock(hashtextextended('holdfast.maintain', 0))")
        outcome = postgresql_shop.holdfast("maintain")
        assert outcome.code == 4
        assert "HF420" in outcome.err


def test_purge_asks_first_and_tells_what_stays(shop: Shop) -> None:
    dead(shop)
    assert shop.holdfast("purge", "orders").code == 2, "after how long?"
    assert shop.holdfast("purge", "orders", "--older-than", "soon").code == 2
    assert shop.holdfast("purge", "orders", "--older-than", "90d").code == 2, "nobody can be asked"
    assert shop.holdfast("hold", "orders", "2", "--reason", "a case in court").code == 0
    outcome = shop.holdfast("purge", "orders", "--older-than", "90d", "--dry-run")
    assert outcome.code == 0
    assert outcome.out.splitlines() == ["  order_lines: 1 row would go", "  orders: 1 row would go"]
    assert "1 row under legal hold" in outcome.err
    outcome = shop.holdfast("purge", "orders", "--older-than", "90", "--yes", "--json")
    assert outcome.code == 0
    assert {name: outcome.json[name] for name in ("purged", "left", "held", "busy")} == {
        "purged": {"order_lines": 1, "orders": 1},
        "left": [],
        "held": 1,
        "busy": 0,
    }
    assert shop.rows("select id from orders order by id") == [(1,), (2,)]
    assert shop.holdfast("purge", "customers", "--older-than", "90d", "--yes").code == 3, "not soft-deleted"


def test_holds_are_placed_listed_and_released(protected_shop: Shop) -> None:
    call = protected_shop.holdfast
    assert call("hold", "--json").json == []
    assert call("hold", "order_lines", "2,1").code == 2, "why?"
    assert (
        call("hold", "order_lines", "2,1", "--reason", "a case in court").out
        == "order_lines 2,1 is under legal hold.\n"
    )
    assert "already" in call("hold", "order_lines", "2,1", "--reason", "a case in court").out
    assert call("hold", "orders", "77", "--reason", "a slip of the pen").code == 1
    [hold] = call("hold", "--json").json
    assert (hold["table"], hold["key"], hold["reason"]) == ("order_lines", [2, 1], "a case in court")
    assert "order_lines" in call("hold").out
    assert call("hold", "order_lines", "2,1", "--release", "--reason", "another").code == 1
    refused = call("unprotect", "order_lines", "--purge-history", "--yes")
    assert refused.code == 3
    assert "HF421" in refused.err
    assert call("hold", "order_lines", "2,1", "--release").code == 0
    assert call("hold", "order_lines", "2,1", "--release").code == 1
    assert call("unprotect", "order_lines", "--purge-history", "--yes").code == 0


@pytest.mark.parametrize(
    "arguments", [("hold", "--release"), ("hold", "orders"), ("purge",), ("hold", "orders", "1", "--json")]
)
def test_half_a_command_is_wrong_usage(protected_shop: Shop, arguments: tuple[str, ...]) -> None:
    assert protected_shop.holdfast(*arguments).code == 2
