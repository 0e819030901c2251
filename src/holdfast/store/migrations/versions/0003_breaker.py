"""When a user released the breaker of a cluster."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nobody has released one yet."""
    moment = sa.DateTime(timezone=True)
    op.add_column("clusters", sa.Column("breaker_released_at", moment, nullable=True))
