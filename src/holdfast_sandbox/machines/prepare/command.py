"""The subcommand `prepare`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from holdfast_sandbox.machines import image
from holdfast_sandbox.machines.prepare import progress, recipe
from holdfast_sandbox.machines.prepare.errors import PrepareError
from holdfast_sandbox.machines.prepare.preparation import prepare as make


def prepare(
    *,
    kubernetes: Annotated[list[str] | None, Parameter(consume_multiple=True)] = None,
    store: Path | None = None,
) -> int:
    """Make the machine image, once; a second run finds it made. Returns the exit code.

    Parameters
    ----------
    kubernetes
        Kubernetes versions; the first is the one that machines use if nothing else is said.
    store
        Where to keep it (HOLDFAST_STORE, else ~/.cache/holdfast); about 3 GB.
    """
    console = Console()
    place = (store or image.default_store()).absolute()
    try:
        made = make(place, kubernetes or [recipe.DEFAULT_VERSION], progress.on(console))
    except PrepareError as error:
        told = Console(stderr=True, soft_wrap=True)
        told.print(f"prepare: {error}", highlight=False, markup=False)
        return 1
    except KeyboardInterrupt:
        Console(stderr=True).print("prepare: interrupted; finished parts are kept")
        return 130
    console.print(
        f"machine image ready in {place}: Kubernetes {', '.join(made.versions)}",
        highlight=False,
        soft_wrap=True,
    )
    return 0
