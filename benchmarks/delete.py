"""From the request to delete a basic cluster to its provisional deletion certificate."""

import sys
import time
from collections.abc import Sequence

from benchmarks import figure, scene
from benchmarks.figure import Figure

GOAL = 20.0


def measure() -> Sequence[Figure]:
    """The certificate is of the first complete listing that shows nothing."""
    with scene.cluster("basic") as cluster:
        began = time.monotonic()
        cluster.ask_delete()
        cluster.wait(
            "a certificate", lambda: cluster.certificate_is("provisional", "confirmed"), 90
        )
        seconds = time.monotonic() - began
    return [Figure("delete to provisional certificate", "s", GOAL, round(seconds, 1))]


if __name__ == "__main__":
    sys.exit(figure.run("delete", measure))
