# safe
import sqlalchemy as sa
from alembic import op

revision = "case"
down_revision = "base0"


def upgrade():
    sql = "DELETE FROM orders WHERE id IN (SELECT id FROM orders WHERE total = 0 LIMIT 1000)"
    while op.get_bind().execute(sa.text(sql)).rowcount:
        pass


def downgrade():
    raise NotImplementedError("a case, and no more")
