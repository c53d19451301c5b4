# finds: change-column-type
import sqlalchemy as sa
from alembic import op

revision = "case"
down_revision = "base0"


def upgrade():
    op.alter_column("orders", "total", type_=sa.Numeric(12, 4), existing_type=sa.Numeric(10, 2))


def downgrade():
    raise NotImplementedError("a case, and no more")
