"""``holdfast demo``."""

from __future__ import annotations

import click


@click.command()
@click.option("--sqlite", is_flag=True, help="On SQLite instead of an embedded PostgreSQL.")
def demo(*, sqlite: bool) -> None:
    """The incident, replayed on an embedded PostgreSQL, and undone.

    A shop, several people at work, one DELETE with a typo. It touches nothing outside a temporary folder.
    """
    from holdfast.demo import replay

    replay(sqlite=sqlite)
