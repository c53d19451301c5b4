# finds: add-column-serial
import sqlalchemy as sa
from alembic import op

revision = "case"
down_revision = "base0"


def upgrade():
    op.add_column("orders", sa.Column("number", sa.BigInteger(), sa.Identity()))


def downgrade():
    raise NotImplementedError("a case, and no more")
