# finds: truncate
import sqlalchemy as sa
from alembic import op

revision = "case"
down_revision = "base0"


def upgrade():
    op.execute(sa.text("TRUNCATE orders"))


def downgrade():
    raise NotImplementedError("a case, and no more")
