# safe
from alembic import op

revision = "case"
down_revision = "base0"


def upgrade():
    op.hf_create_index("orders_status", "orders", ["status"])


def downgrade():
    raise NotImplementedError("a case, and no more")
