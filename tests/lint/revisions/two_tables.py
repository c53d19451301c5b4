# finds: several-tables-locked
import sqlalchemy as sa
from alembic import op

revision = "case"
down_revision = "base0"


def upgrade():
    op.add_column("orders", sa.Column("a", sa.Text()))
    op.add_column("shops", sa.Column("a", sa.Text()))


def downgrade():
    raise NotImplementedError("a case, and no more")
