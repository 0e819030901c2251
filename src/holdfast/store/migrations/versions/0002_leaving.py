"""Machines that are replaced or leave while they live."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What a user said of a machine, and how far it has left."""
    moment = sa.DateTime(timezone=True)
    for column in (
        sa.Column("drain_seconds", sa.Integer(), nullable=True),
        sa.Column("replace_reason", sa.Text(), nullable=True),
        sa.Column("replace_stopped", sa.Text(), nullable=True),
        sa.Column("leaving_at", moment, nullable=True),
        sa.Column("leaving_reason", sa.Text(), nullable=True),
        sa.Column("drained_at", moment, nullable=True),
    ):
        op.add_column("machines", column)
