# finds: set-not-null drop-column
from alembic import op

revision = "case"
down_revision = "base0"


def upgrade():
    with op.batch_alter_table("orders") as batch:
        batch.alter_column("note", nullable=False)
        batch.drop_column("status")


def downgrade():
    raise NotImplementedError("a case, and no more")
