"""Client tokens: the same token and parameters give the same thing, once (rows H04, H05)."""

import copy
from collections.abc import Callable
from typing import Any

from holdfast_sandbox.aws.ec2.ask import Ask
from holdfast_sandbox.aws.errors import AwsError
from holdfast_sandbox.aws.state import TokenUse

LENGTH = 64
UNCOMPARED = ("ClientToken", "DryRun")


def once(ask: Ask, make: Callable[[], Any]) -> Any:
    """Carry out `make`, or answer what it made before under this token, as it is now."""
    token = ask.text("ClientToken")
    if not token:
        return make()
    if len(token) > LENGTH or not token.isascii():
        raise AwsError(
            "InvalidParameterValue", f"Value ({token}) for parameter clientToken is invalid."
        )
    params = {name: value for name, value in ask.params.items() if name not in UNCOMPARED}
    place = (ask.call.account, ask.call.region, ask.call.action, token)
    used = ask.world.state.tokens.get(place)
    if used is None:
        before = copy.deepcopy(params)
        result = make()
        ask.world.state.tokens[place] = TokenUse(before, result)
        return result
    if used.params != params:
        raise AwsError(
            "IdempotentParameterMismatch",
            f"Arguments on this idempotent request are inconsistent with arguments used in "
            f"previous request(s): {token}",
        )
    ask.call.notes["replayed"] = True
    return used.result
