"""``holdfast seal`` and ``holdfast verify``."""

from __future__ import annotations

import json
import pathlib
import signal
import subprocess
import sys

import pytest

from tests.cli.conftest import Shop


def kept(folder: pathlib.Path, *documents: object) -> str:
    """Digests as somebody keeps them: one after the other, in one file."""
    file = folder / "digests.json"
    file.write_text("\n".join(json.dumps(each) for each in documents), encoding="utf-8")
    return str(file)


def test_seal_prints_what_verify_takes(protected_shop: Shop, tmp_path: pathlib.Path) -> None:
    holdfast = protected_shop.holdfast
    protected_shop.run_as("ada", "update orders set status = 'sent' where id = 1")
    first = holdfast("seal")
    assert first.code == 0
    assert set(first.json) == {"holdfast", "database", "epoch", "hash", "sealed_at", "changes", "last_change"}
    assert (first.json["holdfast"], first.json["epoch"], first.json["changes"]) == (1, 1, 1)
    assert "1 change sealed so far" in first.err
    again = holdfast("seal", "--json")
    assert (again.json, again.err) == (first.json, "")
    protected_shop.run_as("bo", "update orders set status = 'back' where id = 1")

    verified = holdfast("verify", "--digest", kept(tmp_path, first.json, first.json))
    assert verified.code == 0
    assert verified.out == "Intact: 1 epoch, 1 change, and 2 digests from outside.\n"
    assert "1 change not sealed yet" in verified.err
    assert "No digest was given" not in verified.err
    alone = holdfast("verify", "--json")
    assert alone.json["intact"] is True
    assert (alone.json["epochs"], alone.json["unsealed"], alone.json["findings"]) == (1, 1, [])
    assert alone.json["last"] == first.json
    assert {each["kind"] for each in alone.json["recorded"]} == {"installation"}


def test_verify_names_what_it_finds(postgresql_shop: Shop, tmp_path: pathlib.Path) -> None:
    shop, holdfast = postgresql_shop, postgresql_shop.holdfast
    holdfast("protect", "--all", "--yes")
    shop.run_as("ada", "update orders set status = 'sent' where id = 1")
    holdfast("seal")
    shop.run("update holdfast.transaction set actor = 'eve'", "alter table orders disable trigger user")
    found = holdfast("verify")
    assert found.code == 1
    assert "Transaction 1 was edited after it was sealed in epoch 1." in found.out
    assert "The trigger holdfast_record_update of public.orders was switched off (since the last epoch)." in found.out
    listed = holdfast("verify", "--json")
    assert listed.code == 1
    assert {"kind": "transaction edited", "epoch": 1, "transaction": "1"}.items() <= listed.json["findings"][0].items()


def test_a_fork_is_stated_with_the_digest_that_is_not_known(protected_shop: Shop, tmp_path: pathlib.Path) -> None:
    holdfast = protected_shop.holdfast
    sealed = holdfast("seal").json
    lost = kept(tmp_path, {**sealed, "epoch": 9, "hash": "00", "last_change": 1_000})
    assert holdfast("verify", "--digest", lost).code == 1
    stated = holdfast("seal", "--fork", "the disk was lost", "--digest", lost)
    assert (stated.code, stated.json["epoch"]) == (0, 2)
    verified = holdfast("verify", "--digest", lost)
    assert verified.code == 0
    assert "the disk was lost" in verified.err


def test_what_cannot_be_checked_is_no_pass(shop: Shop, tmp_path: pathlib.Path) -> None:
    assert shop.holdfast("verify").code == 3
    assert "HF313" in shop.holdfast("seal").err
    shop.holdfast("protect", "--all", "--yes")
    unsealed = shop.holdfast("verify")
    assert unsealed.code == 3
    assert "Nothing was ever sealed" in unsealed.out
    nothing = tmp_path / "nothing.json"
    nothing.write_text("[]", encoding="utf-8")
    assert shop.holdfast("verify", "--digest", str(nothing)).code == 3
    assert shop.holdfast("verify", "--digest", str(tmp_path / "missing")).code == 2
    assert shop.holdfast("seal", "--digest", str(nothing)).code == 2
    assert shop.holdfast("seal", "--fork", "x").code == 2


def test_known_maintenance_is_acknowledged_and_hides_nothing_new(
    postgresql_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USER", "ada")
    shop, holdfast = postgresql_shop, postgresql_shop.holdfast
    holdfast("protect", "--all", "--yes")
    shop.run_as("ada", "update orders set status = 'sent' where id = 1")
    holdfast("seal")
    maintenance = (
        "alter table orders disable trigger holdfast_record_update",
        "alter table orders enable trigger holdfast_record_update",
    )
    shop.run(*maintenance)
    [open_finding] = holdfast("verify", "--json").json["findings"]
    assert "id" not in open_finding  # more may be done before the next seal
    holdfast("seal")
    [finding] = holdfast("verify", "--json").json["findings"]
    assert (finding["kind"], finding["epoch"]) == ("object altered", 2)
    assert holdfast("verify", "--acknowledge", finding["id"]).code == 2
    assert "HF314" in holdfast("verify", "--acknowledge", "0" * 16, "--reason", "x").err

    acknowledged = holdfast("verify", "--acknowledge", finding["id"], "--reason", "bulk load of 6 May")
    assert acknowledged.code == 0
    assert "bulk load of 6 May" in acknowledged.err
    assert "was switched off" in acknowledged.err
    holdfast("seal")
    again = holdfast("verify", "--json")
    assert (again.code, again.json["findings"]) == (0, [])
    [listed] = again.json["acknowledged"]
    assert (listed["id"], listed["acknowledged"]["reason"]) == (finding["id"], "bulk load of 6 May")

    # The same once more is a new finding, and neither it nor an edit hides behind the statement.
    shop.run(*maintenance)
    holdfast("seal")
    shop.run("update holdfast.change set after = before where id = 1")
    found = holdfast("verify", "--json")
    assert found.code == 1
    assert {(each["kind"], each["epoch"]) for each in found.json["findings"]} == {
        ("object altered", 4),
        ("change edited", 1),
    }
    assert [each["id"] for each in found.json["acknowledged"]] == [finding["id"]]
    # Nor does the statement go away unseen.
    shop.run("delete from holdfast.intervention where kind = 'acknowledgement'")
    kinds = [each["kind"] for each in holdfast("verify", "--json").json["findings"]]
    assert kinds.count("object altered") == 2
    assert "intervention removed" in kinds


def test_it_seals_every_so_often_until_it_is_interrupted(postgresql_shop: Shop, environment: dict[str, str]) -> None:
    shop = postgresql_shop
    shop.holdfast("protect", "--all", "--yes")
    with subprocess.Popen(
        [sys.executable, "-m", "holdfast", "seal", "--every", "0.05"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**environment, "HOLDFAST_URL": shop.protected.url},
        # A program that is started in the background of a shell may ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
    ) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        assert json.loads(program.stdout.readline())["epoch"] == 1
        shop.run("update orders set status = 'sent' where id = 1")
        assert json.loads(program.stdout.readline())["changes"] == 1
        program.send_signal(signal.SIGINT)
        assert program.wait() == 130
        assert "Traceback" not in program.stderr.read()
