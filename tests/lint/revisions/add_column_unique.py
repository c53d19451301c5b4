# finds: add-unique
import sqlalchemy as sa
from alembic import op

revision = "case"
down_revision = "base0"


def upgrade():
    op.add_column("orders", sa.Column("code", sa.String(9), unique=True))
    op.create_unique_constraint("orders_code", "orders", ["code"])


def downgrade():
    raise NotImplementedError("a case, and no more")
