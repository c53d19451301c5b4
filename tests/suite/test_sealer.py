"""Sealing again and again over one connection keeps nobody else from sealing."""

from __future__ import annotations

import pytest

from holdfast.errors import UnsupportedError
from holdfast.evidence import Sealer, seal, verify
from holdfast.policies import Audit
from tests.harness import Protected


def test_between_two_seals_others_may_seal(database: str) -> None:
    subject = Protected(database)
    subject.run("create table orders (id integer primary key, note text)")
    subject.protect({"orders": [Audit()]})
    with Sealer(subject.database) as sealer:
        first = sealer.seal()
        subject.run("insert into orders values (1, 'a')")
        second = seal(subject.database)
        assert sealer.seal() == second
        with pytest.raises(UnsupportedError, match="HF311"):  # it goes on after an error
            sealer.seal(fork="none", digests=[second])
        subject.run("insert into orders values (2, 'a')")
        assert seal(subject.database).epoch == 3
        subject.run("insert into orders values (3, 'a')")
        fourth = sealer.seal()
    assert (first.epoch, second.epoch, fourth.epoch, fourth.changes) == (1, 2, 4, 3)
    assert verify(subject.database, [first, second, fourth]).intact
