"""All tables and their columns; `wakes` is explained in `leases`.

Long because the schema is read as one: a table is never split from its neighbours.
Words are stored as text, values of the model as JSON text (`codec`), times as UTC, what must
not be read from the file as sealed bytes (`vault`).
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    false,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class Instant(TypeDecorator[datetime]):
    """A moment: aware in Python, UTC in the database, microseconds kept, order kept."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To UTC. Raises ValueError for a time without zone: it would be a guess."""
        if value is None:
            return None
        if value.tzinfo is None:
            message = f"time without zone: {value.isoformat()}"
            raise ValueError(message)
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """From UTC."""
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _of_cluster(*, primary_key: bool = False) -> Column[str]:
    """The cluster a row belongs to; the row goes with it."""
    return Column(
        "cluster",
        Text,
        ForeignKey("clusters.id", ondelete="CASCADE"),
        primary_key=primary_key,
        nullable=False,
    )


installation = Table(
    "installation",
    metadata,
    Column("id", Text, primary_key=True),
    Column("signing_key", LargeBinary, nullable=False),  # sealed
    Column("created_at", Instant, nullable=False),
    Column("mark", BigInteger, nullable=False, server_default="0"),  # see store/marks
    Column("observe_only_since", Instant),
    Column("observe_only_reason", Text),
)

platform_secrets = Table(
    "platform_secrets",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", LargeBinary, nullable=False),  # sealed
)

credentials = Table(
    "credentials",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("folded", Text, nullable=False, unique=True),
    Column("cloud", Text, nullable=False),
    Column("secret", LargeBinary, nullable=False),  # sealed
    Column("fingerprint", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("account", Text),
    Column("checked_at", Instant),
    Column("error", Text, nullable=False),
)

regions = Table(
    "regions",
    metadata,
    Column(
        "credentials",
        Text,
        ForeignKey("credentials.id", ondelete="CASCADE"),
        primary_key=True,
    ),
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("saved_at", Instant, nullable=False),
)

clusters = Table(
    "clusters",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("folded", Text, nullable=False),
    Column("spec", Text, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("observed_generation", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("phase", Text, nullable=False),
    Column("conditions", Text, nullable=False),
    Column("reconcile_paused", Boolean, nullable=False),
    Column("endpoint", Text),
    Column("created_at", Instant, nullable=False),
    Column("reconciled_at", Instant),
    Column("delete_asked_at", Instant),
    Column("delete_calls_at", Instant),
    Column("breaker_released_at", Instant),
    Column("deleted_at", Instant),
    Column("plan", Text),
    Column("event_seq", BigInteger, nullable=False, server_default="0"),
    Column("observe_only", Boolean, nullable=False, server_default=false()),
)
Index(
    "uq_clusters_folded_living",
    clusters.c.folded,
    unique=True,
    sqlite_where=text("deleted_at IS NULL"),
    postgresql_where=text("deleted_at IS NULL"),
)

cluster_credentials = Table(
    "cluster_credentials",
    metadata,
    _of_cluster(primary_key=True),
    Column("credentials", Text, primary_key=True, index=True),
)

wakes = Table(
    "wakes",
    metadata,
    Column("key", Text, primary_key=True),
    Column("wake_seq", BigInteger, nullable=False),
    Column("wake_class", Integer, nullable=False),
    Column("seen_seq", BigInteger, nullable=False),
    Column("due_at", Instant, nullable=False, index=True),
    Column("fails", Integer, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("lease_owner", Text),
    Column("lease_until", Instant),
)

machines = Table(
    "machines",
    metadata,
    Column("id", Text, primary_key=True),
    _of_cluster(),
    Column("request", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("cloud", Text, nullable=False),
    Column("region", Text, nullable=False),
    Column("zone", Text, nullable=False),
    Column("instance_type", Text, nullable=False),
    Column("capacity_type", Text, nullable=False),
    Column("image", Text, nullable=False),
    Column("disk_gib", Integer, nullable=False),
    Column("kubernetes_version", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("token", Text, nullable=False),
    Column("nonce_hash", Text, nullable=False),
    Column("chosen_at", Instant, nullable=False),
    Column("provider_id", Text),
    Column("private_ip", Text),
    Column("public_ip", Text),
    Column("launched_at", Instant),
    Column("registered_at", Instant),
    Column("joining_at", Instant),
    Column("joined_at", Instant),
    Column("ready_at", Instant),
    Column("interrupted_at", Instant),
    Column("written_off_at", Instant),
    Column("written_off_reason", Text),
    Column("member_removed_at", Instant),
    Column("gone_at", Instant),
    Column("drain_seconds", Integer),
    Column("replace_reason", Text),
    Column("replace_stopped", Text),
    Column("leaving_at", Instant),
    Column("leaving_reason", Text),
    Column("drained_at", Instant),
    Index(None, "cluster", "gone_at"),
)

intents = Table(
    "intents",
    metadata,
    _of_cluster(primary_key=True),
    Column("name", Text, primary_key=True),
    Column("token", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("saved_at", Instant, nullable=False),
    Column("calls", Integer, nullable=False),
)

things = Table(
    "things",
    metadata,
    _of_cluster(primary_key=True),
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("life", Text, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("first_seen_at", Instant, nullable=False),
    Column("missing_since", Instant),
    Column("missing_readings", Integer, nullable=False, server_default="0"),
    Column("removed_at", Instant),
)

secrets = Table(
    "secrets",
    metadata,
    _of_cluster(primary_key=True),
    Column("name", Text, primary_key=True),
    Column("value", LargeBinary, nullable=False),  # sealed
)

agents = Table(
    "agents",
    metadata,
    Column("machine", Text, ForeignKey("machines.id", ondelete="CASCADE"), primary_key=True),
    Column("public_key", Text, nullable=False),
    Column("boot_id", Text, nullable=False),
    Column("counter", BigInteger, nullable=False),
    Column("last_digest", Text, nullable=False),
    Column("last_answer", LargeBinary),  # sealed: it may carry keys for a control plane
    Column("bound_at", Instant, nullable=False),
    Column("heard_at", Instant, nullable=False),
)

orders = Table(
    "orders",
    metadata,
    Column("id", Text, primary_key=True),
    _of_cluster(),
    Column("machine", Text, ForeignKey("machines.id", ondelete="CASCADE"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("arguments", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("done_at", Instant),
    Column("ok", Boolean),
    Column("message", Text, nullable=False),
    Index(None, "machine", "done_at"),
    Index(None, "cluster"),
)

events = Table(
    "events",
    metadata,
    _of_cluster(primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
    Column("reason", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("severity", Text, nullable=False),
)

certificates = Table(
    "certificates",
    metadata,
    _of_cluster(primary_key=True),
    Column("value", Text, nullable=False),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("hash", Text, nullable=False, unique=True),
    Column("created_at", Instant, nullable=False),
    Column("revoked_at", Instant),
)

refusals = Table(
    "refusals",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("machine", Text, nullable=False, index=True),
    Column("reason", Text, nullable=False),
    Column("source", Text, nullable=False),
)

orphans = Table(
    "orphans",
    metadata,
    Column("credentials", Text, ForeignKey("credentials.id", ondelete="CASCADE"), primary_key=True),
    Column("id", Text, primary_key=True),
    Column("region", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("cluster", Text, nullable=False),
    Column("made_at", Instant),
    Column("first_seen_at", Instant, nullable=False),
)
