"""A table of more columns than a function takes arguments."""

from __future__ import annotations

import pytest

from holdfast.errors import UndoConflictError
from holdfast.policies import Audit
from tests.harness import Protected, journal

pytestmark = pytest.mark.copy_of(build=journal)


@pytest.mark.parametrize("columns", [45, 46, 90, 91, 250])
def test_a_wide_table(database: str, columns: int) -> None:
    protected = Protected(database)
    names = ", ".join(f"c{number} integer" for number in range(columns))
    protected.run(
        f"create table wide (id integer primary key, {names})",
        *(f"insert into wide values ({key}, {', '.join(['7'] * columns)})" for key in (1, 2, 3)),
    )
    protected.protect({"wide": [Audit(inserts="full")]})
    before = protected.checksum("wide")
    everything = ", ".join(f"c{number} = c{number} + id" for number in range(columns))
    for statement in (
        "delete from wide",
        f"update wide set c{columns - 1} = id where id = 2",
        f"update wide set {everything}",
        "update wide set id = id + 10",
        f"insert into wide values (4, {', '.join(['7'] * columns)})",
    ):
        transaction = protected.write(statement)
        assert protected.checksum("wide") != before
        protected.undo(transaction)
        assert protected.checksum("wide") == before
    transaction = protected.write(f"update wide set c{columns - 1} = 1")
    protected.write(f"update wide set c{columns - 1} = 2 where id = 1")
    with pytest.raises(UndoConflictError) as caught:
        protected.undo(transaction)
    assert dict(caught.value.conflicts[0].fields) == {f"c{columns - 1}": (1, 2, 7)}
