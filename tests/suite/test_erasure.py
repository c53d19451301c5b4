"""Erasure: a row's values are nowhere any more, and all that happened to it is still told."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from holdfast.database import execute
from holdfast.erasure import erase, erase_row, erasures
from holdfast.errors import CheckError, ErasureError, HeldError, UndoConflictError, UnsupportedError
from holdfast.evidence import seal, verify
from holdfast.history import as_of, revert, rows_as_of, versions
from holdfast.holds import hold
from holdfast.inspector import inspect
from holdfast.journal import ERASED
from holdfast.policies import Audit, Inserts, Policy, SoftDelete, Timestamps, Version
from tests.harness import Protected, journal
from tests.kept import kept
from tests.suite.test_undo_failures import wait_for, waiting

pytestmark = pytest.mark.copy_of(build=journal)

SECRETS = ("Annabel", "Annelise", "ann@example", "ann@other", "0170-555")
MARK = dict(ERASED)


def people(url: str, *policies: Policy, phone: str = "text") -> Protected:
    protected = Protected(url)
    protected.run(
        "create table towns (id int primary key, name text)",
        f"create table people (id int primary key, name text not null, email text unique, phone {phone},"
        " town int references towns, points numeric(10, 3), check (name <> ''))",
        "insert into towns values (1, 'Ulm')",
    )
    protected.protect({"people": policies or (Audit(),), "towns": [Audit()]}, add_columns=True)
    return protected


def live(protected: Protected) -> None:
    """What happened to Ann (1, later 7), and to Bob (2) meanwhile."""
    protected.write(
        "insert into people (id, name, email, phone, town, points) values "
        "(1, 'Annabel', 'ann@example', '0170-555', 1, 1.500), (2, 'Bob', 'bob@example', null, 1, 2)"
    )
    protected.write("update people set name = 'Annelise', points = 7 where id = 1", actor="ann")
    protected.write("update people set points = points + 1", actor="clerk")
    protected.write("update people set id = 7 where id = 1")
    protected.write("update people set email = 'ann@other' where id = 7")


def lived(url: str) -> None:
    """To be copied."""
    live(people(url))


def told(protected: Protected) -> list[Any]:
    return [(c.transaction, c.at, c.actor, c.key, c.operation) for c in protected.log("people")]


@pytest.mark.parametrize("inserts", ["key", "full"])
def test_the_values_are_nowhere_and_the_changes_are_all_there(database: str, inserts: Inserts) -> None:
    protected = people(database, Audit(inserts=inserts, mask={"phone"}), Version(), Timestamps())
    live(protected)
    before, bob = told(protected), [c for c in protected.log("people") if c.key == 2]
    erased = erase(protected.database, "people", 7, reason="asked to", replace={"name": "-"}, actor="officer")
    assert [each for each in SECRETS if each in kept(protected)] == []
    assert told(protected)[:-1] == before
    assert [c for c in protected.log("people") if c.key == 2] == bob
    assert protected.rows("select name, email, phone, town, points, version from people where id = 7") == [
        ("-", None, None, 1, None, 6)
    ]
    assert erased.columns == ("name", "email", "phone", "points")
    assert (erased.key, erased.keys, erased.row, erased.possible_keys) == (7, (7, 1), True, ())
    assert erased.changes == (6 if inserts == "full" else 5)
    # What is not of the person is told as ever, and of the rest that it changed.
    update = next(c for c in protected.log("people") if c.actor == "ann")
    assert (update.before, update.after) == ({"name": MARK, "points": MARK}, {"name": MARK, "points": MARK})
    came = next(c for c in protected.log("people") if c.key == 7)
    assert came.after is not None
    assert (came.after["town"], came.after["email"]) == (1, MARK)
    # The erasure's own change does not say what it found.
    own = protected.log("people")[-1]
    assert (own.actor, own.reason, own.operation) == ("officer", "asked to", "update")
    assert own.before is not None
    assert own.after == {"name": "-", "email": None, "points": None} | ({"phone": None} if "phone" in own.after else {})
    assert all(value == MARK for value in own.before.values())
    with protected.database.snapshot() as connection:
        [found] = erasures(connection, protected.database.dialect)
    assert (found.actor, found.reason, found.erased) == ("officer", "asked to", erased)
    assert erase(protected.database, "people", 7, reason="again", replace={"name": "-"}).changes == 1


@pytest.mark.copy_of(build=lived)
def test_a_dry_run_changes_nothing(database: str) -> None:
    protected = Protected(database)
    before = kept(protected), protected.checksum("people")
    erased = erase(protected.database, "people", 7, reason="x", replace={"name": "-"}, dry_run=True)
    assert (kept(protected), protected.checksum("people")) == before
    assert erase(protected.database, "people", 7, reason="x", replace={"name": "-"}) == erased


@pytest.mark.copy_of(build=lived)
def test_a_row_that_is_gone_has_its_history_erased(database: str) -> None:
    protected = Protected(database)
    deleted = protected.write("delete from people where id = 7")
    erased = erase(protected.database, "people", 1, reason="asked to")
    assert (erased.row, erased.keys) == (False, (7, 1))
    assert [each for each in SECRETS if each in kept(protected)] == []
    # The undo of the delete has nothing to give back, and says so; forced, it gives what there is.
    with pytest.raises(UndoConflictError) as refused:
        protected.undo(deleted)
    assert [(c.key, c.why) for c in refused.value.conflicts] == [
        (7, "these values were erased: name, email, phone, points")
    ]
    with pytest.raises(UndoConflictError):
        protected.undo(deleted, force=True)
    assert protected.rows("select count(*) from people") == [(1,)]


@pytest.mark.copy_of(build=lived)
def test_one_row_of_many_that_left_together(database: str) -> None:
    protected = Protected(database)
    protected.run("truncate people" if protected.name == "postgresql" else "delete from people")
    erase(protected.database, "people", 7, reason="asked to", columns=["name", "email"])
    text = kept(protected)
    assert not {"Annabel", "Annelise", "ann@example", "ann@other"} & set(text.replace('"', " ").split())
    assert [each for each in SECRETS if each in text] == ["0170-555"]
    assert "bob@example" in text


# ---------------------------------------------------------------------- which row


def test_a_key_that_others_had_is_not_theirs(database: str) -> None:
    """1 was Ann, who is 7 now; then Cem had it, who was deleted and brought back; Dora is 8, who was 7 before Ann."""
    protected = people(database)
    protected.write("insert into people (id, name) values (7, 'Dora')")
    protected.write("update people set name = 'Dorothy' where id = 7")
    protected.write("update people set id = 8 where id = 7")
    live(protected)
    protected.write("insert into people (id, name) values (1, 'Cem')")
    protected.undo(protected.write("delete from people where id = 1"))
    protected.write("update people set name = 'Cemal' where id = 1")
    erased = erase(protected.database, "people", 7, reason="x", replace={"name": "-"})
    text = kept(protected)
    assert [each for each in SECRETS if each in text] == []
    assert [each for each in ("Dora", "Dorothy", "Cem") if f'"{each}"' not in text and f"\n{each}\n" not in text] == []
    assert erased.keys == (7, 1)
    erased = erase(protected.database, "people", 1, reason="x", replace={"name": "-"})
    assert (erased.keys, protected.rows("select name from people where id = 1")) == ((1,), [("-",)])
    assert "Cem" not in kept(protected)
    assert "Dora" in kept(protected)


@pytest.mark.copy_of(build=lived)
def test_keys_that_changed_together_are_told_apart_or_named(database: str) -> None:
    protected = Protected(database)
    protected.write("insert into people (id, name) values (3, 'Twin'), (4, 'Twin')")
    protected.write("update people set id = id + 100")
    erased = erase(protected.database, "people", 107, reason="x", replace={"name": "-"})
    assert erased.keys == (107, 7, 1)
    assert [each for each in SECRETS if each in kept(protected)] == []
    twin = erase(protected.database, "people", 103, reason="x", replace={"name": "-"})
    if protected.name == "sqlite":
        assert (twin.keys, twin.possible_keys) == ((103, 3), ())
    else:
        assert (twin.keys, sorted(twin.possible_keys)) == ((103,), [3, 4])


def test_a_key_of_several_columns_and_of_bytes(database: str) -> None:
    protected = Protected(database)
    blob = "bytea" if protected.name == "postgresql" else "blob"
    raw = "'\\x00ff'" if protected.name == "postgresql" else "x'00ff'"
    protected.run(
        f"create table t (region text, code {blob}, v text, primary key (region, code))",
        f"create table u (code {blob} primary key, v text)",
    )
    protected.protect({"t": [Audit()], "u": [Audit()]})
    protected.run(f"insert into t values ('n\"ö', {raw}, 'secret')", f"insert into u values ({raw}, 'secret')")
    protected.run("update t set v = 'hidden'", "update u set v = 'hidden'")
    for table in ("t", "u"):
        [key] = {repr(c.key): c.key for c in protected.log(table)}.values()
        erased = erase(protected.database, table, key, reason="x")
        assert (erased.row, erased.changes, erased.columns) == (True, 1, ("v",))
        assert protected.rows(f"select v from {table}") == [(None,)]
    assert not {"secret", "hidden"} & set(kept(protected).replace('"', " ").split())


# ---------------------------------------------------------------------- what cannot be


def test_what_cannot_be_erased_is_refused_before_anything_is_written(database: str) -> None:
    protected = people(database, Audit(), SoftDelete(), Version())
    live(protected)
    before = kept(protected), protected.checksum("people")

    def refused(code: str, text: str, key: int = 7, **options: Any) -> None:
        with pytest.raises(ErasureError) as caught:
            erase(protected.database, "people", key, reason="x", **options)
        assert (caught.value.code, text in str(caught.value)) == (code, True), caught.value

    refused("HF425", "--replace name=…")
    refused("HF427", "99", key=99)
    refused("HF429", "'id'", columns=["id"])
    refused("HF429", "'version'", replace={"version": 1})
    refused("HF429", "'nmae'", columns=["nmae"])
    with pytest.raises(CheckError):
        erase(protected.database, "people", 7, reason="x", replace={"name": ""})
    with pytest.raises(UnsupportedError, match="HF409"):
        erase(protected.database, "nobody", 7, reason="x")
    assert (kept(protected), protected.checksum("people")) == before
    hold(protected.database, "people", 1, reason="lawsuit")
    before = kept(protected), protected.checksum("people")
    with pytest.raises(HeldError):
        erase(protected.database, "people", 7, reason="x", replace={"name": "-"})
    assert (kept(protected), protected.checksum("people")) == before


@pytest.mark.copy_of(build=lived)
def test_a_trigger_that_fills_a_column_again_is_found(database: str) -> None:
    protected = Protected(database)
    if protected.name == "postgresql":
        protected.run(
            "create function refill() returns trigger language plpgsql as "
            "$$ begin new.email := coalesce(new.email, 'none@here'); return new; end $$",
            "create trigger refill before update on people for each row execute function refill()",
        )
    else:
        protected.run(
            "create trigger refill after update on people when new.email is null begin "
            "update people set email = 'none@here' where id = new.id; end"
        )
    with pytest.raises(ErasureError, match="HF428"):
        erase(protected.database, "people", 7, reason="x", replace={"name": "-"})
    assert "ann@example" in kept(protected)
    erase(protected.database, "people", 7, reason="x", replace={"name": "-", "email": "gone@here"})
    assert [each for each in SECRETS if each in kept(protected)] == []


# ---------------------------------------------------------------------- which columns


@pytest.mark.copy_of(build=lived)
def test_columns_that_were_renamed_or_dropped_since(database: str) -> None:
    protected = Protected(database)
    protected.unprotect("people")
    protected.run("alter table people rename column name to called", "alter table people drop column phone")
    protected.protect({"people": [Audit()]})
    erased = erase(protected.database, "people", 7, reason="x", columns=["called"], replace={"called": "-"})
    assert erased.columns == ("called",)
    text = kept(protected)
    assert [each for each in SECRETS if each in text] == ["ann@example", "ann@other", "0170-555"]
    erase(protected.database, "people", 7, reason="x", columns=["phone"])
    assert "0170-555" not in kept(protected)
    erase(protected.database, "people", 7, reason="x", replace={"called": "-"})
    assert [each for each in SECRETS if each in kept(protected)] == []


def test_a_generated_column_goes_with_what_it_was_generated_of(postgresql_database: str) -> None:
    protected = Protected(postgresql_database)
    protected.run(
        "create table t (id int primary key, name text, n int, shout text generated always as (upper(name)) stored)"
    )
    protected.protect({"t": [Audit(inserts="full")]})
    protected.run("insert into t (id, name, n) values (1, 'anna', 1)")
    protected.run("update t set name = 'anne'")
    erase(protected.database, "t", 1, reason="x", columns=["name"])
    assert not [each for each in ("anna", "anne", "ANNA", "ANNE") if each in kept(protected)]
    assert protected.rows("select name, shout, n from t") == [(None, None, 1)]


def test_what_one_partition_refers_by_stays(postgresql_database: str) -> None:
    protected = Protected(postgresql_database)
    protected.run(
        "create table towns (id int primary key, code int, name text) partition by range (id)",
        "create table towns_1 partition of towns for values from (0) to (100)",
        "alter table towns_1 add unique (code)",
        "create table people (id int primary key, name text, town int) partition by range (id)",
        "create table people_1 partition of people for values from (0) to (100)",
        "alter table people_1 add foreign key (town) references towns_1 (code)",
        "insert into towns values (1, 7, 'Ulm')",
        "insert into people values (1, 'Annabel', 7)",
    )
    protected.protect({"people": [Audit()], "towns": [Audit()]})
    erase(protected.database, "people", 1, reason="asked to")
    erase(protected.database, "towns", 1, reason="asked to")
    assert protected.rows("select * from people") == [(1, None, 7)]
    assert protected.rows("select * from towns") == [(1, 7, None)]


@pytest.mark.copy_of(build=lived)
def test_the_history_alone(database: str) -> None:
    """A declaration that came late: the row keeps what the journal should never have had."""
    protected = Protected(database)
    plan = protected.protect({"people": [Audit(exclude={"phone"}, mask={"name"})]})
    assert [note for note in plan.notes if "name, phone" in note and "holdfast erase" in note]
    erase(protected.database, "people", 7, reason="x", columns=["phone", "name"], history_only=True)
    assert protected.rows("select name, phone from people where id = 7") == [("Annelise", "0170-555")]
    assert [each for each in SECRETS if each in kept(protected)] == ["ann@example", "ann@other"]


TYPES = {
    "text": ("'se' || 'cret'", "'other'", "secret"),
    "varchar(6)": ("'secret'", "'other'", "secret"),
    "json": ("""'{"a": "secret", "erased": true}'""", "'[]'", "secret"),
    "jsonb": ("""'{"erased": true, "a": "secret"}'""", "'null'", "secret"),
    "bytea": ("decode('5ec2e7', 'hex')", "''", "5ec2e7"),
    "text[]": ("array['secret', '\"', null]", "'{}'", "secret"),
    "numeric": ("31415926.5350", "1.00", "31415926"),
    "timestamptz": ("'1999-01-02 03:04:05.678+02'", "'infinity'", "1999-01-02"),
    "uuid": ("'5ec2e700-0000-4000-8000-000000000000'", "null", "5ec2e700"),
    "int4range": ("'[31415, 92653)'", "'empty'", "31415"),
    "tsvector": ("'secret:1'", "''", "secret"),
    "inet": ("'10.31.41.59'", "'::1'", "10.31.41.59"),
}


def test_values_of_every_type_go_and_their_neighbours_stay_to_the_letter(postgresql_database: str) -> None:
    protected = Protected(postgresql_database)
    names = {f"c{number}": each for number, each in enumerate(TYPES)}
    protected.run(
        "create table t (id int primary key, "
        + ", ".join(f"{name} {each}, k{name} {each}" for name, each in names.items())
        + ", big text, digest text)"
    )
    protected.protect({"t": [Audit(inserts="full", large={"digest"})]})
    for side in (0, 1, 0):
        values = ", ".join(
            f"{name} = {TYPES[each][side]}, k{name} = {TYPES[each][side]}" for name, each in names.items()
        )
        if side == 0 and not protected.rows("select from t"):
            protected.run("insert into t (id) values (1)")
        protected.run(f"update t set {values}, big = repeat('secret {side}', 100000), digest = 'd{side}'")
    read = " union all ".join(
        f"select c.id, e.key, e.value::text, '{side}' from holdfast.change as c, json_each(c.{side}::json) as e"
        for side in ("before", "after")
    )
    read += " order by 1, 4, 2"
    columns = dict(protected.rows("select id::text, name from holdfast.relation_column"))
    before = protected.rows(read)
    erase(protected.database, "t", 1, reason="x", columns=[*names, "big", "digest"])
    after = protected.rows(read)
    last = max(row[0] for row in after)
    kept_columns = {number for number, name in columns.items() if name.startswith("k") or name == "id"}
    assert [r for r in after if r[1] in kept_columns] == [r for r in before if r[1] in kept_columns]
    gone = [row for row in after if row[1] not in kept_columns and (row[0] != last or row[3] == "before")]
    assert {row[2] for row in gone} == {'{"erased":true}'}
    assert len(gone) > 60
    protected.run(*(f"update t set k{name} = null" for name in names))
    erase(protected.database, "t", 1, reason="x")
    text = kept(protected)
    assert [each for _, _, each in TYPES.values() if each in text] == []
    assert "sha256" not in text.split("create")[0]


def test_a_large_value_goes_and_of_what_replaces_it_there_is_a_digest(database: str) -> None:
    protected = Protected(database)
    protected.run("create table t (id int primary key, doc text)")
    protected.protect({"t": [Audit(large={"doc"}, inserts="full")]})
    protected.run("insert into t values (1, 'secret'), (2, 'blue whale')", "update t set doc = 'secret b' where id = 1")
    erase(protected.database, "t", 1, reason="x", replace={"doc": "gone"})
    assert "secret" not in kept(protected)
    erased = {"erased": True}
    told = [(each.key, (each.before or {}).get("doc"), (each.after or {}).get("doc")) for each in protected.log("t")]
    assert told == [
        (1, None, erased),
        (2, None, "sha256:" + hashlib.sha256(b"blue whale").hexdigest()),
        (1, erased, erased),
        (1, erased, "sha256:" + hashlib.sha256(b"gone").hexdigest()),
    ]
    seal(protected.database)
    assert verify(protected.database).findings == ()
    assert protected.log("t")[-1].after == {"doc": told[-1][-1]}
    assert "blue whale" not in kept(protected)


# ---------------------------------------------------------------------- what comes after


@pytest.mark.copy_of(build=lived)
def test_an_undo_brings_nothing_back_and_invents_nothing(database: str) -> None:
    protected = Protected(database)
    update = next(c.transaction for c in protected.log("people") if c.actor == "ann")
    insert = protected.log("people")[0].transaction
    renamed = protected.write("update people set email = 'ann@example', points = 9 where id = 7")
    erase(protected.database, "people", 7, reason="x", columns=["name", "email"], replace={"name": "-"})
    erasure = protected.last_transaction()
    for transaction in (renamed, erasure):
        outcome = protected.undo(transaction, dry_run=True)
        assert any("these values were erased:" in c.why for c in outcome.conflicts), transaction
        assert not any(each in str(outcome.conflicts) for each in SECRETS)
    for transaction in (update, insert):
        assert protected.undo(transaction, dry_run=True).conflicts
    # Forced, it gives back what there is, and leaves the rest as it stands.
    protected.write("update people set email = 'new@here' where id = 7")
    protected.undo(renamed, force=True)
    assert protected.rows("select name, email, points from people where id = 7") == [("-", "new@here", 8)]
    protected.undo(erasure, force=True)
    assert protected.rows("select name, email, points from people where id = 7") == [("-", "new@here", 8)]
    # What came after the erasure is undone as ever.
    protected.undo(protected.write("update people set name = 'New' where id = 7"))
    assert protected.rows("select name from people where id = 7") == [("-",)]


@pytest.mark.copy_of(build=lived)
def test_the_past_does_not_know_what_was_erased(database: str) -> None:
    protected = Protected(database)
    changed = protected.write("update people set phone = '0170-000' where id = 7")
    erase(protected.database, "people", 7, reason="x", columns=["phone", "name"], replace={"name": "-"})
    with protected.database.snapshot() as connection:
        dialect, inventory = inspect(connection, protected.database.dialect)
        past = as_of(connection, dialect, inventory, "people", transaction=changed)
        [row] = [each for each in rows_as_of(connection, dialect, past) if each["id"] == 7]
    assert (row["name"], row["phone"], row["email"]) == (None, None, "ann@other")
    known = versions(protected.database, "people", 7)
    assert [each.values and each.values["name"] for each in known] == [MARK] * (len(known) - 1) + ["-"]
    protected.write("update people set phone = '0170-111', email = 'third@here' where id = 7")
    revert(protected.database, "people", 7, version=known[-2].number)
    assert protected.rows("select name, phone, email from people where id = 7") == [("-", "0170-111", "ann@other")]


@pytest.mark.copy_of(build=lived)
def test_evidence_holds_and_hides_no_edit(database: str) -> None:
    protected = Protected(database)
    digest = seal(protected.database)
    erase(protected.database, "people", 7, reason="x", columns=["name", "email"], replace={"name": "-"})
    assert verify(protected.database, [digest]).intact
    erase(protected.database, "people", 7, reason="the rest", replace={"name": "-"})
    assert verify(protected.database, [digest]).intact
    later = seal(protected.database)
    found = verify(protected.database, [digest, later])
    assert found.intact
    assert [each.kind for each in found.recorded].count("erasure") == 2
    # Whoever changes what remains of an erased change is found out.
    if protected.name == "postgresql":
        edits = ["update holdfast.change set after = replace(after, '\"5\":1', '\"5\":2') where after like '%\"5\":1%'"]
    else:
        edits = [
            "insert into holdfast_context (id, maintenance) values (1, 1)",
            "update holdfast_value set after = 2 where column_id = 5 and after = 1",
            "delete from holdfast_context",
        ]
    protected.run(*edits)
    assert not verify(protected.database, [digest, later]).intact


# ---------------------------------------------------------------------- meanwhile


@pytest.mark.copy_of(build=lived)
def test_a_writer_at_the_same_time_leaves_nothing_behind(postgresql_database: str) -> None:
    protected = Protected(postgresql_database)
    outcome: list[Any] = []
    with protected.connect() as writer:
        writer.exec_driver_sql("update people set name = 'Annabel', id = 9 where id = 7")
        eraser = _in_thread(
            outcome, lambda: erase(protected.database, "people", 7, reason="x", replace={"name": "-"}).keys
        )
        wait_for(lambda: waiting(protected, "transactionid"))
        writer.commit()
    eraser.join(60)
    assert outcome == [(9, 7, 1)]
    assert [each for each in SECRETS if each in kept(protected)] == []


@pytest.mark.copy_of(build=lived)
def test_an_undo_at_the_same_time_brings_nothing_back(postgresql_database: str) -> None:
    """It would have read the values before they went, and written them after."""
    protected = Protected(postgresql_database)
    deleted = protected.write("delete from people where id = 7")
    outcome: list[Any] = []
    with protected.database.connect() as connection, connection.begin():
        dialect, inventory = inspect(connection, protected.database.dialect)
        erase_row(connection, dialect, inventory, inventory.recorded("people"), "7", reason="x")
        undoer = _in_thread(outcome, lambda: protected.undo(deleted, force=True))
        wait_for(lambda: waiting(protected, "advisory"))
    undoer.join(60)
    assert isinstance(outcome[0], UndoConflictError)
    assert [each for each in SECRETS if each in kept(protected)] == []
    assert protected.rows("select count(*) from people") == [(1,)]


def _in_thread(outcome: list[Any], work: Callable[[], Any]) -> threading.Thread:
    def run() -> None:
        try:
            outcome.append(work())
        except Exception as error:
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_a_key_with_a_nul_is_that_of_no_other_row(sqlite_database: str) -> None:
    protected = Protected(sqlite_database)
    protected.run(
        "create table t (a text, b integer, name text, primary key (a, b))",
        "insert into t values ('a', 1, 'Bob'), ('a' || char(0) || 'b', 1, 'Ann')",
    )
    protected.protect({"t": [Audit()]})
    protected.run("update t set name = name || 'a'")
    erase(protected.database, "t", ["a\0b", 1], reason="asked to")
    assert protected.rows("select name from t order by length(cast(a as blob))") == [("Boba",), (None,)]
    assert [change.before for change in protected.log("t", key='["a",1]')] == [{"name": "Bob"}]


@pytest.mark.copy_of(build=lived)
def test_nothing_is_left_in_the_file(sqlite_database: str) -> None:
    protected = Protected(sqlite_database)
    erase(protected.database, "people", 7, reason="x", replace={"name": "-"})
    with protected.database.connect() as connection:
        connection.connection.driver_connection.execute("vacuum")  # type: ignore[union-attr]
    content = Path(sqlite_database.removeprefix("sqlite:///")).read_bytes()
    assert [each for each in SECRETS if each.encode() in content] == []
    assert b"bob@example" in content


@pytest.mark.copy_of(build=lived)
def test_settings_of_the_transaction_are_as_they_were(postgresql_database: str) -> None:
    protected = Protected(postgresql_database)
    names = ("row_security", "TimeZone", "DateStyle", "IntervalStyle")
    with protected.database.connect() as connection, connection.begin():
        execute(connection, "set local timezone = 'Asia/Tokyo'")
        before = [execute(connection, f"show {name}")[0][0] for name in names]
        dialect, inventory = inspect(connection, protected.database.dialect)
        erase_row(connection, dialect, inventory, inventory.recorded("people"), "7", reason="x", columns=["email"])
        assert [execute(connection, f"show {name}")[0][0] for name in names] == before
