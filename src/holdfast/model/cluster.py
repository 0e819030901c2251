"""A cluster: metadata, specification and status, with the two counters that order them."""

from dataclasses import dataclass
from datetime import datetime

from holdfast.model.ids import ClusterId
from holdfast.model.spec import ClusterSpec
from holdfast.model.status import ClusterPhase, Condition


@dataclass(frozen=True, slots=True)
class Cluster:
    """`generation` counts changes of the spec; `observed_generation` is the one last reconciled.

    `revision` counts every change of the row and serves as ETag. `endpoint` is the users' address
    of the API server, known once it is reserved. `delete_calls_at` is when the last delete call
    was made: the consistency window of the deletion certificate starts there.
    `breaker_released_at` is when a user last said that machines which look broken are lost.
    `observe_only`: passes look and plan, and nothing leaves the platform before a person
    releases it.
    """

    id: ClusterId
    spec: ClusterSpec
    generation: int
    observed_generation: int
    revision: int
    phase: ClusterPhase
    created_at: datetime
    conditions: tuple[Condition, ...] = ()
    reconcile_paused: bool = False
    observe_only: bool = False
    endpoint: str | None = None
    reconciled_at: datetime | None = None
    delete_asked_at: datetime | None = None
    delete_calls_at: datetime | None = None
    breaker_released_at: datetime | None = None
    deleted_at: datetime | None = None

    @property
    def is_deleting(self) -> bool:
        """True from the moment a user asked for it."""
        return self.delete_asked_at is not None
