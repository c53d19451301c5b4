# safe
import sqlalchemy as sa
from alembic import op

revision = "case"
down_revision = "base0"


def upgrade():
    op.create_table(
        "lines",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("order_id", sa.Integer, sa.ForeignKey("orders.id")),
        sa.Column("note", sa.Text, index=True),
    )
    op.create_index("lines_order", "lines", ["order_id"], unique=True)
    op.create_check_constraint("there", "lines", "note IS NOT NULL")
    op.bulk_insert(sa.table("lines", sa.column("id", sa.Integer), sa.column("note", sa.Text)), [{"id": 1, "note": "a"}])


def downgrade():
    raise NotImplementedError("a case, and no more")
