# safe
from alembic import op

revision = "case"
down_revision = "base0"


def upgrade():
    op.execute("CREATE POLICY own ON orders USING (note = current_user)")
    op.execute("ALTER TABLE orders ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE orders FORCE ROW LEVEL SECURITY")


def downgrade():
    raise NotImplementedError("a case, and no more")
