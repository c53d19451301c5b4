# finds: concurrent-index-if-not-exists
from alembic import op

revision = "case"
down_revision = "base0"


def upgrade():
    with op.get_context().autocommit_block():
        op.create_index("orders_status", "orders", ["status"], postgresql_concurrently=True, if_not_exists=True)


def downgrade():
    raise NotImplementedError("a case, and no more")
