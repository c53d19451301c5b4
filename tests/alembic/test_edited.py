"""A revision that was run here and edited since is noticed; whatever makes no difference to it is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import alembic.command
import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from holdfast.alembic.digests import digest_of
from holdfast.alembic.linting import Asked, applied_in, read_revisions
from holdfast.cli import main
from holdfast.lint.checking import check
from holdfast.lint.configuration import Configuration
from holdfast.lint.history import History
from tests.alembic.scripts import SAFE, STOCK, Scripts, connected, rows

REVISION = '''\
"""items"""

from typing import Sequence, Union

import sqlalchemy as sa
from alembic import op

revision: str = "a"
down_revision: Union[str, Sequence[str], None] = None
TIMES = 2


def upgrade() -> None:
    """Makes items."""
    name = "items"
    op.create_table(name, sa.Column("id", sa.Integer, primary_key=True))  # not many
    op.execute(f"insert into {name} values ({TIMES!r:>{3}}), (3)" "")


def downgrade() -> None:
    op.drop_table("items")
'''
SAME = [
    ("# not many", "# many, it turned out"),
    ('    """Makes items."""\n', ""),
    ("Union[str, Sequence[str], None] ", "str | Sequence[str] | None "),
    ("from typing import Sequence, Union\n\n", "from collections.abc import Sequence\n"),
    ("import sqlalchemy as sa\nfrom alembic import op", "from alembic import op\nimport sqlalchemy as sa"),
    (
        'sa.Column("id", sa.Integer, primary_key=True)',
        "\n        sa.Column('id', (sa.Integer), primary_key=True,),\n    ",
    ),
    ('({TIMES!r:>{3}}), (3)" ""', '" f"({TIMES!r:>{3}}), " "(3)"'),
    ('op.drop_table("items")', "pass"),
    ('revision: str = "a"', 'revision = "a"'),
]
OTHER = [
    ("TIMES = 2", "TIMES = 4"),
    ("primary_key=True", "primary_key=False"),
    ("down_revision: Union[str, Sequence[str], None] = None", "down_revision = 'b'"),
    ("!r:>", "!s:>"),
    ("import sqlalchemy as sa", "import sqlmodel as sa"),
    ("def upgrade() -> None:", "@once\ndef upgrade() -> None:"),
    ("(3)", "(4)"),
]


def test_a_digest_is_of_what_a_revision_does() -> None:
    digest = digest_of(REVISION)
    # Another Python must come to the same.
    assert digest[:16] == "fb4b9e1e821a3152"
    assert all(old in REVISION for old, _ in [*SAME, *OTHER])
    assert [change for change in SAME if digest_of(REVISION.replace(*change)) != digest] == []
    assert len({digest, *(digest_of(REVISION.replace(*change)) for change in OTHER)}) == 1 + len(OTHER)


@pytest.fixture
def lint(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    pytest.importorskip("sqlglot")
    monkeypatch.chdir(tmp_path)

    def edited(*revisions: str) -> list[str]:
        """The files of the revisions that were edited."""
        with connected(database) as connection:
            applied, run_here = applied_in(connection)
        asked = Asked(revisions, applied=applied, run_here=run_here)
        server, migrations = read_revisions(tmp_path / "migrations" / "alembic.ini", asked)
        found = check(migrations, History(server), Configuration()).findings
        assert "unused-allow" not in {each.rule for each in found}
        return [each.file for each in found if each.rule == "edited-revision"]

    return edited


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments, "--config", "migrations/alembic.ini"], prog_name="holdfast")


def test_an_edited_revision_is_told_until_it_is_accepted(
    database: str, tmp_path: Path, lint: Callable[..., list[str]]
) -> None:
    scripts = Scripts(tmp_path / "migrations", database)
    make, drop = "op.create_table('{}', sa.Column('id', sa.Integer, primary_key=True))", "op.drop_table('{}')"
    for name in ("a", "b", "c"):
        scripts.add(name, make.format(f"of_{name}"), drop.format(f"of_{name}"))
    assert run("migrate").exit_code == 0
    assert lint() == []

    scripts.replace("b", f"# It was here.\n{make.format('of_b')}", drop.format("of_b"))
    assert lint() == []
    scripts.replace("b", make.format("of_bb"), drop.format("of_b"))
    assert lint() == lint("base:b") == ["migrations/versions/b.py"]
    assert lint("b:head") == []
    printed = run("lint", "--url", database).stdout
    assert "b.py:1: warning: edited-revision: It was edited after it was run here on 20" in printed

    scripts.add("d", make.format("of_d"), drop.format("of_d"))
    result = run("migrate")
    assert (result.exit_code, result.stderr.count("edited")) == (0, 2)
    assert "Revision b (migrations/versions/b.py) was edited after it was run here on 20" in result.stderr
    assert "# holdfast: allow edited-revision the reason" in result.stderr

    path = tmp_path / "migrations" / "versions" / "b.py"
    path.write_text("# holdfast: allow edited-revision it was renamed by hand everywhere\n" + path.read_text())
    scripts.add("e", make.format("of_e"), drop.format("of_e"))
    assert (lint(), run("migrate").stderr) == ([], "")

    # Down it is forgotten; up it is what it is now.
    scripts.downgrade("a")
    scripts.replace("b", make.format("of_b"), drop.format("of_b"))
    scripts.upgrade()
    assert lint() == []
    scripts.replace("b", make.format("of_bbb"))
    assert lint() == ["migrations/versions/b.py"]
    alembic.command.stamp(scripts.config(), "head", purge=True)
    assert lint() == []


def test_nothing_is_kept_that_nobody_asked_for(database: str, tmp_path: Path, lint: Callable[..., list[str]]) -> None:
    """Alembic without the runner makes no table, and autogenerate drops none of ours."""
    scripts = Scripts(tmp_path / "migrations", database, STOCK)
    scripts.add("a", "op.create_table('t', sa.Column('id', sa.Integer, primary_key=True))")
    scripts.upgrade()
    with connected(database) as connection:
        assert set(sa.inspect(connection).get_table_names()) == {"alembic_version", "t"}
    assert lint() == []

    model = "metadata = sa.MetaData(); sa.Table('t', metadata, sa.Column('id', sa.Integer, primary_key=True))"
    env = SAFE.replace("config = context.config", f"import sqlalchemy as sa\nconfig = context.config\n{model}")
    (scripts.folder / "env.py").write_text(env.replace("(connection)", "(connection, target_metadata=metadata)"))
    scripts.add("b", "op.execute('select 1')")
    scripts.upgrade()
    assert rows(database, "select revision from holdfast_revision") == [("b",)]
    alembic.command.check(scripts.config())
