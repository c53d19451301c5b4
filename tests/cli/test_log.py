"""``holdfast log`` and ``holdfast show``."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from tests.cli.conftest import Shop

FIELDS = ["transaction", "at", "actor", "tenant", "reason", "table", "key", "operation", "before", "after"]


@pytest.fixture
def history(protected_shop: Shop) -> Shop:
    """Three transactions: an update, an insert, and a delete that cascades."""
    protected_shop.run("update orders set status = 'paid' where id = 2")
    protected_shop.run("insert into countries values ('FR', 'France')")
    protected_shop.run("delete from orders where id = 2")
    return protected_shop


def test_json_is_the_newest_first_with_all_fields(history: Shop) -> None:
    changes = history.holdfast("log", "--json").json
    assert {tuple(each) for each in changes} == {tuple(FIELDS)}
    assert [(each["table"], each["operation"]) for each in changes[-2:]] == [
        ("countries", "insert"),
        ("orders", "update"),
    ]
    assert sorted((each["table"], each["operation"]) for each in changes[:-2]) == [
        ("order_lines", "delete"),
        ("order_lines", "delete"),
        ("orders", "delete"),
    ]
    assert (changes[-1]["before"], changes[-1]["after"]) == ({"status": "pending"}, {"status": "paid"})
    assert changes[-2]["after"] == {"code": "FR", "name": "France"}
    moment = datetime.fromisoformat(changes[0]["at"])
    assert moment.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - moment) < timedelta(minutes=5)


def test_text_is_one_aligned_line_for_each_change(history: Shop) -> None:
    lines = history.holdfast("log").out.splitlines()
    assert lines[0].split() == ["when", "transaction", "who", "operation", "table", "key", "change"]
    assert len(lines) == 1 + 5
    assert 'status: "pending" → "paid"' in lines[-1]
    assert len({line.index(word) for line, word in zip(lines[-2:], ("insert", "update"), strict=True)}) == 1
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d\d:\d\d  ", lines[1])
    assert "\x1b" not in history.holdfast("log").out


def test_one_table_and_one_row(history: Shop) -> None:
    assert {each["table"] for each in history.holdfast("log", "orders", "--json").json} == {"orders"}
    keys = [each["key"] for each in history.holdfast("log", "order_lines", "2,1", "--json").json]
    assert keys == [[2, 1]]
    assert [each["key"] for each in history.holdfast("log", "order_lines", "[2, 2]", "--json").json] == [[2, 2]]
    assert [each["operation"] for each in history.holdfast("log", "orders", "2", "--json").json] == ["delete", "update"]
    assert history.holdfast("log", "orders", "1", "--json").json == []


def test_a_text_key_needs_no_quotes_even_if_it_looks_like_a_number(history: Shop) -> None:
    history.run("update countries set name = 'Zwölf' where code = '12'")
    for spelled in ("12", '"12"'):
        (change,) = history.holdfast("log", "countries", spelled, "--json").json
        assert (change["key"], change["after"]) == ("12", {"name": "Zwölf"})
    (change,) = history.holdfast("log", "countries", "FR", "--json").json
    assert change["operation"] == "insert"


@pytest.mark.parametrize(("key", "said"), [("1", "1 value"), ("1,2,3", "3 values"), ("1,x", "'x'"), ("[1", "'[1'")])
def test_a_key_that_cannot_be_one_is_refused(history: Shop, key: str, said: str) -> None:
    outcome = history.holdfast("log", "order_lines", key)
    assert outcome.code == 2
    assert said in outcome.err


def test_filters(history: Shop) -> None:
    def tables(*arguments: str) -> list[str]:
        return sorted({each["table"] for each in history.holdfast("log", *arguments, "--json").json})

    assert tables("--operation", "insert") == ["countries"]
    assert tables("--since", "1h") == ["countries", "order_lines", "orders"]
    assert tables("--until", "1h") == []
    assert tables("--since", (datetime.now(UTC) + timedelta(hours=1)).isoformat()) == []
    history.run_as("ann", "update customers set name = 'Ava' where id = 1")
    assert tables("--actor", "ann") == ["customers"]
    assert tables("--actor", "nobody") == []
    assert len(history.holdfast("log", "--limit", "2", "--json").json) == 2


def test_the_default_limit_is_fifty_and_said(protected_shop: Shop) -> None:
    for start in (100, 200):
        rows = ", ".join(f"({number}, 'x', null)" for number in range(start, start + 30))
        protected_shop.run(f"insert into customers values {rows}")
    assert len(protected_shop.holdfast("log", "--json").json) == 50
    assert "The newest 50 are shown" in protected_shop.holdfast("log").err


def test_no_change_is_no_error(protected_shop: Shop) -> None:
    outcome = protected_shop.holdfast("log")
    assert (outcome.code, outcome.out) == (0, "")
    assert "No changes" in outcome.err
    assert protected_shop.holdfast("log", "--json").json == []


@pytest.mark.parametrize("time", ["yesterday", "1x", "2026-13-01", "", "99999999999w", "0001-01-01T00:00+23:59"])
def test_a_malformed_time_says_how_to_write_one(protected_shop: Shop, time: str) -> None:
    outcome = protected_shop.holdfast("log", "--since", time)
    assert outcome.code == 2
    assert "1h" in outcome.err
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize(
    "time", ["90s", "30m", "1h", "2d", "1w", "2020-01-31", "2020-01-31T12:00Z", "2020-01-31 12:00"]
)
def test_times_as_people_write_them(history: Shop, time: str) -> None:
    assert len(history.holdfast("log", "--since", time, "--json").json) == 5


def test_a_dropped_table_still_has_its_history(history: Shop) -> None:
    history.run("drop table countries")
    changes = history.holdfast("log", "countries", "FR", "--json").json
    assert [(each["table"], each["operation"]) for each in changes] == [("countries", "insert")]


def test_a_table_that_was_never_protected(history: Shop) -> None:
    outcome = history.holdfast("log", "scraps")
    assert outcome.code == 1
    assert "HF303" in outcome.err


def test_what_would_steer_a_terminal_is_shown_and_not_sent(protected_shop: Shop) -> None:
    protected_shop.run("update customers set name = 'a\x1b[31mb\x9bc\u202ed [red]x' where id = 1")
    out = protected_shop.holdfast("log").out
    assert not {"\x1b", "\x9b", "\u202e"} & set(out)
    assert "[red]x" in out


def test_show_tells_who_when_and_what(history: Shop) -> None:
    transaction = history.transaction()
    out = history.holdfast("show", transaction).out
    assert out.startswith(f"Transaction {transaction}\n")
    assert "3 changes: " in out
    assert "order_lines 2" in out
    assert "pending" not in out
    assert f"holdfast undo {transaction}" in out
    document = history.holdfast("show", transaction, "--json").json
    assert document["transaction"] == transaction
    assert [tuple(each) for each in document["changes"]] == [tuple(FIELDS)] * 3
    assert datetime.fromisoformat(document["at"]).utcoffset() == timedelta(0)


def test_a_long_transaction_is_summed_up_and_json_has_all(protected_shop: Shop) -> None:
    rows = ", ".join(f"({number}, 'x', null)" for number in range(100, 140))
    protected_shop.run(f"insert into customers values {rows}")
    transaction = protected_shop.transaction()
    out = protected_shop.holdfast("show", transaction).out
    assert "40 changes: customers 40" in out
    assert "… and 30 more" in out
    assert len(protected_shop.holdfast("show", transaction, "--json").json["changes"]) == 40
