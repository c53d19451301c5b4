# safe
from alembic import op

revision = "case"
down_revision = "base0"


def upgrade():
    op.create_foreign_key("orders_shop", "orders", "shops", ["shop_id"], ["id"], postgresql_not_valid=True)


def downgrade():
    raise NotImplementedError("a case, and no more")
