# finds: change-column-type
import sqlalchemy as sa
from alembic import op

revision = "case"
down_revision = "base0"


def upgrade():
    op.alter_column("orders", "created_at", type_=sa.DateTime())


def downgrade():
    raise NotImplementedError("a case, and no more")
