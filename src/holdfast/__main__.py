"""The `holdfast` program: command name -> module, by lazy import strings; builds nothing itself."""

import importlib
import sys

COMMANDS = {
    "cluster": ("holdfast.cli.cluster:app", "create, watch, use and delete clusters"),
    "machine": ("holdfast.cli.machine:app", "machines of a cluster"),
    "credentials": ("holdfast.cli.credentials:app", "credentials of your cloud accounts"),
    "installation": ("holdfast.cli.installation:app", "does the platform act or only observe"),
    "region": ("holdfast.cli.region:app", "regions in which clusters can be made"),
    "serve": ("holdfast.local.serve:serve", "run the platform: API and reconciler"),
    "simulate": ("holdfast.local.simulate:simulate", "what a bad day would do to a cluster"),
    "sandbox": ("holdfast.local.sandbox:app", "a cloud on this machine, for trying things out"),
}
TITLE = "Holdfast creates Kubernetes clusters in your own cloud accounts, and holds them."


def main() -> None:
    """Run the command of `sys.argv`; exits with its code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command; returns its exit code (the codes are in `cli/exits.py`)."""
    name = arguments[0] if arguments else "--help"
    if name in {"--help", "-h", "help"}:
        print(overview())  # noqa: T201  (the program's own help)
        return 0
    if name in {"--version", "version"}:
        from importlib.metadata import version  # noqa: PLC0415

        print(version("holdfast"))  # noqa: T201
        return 0
    from holdfast.cli import exits  # noqa: PLC0415

    if name not in COMMANDS:
        return exits.say(f"unknown command {name!r}\n{overview()}", exits.USAGE)
    module, _, attribute = COMMANDS[name][0].partition(":")
    command = getattr(importlib.import_module(module), attribute)
    return exits.run(name, command, arguments[1:])


def overview() -> str:
    """The commands and what they are for."""
    lines = [f"  {name:<12} {summary}" for name, (_, summary) in COMMANDS.items()]
    usage = "Usage: holdfast COMMAND ... (holdfast COMMAND --help tells more)"
    return "\n".join([TITLE, "", usage, "", "Commands:", *lines])


if __name__ == "__main__":
    main()
