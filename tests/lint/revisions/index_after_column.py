# finds: autocommit-after-transaction
import sqlalchemy as sa
from alembic import op

revision = "case"
down_revision = "base0"


def upgrade():
    op.add_column("orders", sa.Column("code", sa.String(9)))
    with op.get_context().autocommit_block():
        op.create_index("orders_code", "orders", ["code"], postgresql_concurrently=True)


def downgrade():
    raise NotImplementedError("a case, and no more")
