"""How every command of ours takes its options: one spelling, no negations, no hidden extras."""

from cyclopts import App, Parameter


def make(name: str, summary: str) -> App:
    """An application of one noun; its commands are added by decorator."""
    return App(
        name=f"holdfast {name}",
        help=summary,
        version_flags=[],
        default_parameter=Parameter(negative=(), show_default=_is_worth_showing),
    )


def _is_worth_showing(default: object) -> str | None:
    return str(default) if default not in (None, "", False, 0) else None
