"""Digests that were kept outside, and what is taken out rightly."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import sqlalchemy

from holdfast.database import execute
from holdfast.erasure import erase
from holdfast.errors import UnsupportedError
from holdfast.evidence import Digest, read_digests, seal, verify
from holdfast.evidence.leaves import inner, salt_of
from tests.harness import Protected
from tests.sealed import check, kinds, owner, sealed
from tests.servers import Server

pytestmark = pytest.mark.copy_of(build=sealed)


# ---------------------------------------------------------------------- digests that were kept outside


def test_only_a_digest_from_outside_shows_that_the_end_was_cut_off(postgresql_database: str) -> None:
    database = Protected(postgresql_database)
    digest = seal(database.database)
    assert digest.epoch == 3
    owner(
        database,
        "delete from holdfast.epoch where number = 3",
        "delete from holdfast.change where id >= 7",
        "delete from holdfast.transaction where id > (select max(high_transaction) from holdfast.epoch)",
    )
    assert kinds(check(postgresql_database)) == []
    assert kinds(check(postgresql_database, digest)) == ["journal truncated"]


def test_only_a_digest_from_outside_shows_that_all_was_sealed_anew(database: str) -> None:
    protected = Protected(database)
    digest = seal(protected.database)
    owner(
        protected, "delete from holdfast.epoch where number = 3", "delete from holdfast.transaction where actor = 'eve'"
    )
    owner(protected, "delete from holdfast.epoch", "update holdfast.transaction set actor = 'bo'")
    again = seal(protected.database)
    assert kinds(check(database, again)) == []
    assert kinds(check(database, digest)) == ["other journal"]


def test_a_restored_backup_is_a_fork_that_can_be_stated(postgresql: Server, postgresql_database: str) -> None:
    template = str(sqlalchemy.make_url(postgresql_database).database)
    with postgresql.new_database(template) as restored:
        original, backup = Protected(postgresql_database), Protected(restored)
        earlier = seal(original.database)
        digests = []
        for name in ("Cy", "Di", "Ed"):
            original.run(f"update customers set name = '{name}'")
            digests.append(seal(original.database))

        # The backup has never come so far; then it goes on, and has another epoch of that number.
        assert kinds(verify(backup.database, [earlier])) == []
        assert kinds(verify(backup.database, digests)) == ["fork"]
        backup.run("update customers set name = 'Other'")
        seal(backup.database)
        assert kinds(verify(backup.database, digests)) == ["fork"]

        with pytest.raises(UnsupportedError, match="HF311"):
            seal(backup.database, fork="no", digests=[earlier])
        stated = seal(backup.database, fork="the disk was lost", digests=digests)
        verification = verify(backup.database, [earlier, *digests, stated])
        assert verification.findings == ()
        [fork] = [each for each in verification.recorded if each.kind == "fork"]
        assert (fork.reason, fork.epoch) == ("the disk was lost", stated.epoch)
        # What the statement does not cover is still found.
        assert kinds(verify(backup.database, [replace(digests[0], hash="00")])) == ["fork"]
        assert kinds(verify(original.database, [stated])) == ["fork"]


def test_a_digest_file_is_read_as_it_was_written() -> None:
    digest = Digest("6f1c", 2, "ab12", "2026-05-06T07:08:09.000000Z", 512, 530)
    assert (
        read_digests(json.dumps(digest.as_json()) + "\n" + json.dumps(digest.as_json(), indent=2), "f") == [digest] * 2
    )
    for text in ("", "{}", "[1]", '{"holdfast": 2}', json.dumps({**digest.as_json(), "epoch": "x"})):
        with pytest.raises(UnsupportedError, match="HF312"):
            read_digests(text, "f")


# ---------------------------------------------------------------------- what is taken out rightly


def test_what_was_erased_cannot_be_guessed_from_its_digest(database: str) -> None:
    protected = Protected(database)
    evidence = protected.database.dialect.evidence
    digest = seal(protected.database)
    with protected.database.connect() as connection:
        named = [each.id for each in protected.log("customers") if each.operation == "update"]
        [before] = execute(connection, evidence.some("change", named))
    erase(protected.database, "customers", 1, reason="request 7")

    with protected.database.connect() as connection:
        [stand_in] = [each for each in execute(connection, evidence.stand_ins(named)) if each.change == before.id]
        epochs = [execute(connection, evidence.large(number))[0] for number in (1, 2, 3)]
        known = [bytes(each.seed) for each in epochs if each.seed is not None]
        salts = [bytes(each.salts or b"")[i : i + 16] for each in epochs for i in range(0, len(each.salts or b""), 16)]
    assert len(salts) > 2
    salts += [salt_of(seed, "change", before.id) for seed in known] + [bytes(stand_in.salt)]
    assert bytes(stand_in.digest) not in {inner(salt, before.body) for salt in salts}
    verification = check(database, digest)
    assert verification.findings == ()
    assert [each.reason for each in verification.recorded if each.kind == "erasure"] == ["request 7"]

    # Nothing can be hung on that erasure later.
    seal(protected.database)
    change = min(each.id for each in protected.log("orders"))
    owner(
        protected,
        "insert into holdfast.stand_in (change, intervention, digest, remaining, salt)"
        f" select {change}, intervention, digest, remaining, salt from holdfast.stand_in where change = {before.id}",
    )
    assert kinds(check(database)) == ["change forged", "intervention edited"]


def test_what_a_purge_took_is_known_as_purged_and_cannot_be_guessed(database: str) -> None:
    protected = Protected(database)
    digest = seal(protected.database)
    protected.unprotect("orders", purge_history=True)
    assert kinds(check(database, digest)) == []
    later = seal(protected.database)
    verification = check(database, digest, later)
    assert (verification.findings, verification.changes) == ((), len(protected.log()))
    with protected.database.connect() as connection:
        [epoch] = execute(connection, protected.database.dialect.evidence.large(2))
    assert epoch.seed is None
