# safe
from alembic import op

revision = "case"
down_revision = "base0"


def upgrade():
    op.create_check_constraint("positive", "orders", "total > 0", postgresql_not_valid=True)
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE orders VALIDATE CONSTRAINT positive")


def downgrade():
    raise NotImplementedError("a case, and no more")
