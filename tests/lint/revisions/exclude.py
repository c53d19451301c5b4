# finds: add-exclusion
import sqlalchemy as sa
from alembic import op

revision = "case"
down_revision = "base0"


def upgrade():
    op.create_exclude_constraint("apart", "orders", (sa.column("note"), "="), using="gist")


def downgrade():
    raise NotImplementedError("a case, and no more")
