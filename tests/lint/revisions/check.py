# finds: add-check
from alembic import op

revision = "case"
down_revision = "base0"


def upgrade():
    op.create_check_constraint("positive", "orders", "total > 0")


def downgrade():
    raise NotImplementedError("a case, and no more")
