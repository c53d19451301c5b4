# safe
import sqlalchemy as sa
from alembic import op

revision = "case"
down_revision = "base0"


def upgrade():
    op.add_column("orders", sa.Column("open", sa.Boolean(), nullable=False, server_default=sa.true()))


def downgrade():
    raise NotImplementedError("a case, and no more")
