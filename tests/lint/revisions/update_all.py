# finds: unbounded-write
import sqlalchemy as sa
from alembic import op

revision = "case"
down_revision = "base0"


def upgrade():
    op.execute(sa.table("orders", sa.column("status")).update().values(status="new"))


def downgrade():
    raise NotImplementedError("a case, and no more")
