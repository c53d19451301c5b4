# safe
import sqlalchemy as sa
from alembic import op

revision = "case"
down_revision = "base0"


def upgrade():
    op.alter_column("orders", "total", type_=sa.Numeric(14, 2))


def downgrade():
    raise NotImplementedError("a case, and no more")
