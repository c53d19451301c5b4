# safe
from alembic import op

revision = "case"
down_revision = "base0"


def upgrade():
    op.execute("CREATE OR REPLACE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$")


def downgrade():
    raise NotImplementedError("a case, and no more")
