# finds: add-column-stored-generated
import sqlalchemy as sa
from alembic import op

revision = "case"
down_revision = "base0"


def upgrade():
    op.add_column("orders", sa.Column("double", sa.Numeric(), sa.Computed("total * 2", persisted=True)))


def downgrade():
    raise NotImplementedError("a case, and no more")
