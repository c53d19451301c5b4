"""Protection in Alembic's migrations, and migrations that hurt nobody."""
