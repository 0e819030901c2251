"""What the runner takes from the store: the layers below a machine and its container images."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

RECORD = "prepared.json"


class NotPrepared(Exception):
    """The store holds no machine image; the message says how to make one."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A machine image. `lower` are overlay layers, uppermost first.

    `golden` is a containerd directory with all images unpacked, None only while it is being made.
    `versions` are the Kubernetes versions below `/opt/kube`, the one in use first.
    """

    store: Path
    lower: Sequence[Path]
    golden: Path | None
    versions: Sequence[str]


def default_store() -> Path:
    """`$HOLDFAST_STORE`, else `~/.cache/holdfast`."""
    return Path(os.environ.get("HOLDFAST_STORE") or Path.home() / ".cache" / "holdfast")


def save(prepared: Prepared) -> None:
    """Make this the image that `load` finds in its store."""
    record = prepared.store / RECORD
    beside = record.with_suffix(".new")
    beside.write_text(json.dumps(asdict(prepared), default=str, indent=1) + "\n")
    beside.replace(record)


def load(store: Path) -> Prepared:
    """The image of a store. Raises NotPrepared when there is none or a part of it is missing."""
    advice = f"no machine image in {store}: run `python -m holdfast_sandbox prepare`"
    try:
        record = json.loads((store / RECORD).read_text())
    except FileNotFoundError as error:
        raise NotPrepared(advice) from error
    found = Prepared(
        store=store,
        lower=tuple(Path(layer) for layer in record["lower"]),
        golden=Path(record["golden"]),
        versions=tuple(record["versions"]),
    )
    for path in (*found.lower, found.golden):
        if path is not None and not path.is_dir():
            raise NotPrepared(f"{advice} ({path} is missing)")
    return found
