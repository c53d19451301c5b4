# finds: drop-table
from alembic import op

revision = "case"
down_revision = "base0"


def upgrade():
    op.drop_table("orders")


def downgrade():
    raise NotImplementedError("a case, and no more")
