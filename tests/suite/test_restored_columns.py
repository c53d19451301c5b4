"""In a copy that was dumped and restored a column is known by its name, and a renamed one by where it stood."""

from __future__ import annotations

import pytest

from holdfast.policies import Audit
from tests.harness import Protected, journal
from tests.servers import dump_and_restore

pytestmark = pytest.mark.copy_of(build=journal)

# What is done in the copy, and what it holds when the delete is taken back there.
IN_COPY = {
    "nothing": ((), (1, "b1", "c1")),
    "renamed": (("alter table t rename column c to d",), (1, "b1", "c1")),
    "all renamed": (("alter table t rename column b to x", "alter table t rename column c to y"), (1, "b1", "c1")),
    "dropped and another added": (("alter table t drop column c", "alter table t add column d text"), (1, "b1", None)),
    "renamed, dropped and another added": (
        ("alter table t rename column b to x", "alter table t drop column c", "alter table t add column d text"),
        (1, "b1", None),
    ),
    "replaced": (("alter table t drop column c", "alter table t add column c text"), (1, "b1", "c1")),
}


@pytest.mark.parametrize("case", IN_COPY)
@pytest.mark.parametrize("again", [True, False], ids=["protected again", "not protected again"])
def test_columns_behind_a_gap(postgresql_database: str, elsewhere: str, case: str, again: bool) -> None:
    """The source has dropped a column, of which the copy knows nothing: there the others stand closer together."""
    statements, row = IN_COPY[case]
    source = Protected(postgresql_database)
    source.run(
        "create table t (id int primary key, gone text, b text, c text)",
        "alter table t drop column gone",
        "insert into t values (1, 'b1', 'c1')",
    )
    source.protect({"t": [Audit()]})
    deleted = source.write("delete from t")
    dump_and_restore(postgresql_database, elsewhere)
    copy = Protected(elsewhere)
    # The source is what the copy has to be like.
    for each in (source, copy):
        each.run(*statements)
        if again:
            each.protect({})
            assert each.drift() == []
        each.undo(deleted)
        assert each.rows("select * from t") == [row]
