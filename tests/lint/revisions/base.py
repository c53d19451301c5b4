"""What there is before: it has long been run."""

import sqlalchemy as sa
from alembic import op

revision = "base0"
down_revision = None


def upgrade():
    op.create_table("shops", sa.Column("id", sa.BigInteger, primary_key=True), sa.Column("name", sa.Text))
    op.create_table(
        "orders",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("note", sa.String(100)),
        sa.Column("status", sa.String(20)),
        sa.Column("total", sa.Numeric(10, 2)),
        sa.Column("shop_id", sa.BigInteger),
        sa.Column("created_at", sa.DateTime(timezone=True)),
    )
    op.create_index("orders_note", "orders", ["note"])


def downgrade():
    op.drop_table("orders")
    op.drop_table("shops")
