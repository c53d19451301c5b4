"""How much work each measurement does."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    rounds: int = 7
    stock: int = 100_000
    """Rows in the table before the statement."""
    loaded: int = 100_000
    """Rows of the COPY and of the multi-row INSERT."""
    updated: int = 50_000
    added: int = 10_000
    """Objects of the ORM's add_all."""
    looped: int = 10_000
    """Single-row statements in one DO block."""
    committed: int = 1_000
    """Transactions of one UPDATE."""
    deleted: int = 10_000
    undone: int = 100_000
    planned: int = 5_000
    """Rows of the UPDATE that follows ten single-row ones."""
    wide: int = 2_000
    """Rows with a column of 12 kB."""
    paged: int = 1_000_000
    """Rows of the list that is paged."""
    pages: int = 50
    journal: int = 1_000_000
    """Changes in the journal that is read; python -m bench --journal N takes another number."""
    tenanted: int = 1_000_000
    """Rows of all tenants together."""
    migrated: int = 5_000_000
    """Rows of the table that is migrated; python -m bench --migrated N takes another number."""
    report: int = 8
    """Seconds for which somebody reads the table that is migrated."""
    freed: int = 30_000_000
    """Bytes of the block that each connection frees first."""
    pause: float = 0.0
    """Seconds for which the reader and the writer beside a migration rest after each statement."""
    patience: int = 10
    """Seconds after which a statement of a peer is given up."""


FULL = Sizes()
QUICK = Sizes(
    rounds=3, stock=5_000, loaded=5_000, updated=2_500, added=500, looped=500, committed=50, deleted=500, undone=5_000,
    planned=1_000, wide=200, paged=50_000, pages=20, journal=100_000, tenanted=50_000, migrated=50_000, report=2,
    patience=5,
)  # fmt: skip
TINY = Sizes(
    rounds=1, stock=60, loaded=60, updated=30, added=20, looped=20, committed=5, deleted=20, undone=60, planned=20,
    wide=10, paged=1_000, pages=2, journal=600, tenanted=2_000, migrated=1_000, report=1,
    freed=30_000, pause=0.02, patience=5,
)  # fmt: skip
