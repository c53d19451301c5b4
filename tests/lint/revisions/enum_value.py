# finds: enum-value-in-transaction
from alembic import op

revision = "case"
down_revision = "base0"


def upgrade():
    op.execute("ALTER TYPE mood ADD VALUE 'calm' AFTER 'sad'")
    op.execute("UPDATE orders SET status = 'calm' WHERE id = 1")


def downgrade():
    raise NotImplementedError("a case, and no more")
