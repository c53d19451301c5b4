# finds: lock-table
from alembic import op

revision = "case"
down_revision = "base0"


def upgrade():
    op.execute("LOCK TABLE orders")


def downgrade():
    raise NotImplementedError("a case, and no more")
