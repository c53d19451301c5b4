# finds: add-foreign-key
from alembic import op

revision = "case"
down_revision = "base0"


def upgrade():
    op.create_foreign_key("orders_shop", "orders", "shops", ["shop_id"], ["id"])


def downgrade():
    raise NotImplementedError("a case, and no more")
