# safe
from alembic import op

revision = "case"
down_revision = "base0"


def upgrade():
    op.hf_set_not_null("orders", "status")


def downgrade():
    raise NotImplementedError("a case, and no more")
