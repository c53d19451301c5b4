"""Protection in Alembic's migrations, and migrations that hurt nobody."""

from holdfast.alembic import operations
from holdfast.alembic.registering import setup
from holdfast.alembic.running import run_migrations
from holdfast.migrating import MigrationSettings

__all__ = ["MigrationSettings", "operations", "run_migrations", "setup"]
