"""What became of the marked tests when they ran last: kept in build/faults.json."""

import json
from collections.abc import Mapping
from pathlib import Path

KEPT = Path(__file__).parents[2] / "build/faults.json"
WORST_FIRST = ("failed", "skipped", "passed")


def known(path: Path = KEPT) -> dict[str, str]:
    """The outcome by "file::name"; empty where no marked test ever ran here."""
    if not path.exists():
        return {}
    found: dict[str, str] = json.loads(path.read_text())
    return found


def keep(ran: Mapping[str, str], path: Path = KEPT) -> None:
    """Remember the outcomes of a run; those of tests that it left out stay."""
    path.parent.mkdir(exist_ok=True)
    whole = {**known(path), **ran}
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(whole, indent=1, sort_keys=True) + "\n")
    fresh.replace(path)


def worse(one: str, other: str) -> str:
    """Of two outcomes of one test with different parameters, the one to show."""
    return min(one, other, key=WORST_FIRST.index)
