"""An ha cluster loses the control plane that holds the users' address."""

import sys
from collections.abc import Sequence

from demo.loss import lose_control_plane

from benchmarks import figure, scene
from benchmarks.figure import Figure

HEALED, FAILED, ANSWERS = 60.0, 0.0, 25.0


def measure() -> Sequence[Figure]:
    """Seconds from the kill; requests through a worker's forwarder all the while."""
    with scene.cluster("ha") as cluster:
        loss = lose_control_plane(cluster, scene.READY)
    print(f"requests through a node's forwarder: {loss.probe}")
    healed, answers = round(loss.healed, 1), round(loss.answers_again, 1)
    return [
        Figure("control plane killed to replacement Ready", "s", HEALED, healed),
        Figure("API requests failed after one retry", "requests", FAILED, loss.probe["failed"]),
        Figure("user's kubeconfig answers again", "s", ANSWERS, answers),
    ]


if __name__ == "__main__":
    sys.exit(figure.run("control_plane", measure))
