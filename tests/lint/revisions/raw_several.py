# finds: set-not-null drop-column
from alembic import op

revision = "case"
down_revision = "base0"


def upgrade():
    op.execute(
        """
        ALTER TABLE orders ALTER COLUMN note SET NOT NULL;
        ALTER TABLE orders DROP COLUMN status;
        """
    )


def downgrade():
    raise NotImplementedError("a case, and no more")
