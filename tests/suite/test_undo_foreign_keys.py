"""Undo under foreign keys of one partition, to one partition, for periods, and that the database does not enforce."""

from __future__ import annotations

from typing import Any

import pytest

from holdfast.errors import UndoConflictError
from holdfast.policies import Audit
from tests.harness import Protected, journal

pytestmark = pytest.mark.copy_of(build=journal)

FROM_ONE = (
    "create table p (id int primary key)",
    "create table k (id int primary key, p int) partition by range (id)",
    "create table k1 partition of k for values from (0) to (100)",
    "create table k2 partition of k for values from (100) to (200)",
    "alter table k1 add constraint k1_p foreign key (p) references p on delete cascade on update cascade",
)
FROM_BELOW = (
    "create table p (id int primary key)",
    "create table k (id int primary key, p int) partition by range (id)",
    "create table k1 partition of k for values from (0) to (100) partition by range (id)",
    "create table k11 partition of k1 for values from (0) to (50)",
    "create table k2 partition of k for values from (100) to (200)",
    "alter table k1 add constraint k1_p foreign key (p) references p on delete set null on update set null",
)
TO_ONE = (
    "create table p (id int primary key) partition by range (id)",
    "create table p1 partition of p for values from (0) to (100)",
    "create table p2 partition of p for values from (100) to (200)",
    "create table k (id int primary key, p int)",
    "alter table k add constraint k1_p foreign key (p) references p1 on delete cascade on update cascade",
)


def both(url: str, *tables: str) -> Protected:
    protected = Protected(url)
    protected.run(*tables)
    protected.protect({"p": [Audit()], "k": [Audit()]})
    return protected


def conflicts(protected: Protected, transaction: str) -> list[str]:
    """Why nothing was undone; and nothing was."""
    before = protected.checksums("p", "k")
    with pytest.raises(UndoConflictError) as caught:
        protected.undo(transaction)
    assert protected.checksums("p", "k") == before
    return [conflict.why for conflict in caught.value.conflicts]


@pytest.mark.all_versions
@pytest.mark.parametrize("tables", [FROM_ONE, FROM_BELOW, TO_ONE], ids=["from one", "from one of several", "to one"])
def test_a_row_that_a_key_of_one_partition_refers_to_is_a_conflict(
    postgresql_database: str, tables: tuple[str, ...]
) -> None:
    family = both(postgresql_database, *tables)
    came = family.write("insert into p values (1)")
    family.run("insert into k values (1, 1)")
    assert conflicts(family, came) == ["rows of public.k refer to it now (k1_p)"]
    family.run("delete from k")
    moved = family.write("update p set id = 2")
    family.run("insert into k values (1, 2)")
    assert conflicts(family, moved) == ["rows of public.k refer to it now (k1_p)"]


@pytest.mark.parametrize("tables", [FROM_ONE, FROM_BELOW, TO_ONE], ids=["from one", "from one of several", "to one"])
def test_parent_and_child_of_one_partition_come_and_go_together(
    postgresql_database: str, tables: tuple[str, ...]
) -> None:
    family = both(postgresql_database, *tables)
    before = family.checksums("p", "k")
    came = family.write("insert into p values (1)", "insert into k values (1, 1)")
    after = family.checksums("p", "k")
    gone = family.undo(came).transaction
    assert family.checksums("p", "k") == before
    family.undo(gone)
    assert family.checksums("p", "k") == after


def test_rows_of_the_other_partitions_are_not_taken_for_children(postgresql_database: str) -> None:
    family = both(postgresql_database, *FROM_ONE)
    came = family.write("insert into p values (1)")
    family.run("insert into k values (101, 1)")
    family.undo(came)
    assert (family.rows("select id from p"), family.rows("select id, p from k")) == ([], [(101, 1)])


def test_rows_of_the_other_partitions_are_not_taken_for_parents(postgresql_database: str) -> None:
    family = both(
        postgresql_database,
        "create table p (id int primary key, code int) partition by range (id)",
        "create table p1 partition of p for values from (0) to (100)",
        "create table p2 partition of p for values from (100) to (200)",
        "alter table p1 add unique (code)",
        "create table k (id int primary key, code int references p1 (code) on delete cascade)",
        "insert into p values (1, 7)",
        "insert into k values (1, 7)",
    )
    family.undo(family.write("insert into p values (101, 7)"))
    assert (family.rows("select id from p"), family.rows("select id from k")) == ([(1,)], [(1,)])


# ---------------------------------------------------------------------- PostgreSQL 18


def since_18(postgresql: Any) -> None:
    if postgresql.version < 18:
        pytest.skip("keys for periods, and keys that are not enforced (need PostgreSQL 18)")


def test_a_row_that_covers_a_part_of_a_period_is_said_to_be_referred_to(
    postgresql: Any, postgresql_database: str
) -> None:
    since_18(postgresql)
    family = both(
        postgresql_database,
        "create table p (id int4range, valid daterange, primary key (id, valid without overlaps))",
        "create table k (id int primary key, p int4range, valid daterange,"
        " constraint k_p foreign key (p, period valid) references p (id, period valid))",
        "insert into p values ('[1,2)', '[2026-01-01,2026-07-01)')",
    )
    came = family.write("insert into p values ('[1,2)', '[2026-07-01,2027-01-01)')")
    booked = family.write("insert into k values (1, '[1,2)', '[2026-06-01,2026-08-01)')")
    assert "rows of public.k refer to it now (k_p)" in conflicts(family, came)
    gone = family.undo(booked).transaction
    family.undo(came)
    [why] = [why for why in conflicts(family, gone) if "gone" in why]
    assert why.startswith("it refers to a row of public.p that is gone: (id, valid) = ([1,2), [2026-06-01,2026-08-01))")


def test_a_key_that_is_not_enforced_is_in_nobodys_way(postgresql: Any, postgresql_database: str) -> None:
    since_18(postgresql)
    family = both(
        postgresql_database,
        "create table p (id int primary key)",
        "create table k (id int primary key, p int references p on delete cascade on update cascade not enforced)",
    )
    came = family.write("insert into p values (1)")
    family.run("insert into k values (1, 1)")
    family.undo(came)
    assert (family.rows("select id from p"), family.rows("select id, p from k")) == ([], [(1, 1)])
