# finds: set-not-null
import sqlalchemy as sa
from alembic import op

revision = "case"
down_revision = "base0"


def upgrade():
    op.alter_column("orders", "status", nullable=False, existing_type=sa.String(20))


def downgrade():
    raise NotImplementedError("a case, and no more")
