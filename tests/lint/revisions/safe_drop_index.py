# safe
from alembic import op

revision = "case"
down_revision = "base0"


def upgrade():
    with op.get_context().autocommit_block():
        op.drop_index("orders_note", table_name="orders", postgresql_concurrently=True, if_exists=True)


def downgrade():
    raise NotImplementedError("a case, and no more")
