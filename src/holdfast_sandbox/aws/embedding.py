"""moto in this process, seeded, emptied and patched once: the only place that reaches into it."""

from typing import Any

from moto.core.base_backend import BackendDict
from moto.core.common_models import BaseModel
from moto.moto_api._internal import mock_random

from holdfast_sandbox.aws.ec2 import backend, tags
from holdfast_sandbox.aws.world import World


def _untracked(cls: type, *_: Any, **__: Any) -> Any:
    """moto keeps every object it ever made in a list; a sandbox that runs for days must not."""
    return object.__new__(cls)


def embed(world: World) -> None:
    """Forget all that an earlier emulator of this process held and serve `world`.

    moto's backends are process-wide: there can be one emulator at a time.
    """
    BaseModel.__new__ = _untracked  # type: ignore[method-assign]
    registry: list[Any] = BackendDict._instances  # type: ignore[misc]  # noqa: SLF001 - moto's
    for held in registry:
        held.clear()
    mock_random.seed(world.seed)
    tags.install()
    backend.install(world)
