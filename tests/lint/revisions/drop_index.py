# finds: drop-index
from alembic import op

revision = "case"
down_revision = "base0"


def upgrade():
    op.drop_index("orders_note", table_name="orders")


def downgrade():
    raise NotImplementedError("a case, and no more")
