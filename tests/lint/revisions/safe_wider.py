# safe
import sqlalchemy as sa
from alembic import op

revision = "case"
down_revision = "base0"


def upgrade():
    op.alter_column("orders", "note", type_=sa.String(200), existing_type=sa.String(100))


def downgrade():
    raise NotImplementedError("a case, and no more")
