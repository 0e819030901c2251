"""One EC2 call in its place: what guards and answers are given."""

from dataclasses import dataclass
from typing import Any

from holdfast_sandbox.aws.call import Call
from holdfast_sandbox.aws.ec2.backend import Backend
from holdfast_sandbox.aws.world import World


@dataclass(frozen=True, slots=True)
class Ask:
    """`backend` is the account's in the region of the call."""

    call: Call
    world: World
    backend: Backend

    @property
    def params(self) -> dict[str, Any]:
        """The parameters, by the names of the SDK."""
        return self.call.params

    def text(self, name: str) -> str:
        """A parameter as text, empty if it is not given."""
        value = self.call.params.get(name)
        return "" if value is None else str(value)

    def items(self, name: str) -> list[Any]:
        """A list parameter, empty if it is not given."""
        return list(self.call.params.get(name) or [])
