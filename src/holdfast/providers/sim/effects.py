"""The door for who must know of, or meddle with, every effect: crash sweeps and checkers.

An effect is a call that can change the world. Reads are told apart: they change nothing.
"""

from dataclasses import dataclass
from typing import Protocol

from holdfast.model.ids import ClusterId
from holdfast.providers.sim.faults import Fault


@dataclass(frozen=True, slots=True)
class Effect:
    """One call, by words that a run with the same seed repeats: "cloud/aws create aws/network"."""

    port: str
    verb: str
    subject: str
    cluster: ClusterId

    @property
    def label(self) -> str:
        """As transcripts have it."""
        return f"{self.port} {self.verb} {self.subject} {self.cluster}"


class Effects(Protocol):
    """Asked around each effect and each reading; may raise to end the process there."""

    def before(self, effect: Effect) -> Fault | None:
        """The effect is issued and nothing happened yet. MAY return a fault for this very call."""
        ...

    def after(self, effect: Effect, outcome: str) -> None:
        """It was applied, or not, and nobody has seen an answer.

        `outcome` is "ok", the class of the cloud's error, "lost" (it will never be applied) or
        "late" (it will be, unasked).
        """
        ...

    def reading(self, effect: Effect) -> Fault | None:
        """A listing is about to be read. MAY return a fault for this very listing."""
        ...


class Quiet:
    """Nobody looks."""

    def before(self, effect: Effect) -> Fault | None:  # noqa: ARG002 - the port's signature
        """Go on."""
        return None

    def after(self, effect: Effect, outcome: str) -> None:
        """Go on."""

    def reading(self, effect: Effect) -> Fault | None:  # noqa: ARG002 - the port's signature
        """Go on."""
        return None
