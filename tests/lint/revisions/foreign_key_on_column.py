# finds: add-foreign-key
import sqlalchemy as sa
from alembic import op

revision = "case"
down_revision = "base0"


def upgrade():
    op.add_column("orders", sa.Column("to_id", sa.BigInteger(), sa.ForeignKey("shops.id", name="orders_to")))
    op.create_foreign_key("orders_to2", "orders", "shops", ["to_id"], ["id"])


def downgrade():
    raise NotImplementedError("a case, and no more")
