# finds: opaque-statement
import sqlalchemy as sa
from alembic import op

revision = "case"
down_revision = "base0"


def upgrade():
    for row in op.get_bind().execute(sa.text("SELECT id FROM orders")):
        op.execute(f"DELETE FROM orders WHERE id = {row.id}")


def downgrade():
    raise NotImplementedError("a case, and no more")
