"""Exit codes, and the failures that lead to them.

0 done   1 failed   2 wrong usage   3 not found   4 refused   5 no answer in time
"""

from typing import Any

DONE, FAILED, USAGE, NOT_FOUND, REFUSED, NO_ANSWER, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130


class Failure(Exception):
    """The command could not do it; the message says what and why."""

    code = FAILED


class Usage(Failure):
    """The command was called wrongly."""

    code = USAGE


class Missing(Failure):
    """There is no such thing."""

    code = NOT_FOUND


class Blocked(Failure):
    """The platform or the cloud says no."""

    code = REFUSED


class Late(Failure):
    """It did not happen in time."""

    code = NO_ANSWER


def code_of(error: Exception) -> int:
    """The exit code of a failed call of the API."""
    from holdfast.client import errors  # noqa: PLC0415  (only when something failed)

    match error:
        case errors.NotFound():
            return NOT_FOUND
        case errors.Unreachable():
            return NO_ANSWER
        case errors.Refused(status=status) if status < 500:
            return REFUSED
    return FAILED


def run(name: str, command: Any, tokens: list[str]) -> int:
    """Run a command or an application of them; every failure becomes a line and a code."""
    from cyclopts import App, CycloptsError  # noqa: PLC0415  (its import is most of the start)

    from holdfast.cli import apps  # noqa: PLC0415
    from holdfast.client.errors import ClientError  # noqa: PLC0415

    app = command
    if not isinstance(command, App):  # a single command, not an application of several
        app = apps.make(name, "")
        app.default(command)
    try:
        code = app(tokens, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        return say(f"{error}\nsee: holdfast {name} --help", USAGE)
    except Failure as failure:
        return say(str(failure), failure.code)
    except ClientError as error:
        return say(str(error), code_of(error))
    except KeyboardInterrupt:
        return say("interrupted", INTERRUPTED)
    except BrokenPipeError:
        return DONE
    return code if isinstance(code, int) else DONE


def say(message: str, code: int) -> int:
    """Write an error to the error output; returns the code."""
    import sys  # noqa: PLC0415

    from holdfast.cli.output import escaped  # noqa: PLC0415

    lines = "\n".join(escaped(line) for line in message.splitlines())
    print(f"error: {lines}", file=sys.stderr)
    return code
