"""The shop of the SQLAlchemy tests, filled and installed, over each driver."""

from tests.sqlalchemy.conftest import async_shop, postgresql_template, shop, sqlite_template, sync_shop

__all__ = ["async_shop", "postgresql_template", "shop", "sqlite_template", "sync_shop"]
