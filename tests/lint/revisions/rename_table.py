# finds: rename-table
from alembic import op

revision = "case"
down_revision = "base0"


def upgrade():
    op.rename_table("orders", "purchases")


def downgrade():
    raise NotImplementedError("a case, and no more")
