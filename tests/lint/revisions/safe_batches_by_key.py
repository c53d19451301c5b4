# safe
import sqlalchemy as sa
from alembic import op

revision = "case"
down_revision = "base0"


def upgrade():
    bind = op.get_bind()
    last = bind.execute(sa.text("SELECT max(id) FROM orders")).scalar()
    for first in range(0, last + 1, 1000):
        bind.execute(
            sa.text("UPDATE orders SET status = :status WHERE id >= :a AND id < :b"),
            {"status": "new", "a": first, "b": first + 1000},
        )


def downgrade():
    raise NotImplementedError("a case, and no more")
