"""Undo where triggers of the users' own write the same table: what they did belongs to the transaction too."""

from __future__ import annotations

import pytest

from holdfast.errors import UndoConflictError
from holdfast.policies import Audit
from tests.harness import Protected

NODES = (
    "create table node (id int primary key, parent int, n int not null default 0)",
    (
        "create function count_children() returns trigger language plpgsql as"
        " 'begin update node set n = n + 1 where id = new.parent; return new; end'"
    ),
    "insert into node (id) values (100)",
)
ITEMS = (
    "create table item (id int primary key, name text, pos int)",
    (
        "create function renumber() returns trigger language plpgsql as"
        " 'begin update item as i set pos = r.pos"
        " from (select id, row_number() over (order by name) as pos from item) as r"
        " where r.id = i.id and i.pos is distinct from r.pos; return null; end'"
    ),
    "insert into item values (1, 'b', 1), (2, 'd', 2)",
)


@pytest.mark.parametrize("audit", [Audit(), Audit(form="row"), Audit(inserts="full")], ids=["auto", "row", "full"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("rows", ["(2, 1), (1, null)", "(1, null), (2, 1), (3, 1), (4, 100)", "(5, 5)"])
def test_a_row_that_is_counted_in_while_it_is_inserted(
    postgresql_database: str, when: str, audit: Audit, rows: str
) -> None:
    nodes = Protected(postgresql_database)
    nodes.run(*NODES, f"create trigger counts {when} insert on node for each row execute function count_children()")
    nodes.protect({"node": [audit]})
    before = nodes.checksum("node")
    nodes.run(f"insert into node (id, parent) values {rows}")
    after = nodes.checksum("node")

    nodes.undo()

    assert nodes.checksum("node") == before != after


@pytest.mark.parametrize("name", ["a_renumber", "renumber"])
@pytest.mark.parametrize(
    "statement",
    [
        "insert into item values (3, 'a')",
        "insert into item values (3, 'a'), (4, 'c'), (5, 'z')",
        "delete from item where id = 1",
        "update item set name = 'e' where id = 1",
        "update item set name = case id when 1 then 'z' else 'a' end",
    ],
)
def test_rows_that_are_numbered_after_each_statement(postgresql_database: str, name: str, statement: str) -> None:
    items = Protected(postgresql_database)
    items.run(
        *ITEMS,
        f"create trigger {name} after insert or delete or update of name on item"
        " for each statement execute function renumber()",
    )
    items.protect({"item": [Audit()]})
    before = items.checksum("item")
    items.run(statement)

    items.undo()

    assert items.checksum("item") == before
    assert items.drift() == []


def test_a_row_of_which_the_order_is_not_known(postgresql_database: str) -> None:
    nodes = Protected(postgresql_database)
    nodes.run(*NODES, "create trigger counts after insert on node for each row execute function count_children()")
    nodes.protect({"node": [Audit()]})
    nodes.run("insert into node (id, parent) values (2, 1), (1, null)", "delete from node where id = 1")
    before = nodes.checksum("node")

    with pytest.raises(UndoConflictError, match=r"HF501.*in which order"):
        nodes.undo(force=True)

    assert nodes.checksum("node") == before


@pytest.mark.parametrize(
    "statement",
    [
        "insert into p values (1, 20)",
        "update only p set v = 5",
        "update only p set id = 1",
        "delete from only p",
        "update p set v = v + 1",
        "delete from p",
    ],
)
def test_a_table_with_heirs_has_its_own_rows(postgresql_database: str, statement: str) -> None:
    """What inherits may have rows with the same keys, and they are other rows."""
    family = Protected(postgresql_database)
    family.run(
        "create table p (id int primary key, v int)",
        "create table c (primary key (id)) inherits (p)",
        "insert into c values (1, 10), (2, 30)",
        "insert into p values (2, 40)",
    )
    family.protect({"p": [Audit()], "c": [Audit()]})
    before = family.rows("select tableoid::regclass::text, id, v from p order by 1, 2")
    family.run(statement)
    after = family.rows("select tableoid::regclass::text, id, v from p order by 1, 2")

    family.undo()

    assert family.rows("select tableoid::regclass::text, id, v from p order by 1, 2") == before
    family.undo()
    assert family.rows("select tableoid::regclass::text, id, v from p order by 1, 2") == after
