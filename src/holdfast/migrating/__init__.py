"""Migrating while others work: short waits for strong locks, tried again; one migrator; nothing left half made."""

from holdfast.migrating.batches import BatchSettings
from holdfast.migrating.running import MigrationRun
from holdfast.migrating.settings import MigrationSettings

__all__ = ["BatchSettings", "MigrationRun", "MigrationSettings"]
