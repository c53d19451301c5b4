# finds: disable-trigger
from alembic import op

revision = "case"
down_revision = "base0"


def upgrade():
    op.execute("ALTER TABLE orders DISABLE TRIGGER ALL")


def downgrade():
    raise NotImplementedError("a case, and no more")
