"""The console log of a machine: what is left to read when it never called back."""

from holdfast.providers import errors
from holdfast.providers.aws.client import Call, Client

LONGEST = 16 * 1024  # bytes of the tail


async def tail(client: Client, region: str, machine: str) -> str:
    """The last 16 KiB; empty when there is no log (yet), or no such machine any more."""
    what = f"read the console of {machine}"
    call = Call("ec2", "GetConsoleOutput", region, what, {"InstanceId": machine})
    try:
        answer = await client.call(call)
    except errors.NotFound:
        return ""
    # The SDK has decoded it already.
    raw = str(answer.get("Output") or "").encode()
    return raw[-LONGEST:].decode(errors="ignore")
