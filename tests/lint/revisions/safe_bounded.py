# safe
from alembic import op

revision = "case"
down_revision = "base0"


def upgrade():
    op.execute("UPDATE orders SET status = 'new' WHERE id BETWEEN 1 AND 1000")


def downgrade():
    raise NotImplementedError("a case, and no more")
