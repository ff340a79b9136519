"""A column for the AudioSocket form of a media token."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_INDEX = "ix_media_grants_audiosocket_sha256"


def upgrade() -> None:
    """Add it."""
    with op.batch_alter_table("media_grants") as grants:
        grants.add_column(
            sa.Column("audiosocket_sha256", sa.LargeBinary(), nullable=True, comment="hash of the AudioSocket UUID")
        )
    op.create_index(_INDEX, "media_grants", ["audiosocket_sha256"], unique=True)


def downgrade() -> None:
    """Drop it."""
    op.drop_index(_INDEX, "media_grants")
    with op.batch_alter_table("media_grants") as grants:
        grants.drop_column("audiosocket_sha256")
