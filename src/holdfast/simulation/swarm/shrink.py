"""Cuts a plan down while the same thing breaks: delta debugging, bounded in runs."""

from collections.abc import Callable

from holdfast.simulation.swarm.steps import Plan, Step


def shrunk(plan: Plan, breaks: Callable[[Plan], bool], most: int) -> Plan:
    """The smallest plan found in at most `most` tries; `plan` itself breaks.

    First halves of the steps are left out, then quarters, at last single ones: when nothing can be
    left out any more, every step that remains is needed.
    """
    steps, parts = plan.steps, 2
    tries = 0
    while len(steps) > 1 and tries < most:
        for fewer in _without_a_part(steps, parts):
            tries += 1
            if breaks(plan.with_steps(fewer)):
                steps, parts = fewer, max(2, parts - 1)
                break
            if tries >= most:
                break
        else:
            if parts >= len(steps):
                break
            parts = min(len(steps), parts * 2)
    return plan.with_steps(steps)


def _without_a_part(steps: tuple[Step, ...], parts: int) -> list[tuple[Step, ...]]:
    size = -(-len(steps) // parts)
    return [steps[:start] + steps[start + size :] for start in range(0, len(steps), size)]
