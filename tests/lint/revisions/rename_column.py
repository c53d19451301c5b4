# finds: rename-column
from alembic import op

revision = "case"
down_revision = "base0"


def upgrade():
    op.alter_column("orders", "note", new_column_name="remark")


def downgrade():
    raise NotImplementedError("a case, and no more")
