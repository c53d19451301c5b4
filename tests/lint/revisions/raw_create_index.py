# finds: create-index
from alembic import op

revision = "case"
down_revision = "base0"


def upgrade():
    op.execute("CREATE INDEX orders_status ON orders (status)")


def downgrade():
    raise NotImplementedError("a case, and no more")
