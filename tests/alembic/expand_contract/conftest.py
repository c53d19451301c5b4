"""Revisions made of a few lines each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.alembic.scripts import Scripts


@pytest.fixture
def migrations(tmp_path: Path) -> Callable[..., Scripts]:
    """Revisions ``a``, ``b``, … of the texts given, the first of which is carried out."""

    def make(url: str, *upgrades: str | tuple[str, str]) -> Scripts:
        scripts = Scripts(tmp_path / "migrations", url)
        for name, upgrade in zip("abcdefgh", upgrades, strict=False):
            up, down = (upgrade, "pass") if isinstance(upgrade, str) else upgrade
            scripts.add(name, up, down)
        scripts.upgrade("a")
        return scripts

    return make
