# finds: row-security-without-policy
from alembic import op

revision = "case"
down_revision = "base0"


def upgrade():
    op.execute("ALTER TABLE orders ENABLE ROW LEVEL SECURITY")


def downgrade():
    raise NotImplementedError("a case, and no more")
