# safe
from alembic import op

revision = "case"
down_revision = "base0"


def upgrade():
    # holdfast: allow drop-column no release since May has mapped it
    op.drop_column("orders", "note")
    op.drop_column("orders", "status")  # holdfast: allow drop-column neither that one


def downgrade():
    raise NotImplementedError("a case, and no more")
