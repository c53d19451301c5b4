"""Protection in Alembic's migrations, and migrations that hurt nobody."""

from holdfast.alembic import operations, sqlite_batch
from holdfast.alembic.registering import setup
from holdfast.alembic.running import run_migrations
from holdfast.migrating import BatchSettings, MigrationSettings

__all__ = ["BatchSettings", "MigrationSettings", "operations", "run_migrations", "setup", "sqlite_batch"]
