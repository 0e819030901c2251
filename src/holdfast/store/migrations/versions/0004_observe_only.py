"""Observe-only, the mark that tells an old database, and things without a record."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what a restored database needs; nothing that is there changes."""
    op.add_column(
        "clusters",
        sa.Column("observe_only", sa.Boolean(), server_default=sa.text("0"), nullable=False),
    )
    op.add_column(
        "installation", sa.Column("mark", sa.BigInteger(), server_default="0", nullable=False)
    )
    op.add_column(
        "installation", sa.Column("observe_only_since", sa.DateTime(timezone=True), nullable=True)
    )
    op.add_column("installation", sa.Column("observe_only_reason", sa.Text(), nullable=True))
    op.create_table(
        "orphans",
        sa.Column("credentials", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("region", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("cluster", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["credentials"],
            ["credentials.id"],
            name=op.f("fk_orphans_credentials_credentials"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("credentials", "id", name=op.f("pk_orphans")),
    )
