"""Asks before something is made or lost; never where nobody can answer."""

import sys

from holdfast.cli.exits import Failure, Usage
from holdfast.cli.output import escaped


def yes(question: str) -> None:
    """Go on only after "y" or "yes". Raises Failure otherwise, Usage without a terminal."""
    if _answer(f"{question} [y/N] ").lower() not in {"y", "yes"}:
        message = "not confirmed; nothing was done"
        raise Failure(message)


def name(question: str, expected: str) -> None:
    """Go on only after the very name was typed. Raises Failure otherwise."""
    if _answer(f"{question} ") != expected:
        message = "the name does not match; nothing was done"
        raise Failure(message)


def _answer(question: str) -> str:
    if not sys.stdin.isatty():
        message = "this asks first, and there is no terminal; give --yes"
        raise Usage(message)
    print(escaped(question), end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip()
