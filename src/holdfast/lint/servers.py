"""For which server a migration is meant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from holdfast.errors import HoldfastError

Kind = Literal["postgresql", "sqlite", "mysql", "mariadb", "mssql"]
NEWEST: dict[str, tuple[int, ...]] = {
    "postgresql": (18,),
    "sqlite": (3, 50),
    "mysql": (9, 0),
    "mariadb": (11, 8),
    "mssql": (16,),
}
_SQLGLOT = {"postgresql": "postgres", "sqlite": "sqlite", "mysql": "mysql", "mariadb": "mysql", "mssql": "tsql"}
_PUBLIC = {"postgresql": "public", "sqlite": "main", "mssql": "dbo"}
_NAME_LIMITS = {"postgresql": 63, "mysql": 64, "mariadb": 64, "mssql": 128}


@dataclass(frozen=True, slots=True)
class Server:
    """A kind of database and its version; what differs between them is asked here."""

    kind: Kind = "postgresql"
    version: tuple[int, ...] = NEWEST["postgresql"]

    @property
    def sqlglot(self) -> str:
        """What sqlglot calls it."""
        return _SQLGLOT[self.kind]

    @property
    def default_schema(self) -> str:
        return _PUBLIC.get(self.kind, "")

    @property
    def folds_names(self) -> bool:
        """Whether a name without quotes is the same in lower case."""
        return self.kind == "postgresql"

    @property
    def name_limit(self) -> int:
        """In bytes; 0 where there is none."""
        return _NAME_LIMITS.get(self.kind, 0)


def server_for(kind: str, version: str | None = None) -> Server:
    """The server by its name and version, ``15`` or ``15.4``; HF441 where there is no such server.

    >>> server_for("postgresql", "15.4").version
    (15, 4)
    """
    name = {"postgres": "postgresql", "sqlserver": "mssql"}.get(kind, kind)
    for known in get_args(Kind):
        if name == known:
            return Server(known, _version(version) if version else NEWEST[known])
    raise HoldfastError("HF441", f"There is no database {kind!r} to check for.", f"There are: {', '.join(NEWEST)}.")


def _version(text: str) -> tuple[int, ...]:
    parts = text.split(".")
    if not all(part.isdigit() for part in parts):
        raise HoldfastError("HF441", f"{text!r} is no version of a server.", "Write it as 15 or 15.4.")
    return tuple(int(part) for part in parts)
