"""An Alembic environment with what is given for its revisions."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent
REVISIONS = HERE / "revisions"
CASES = sorted(each for each in REVISIONS.glob("*.py") if each.stem not in ("environment", "base"))


def write_environment(folder: Path, *revisions: str, env: str | None = None) -> Path:
    """Its alembic.ini; the revisions are texts, after the one of ``base.py``."""
    versions = folder / "migrations" / "versions"
    versions.mkdir(parents=True)
    (folder / "migrations" / "env.py").write_text(env or (REVISIONS / "environment.py").read_text())
    (versions / "base.py").write_text((REVISIONS / "base.py").read_text())
    for number, text in enumerate(revisions):
        (versions / f"r{number}.py").write_text(text)
    configuration = folder / "alembic.ini"
    configuration.write_text(
        "[alembic]\nscript_location = %(here)s/migrations\nprepend_sys_path = %(here)s\npath_separator = os\n"
    )
    return configuration


def expected(text: str) -> tuple[dict[str, str], set[str]]:
    """What the comments at the head of a case say: its settings, and the rules that it breaks."""
    settings = {}
    for line in text.splitlines():
        if not line.startswith(("-- ", "# ")):
            break
        name, _, value = line.lstrip("-# ").partition(":")
        settings[name.strip()] = value.strip()
    return settings, set(settings.get("finds", "").split())
