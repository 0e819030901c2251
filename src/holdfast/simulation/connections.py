"""The simulated clouds as one process reaches them: drivers by secret, with its own rates."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from holdfast.model.offering import Cloud
from holdfast.providers import errors
from holdfast.providers.limits import Limits
from holdfast.providers.port import Provider
from holdfast.providers.sim.provider import Care, SimProvider
from holdfast.providers.sim.world import World as Clouds


@dataclass(slots=True)
class Connections:
    """The simulated clouds' drivers, by their secret; rates are the process's own."""

    clouds: Clouds
    limits: Limits
    care: Care
    _known: dict[tuple[str, ...], Provider] = field(default_factory=dict)

    def provider(self, cloud: Cloud, secret: Mapping[str, str]) -> Provider:
        """The driver of an account. Raises CredentialsRejected for a key that nobody knows."""
        place = (cloud.value, *(f"{name}={secret[name]}" for name in sorted(secret)))
        if place not in self._known:
            found = self.clouds.holder(cloud, secret)
            if found is None:
                raise errors.CredentialsRejected("connect", "", "no account knows this key")
            self._known[place] = SimProvider(self.clouds, *found, self.limits, self.care)
        return self._known[place]
