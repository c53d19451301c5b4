# finds: add-unique
from alembic import op

revision = "case"
down_revision = "base0"


def upgrade():
    op.create_primary_key("scraps_pkey", "scraps", ["id"])


def downgrade():
    raise NotImplementedError("a case, and no more")
