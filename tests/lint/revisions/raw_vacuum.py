# finds: rewrite-table
from alembic import op

revision = "case"
down_revision = "base0"


def upgrade():
    with op.get_context().autocommit_block():
        op.execute("VACUUM FULL orders")


def downgrade():
    raise NotImplementedError("a case, and no more")
