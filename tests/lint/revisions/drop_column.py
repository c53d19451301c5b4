# finds: drop-column
from alembic import op

revision = "case"
down_revision = "base0"


def upgrade():
    op.drop_column("orders", "note")


def downgrade():
    raise NotImplementedError("a case, and no more")
