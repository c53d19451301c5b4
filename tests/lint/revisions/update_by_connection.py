# finds: unbounded-write
import sqlalchemy as sa
from alembic import op

revision = "case"
down_revision = "base0"


def upgrade():
    op.get_bind().execute(sa.text("UPDATE orders SET status = :s"), {"s": "new"})


def downgrade():
    raise NotImplementedError("a case, and no more")
