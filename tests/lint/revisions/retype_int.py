# finds: change-column-type
import sqlalchemy as sa
from alembic import op

revision = "case"
down_revision = "base0"


def upgrade():
    op.alter_column("orders", "id", type_=sa.BigInteger(), existing_type=sa.Integer())


def downgrade():
    raise NotImplementedError("a case, and no more")
