"""A process that stood still, was replaced, and goes on with all that it believed.

It returns as soon as its successor has nothing to do, while windows are open still: later its own
limit of a pass would end what it began.
"""

import asyncio
import contextvars
from typing import TYPE_CHECKING

from holdfast.simulation.process import Process
from holdfast.simulation.quiet import LOOK, motion

if TYPE_CHECKING:
    from holdfast.simulation.world import Simulation

AFTER = 5.0  # seconds from the moment at which it stands still to the start of its successor
STILL = 60.0  # seconds that it stands still at least, and goes on afterwards


def frozen(world: "Simulation") -> asyncio.Task[None]:
    """Freeze the process that runs; the task brings it back once its successor has done all."""
    zombie = world.platform
    zombie.freeze()
    return asyncio.create_task(_returns(world, zombie), context=contextvars.Context())


async def _returns(world: "Simulation", zombie: Process) -> None:
    await world.clock.sleep(AFTER)
    await world.stand_in()
    await world.clock.sleep(STILL)
    while list(motion(world)):
        await world.clock.sleep(LOOK)
    world.thaw()
    await world.clock.sleep(STILL)
    world.transcript.note(f"platform dies, process {zombie.number}")
    zombie.die()
