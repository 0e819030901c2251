"""How results are shown: json, yaml, names, or a table that fits the terminal.

Values of others (names, messages) may hold control characters: they are always shown escaped.
"""

import json
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Format = Literal["table", "json", "yaml", "name"]
GAP = "  "
NARROWEST = 6  # a column is never cut below this
UNLIMITED = 10_000


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its title, and the value as a path ("region.displayName") or a function."""

    title: str
    value: str | Callable[[Mapping[str, Any]], object]

    def of(self, item: Mapping[str, Any]) -> str:
        """The text of one cell; "-" where there is no value."""
        found = self.value(item) if callable(self.value) else _at(item, self.value)
        return "-" if found is None or found == "" else escaped(str(found))


def escaped(text: str) -> str:
    """The text without anything that a terminal could act on."""
    return "".join(c if c.isprintable() else _escape(c) for c in text)


def show(answer: Any, output: Format, columns: Sequence[Column], *, name: str = "name") -> None:
    """Print an answer: {"items": [...]} as a table of rows, anything else as one row."""
    items = answer["items"] if isinstance(answer, dict) and "items" in answer else [answer]
    if output == "json":
        print(json.dumps(answer, indent=2, ensure_ascii=not _is_utf8()))
    elif output == "yaml":
        print(as_yaml(answer), end="")
    elif output == "name":
        for item in items:
            print(escaped(str(item.get(name) or item.get("id", ""))))
    else:
        print(table(items, columns))


def as_yaml(answer: Any) -> str:
    """YAML, keys in the order of the API."""
    import yaml  # noqa: PLC0415  (only for this format)

    text: str = yaml.safe_dump(answer, sort_keys=False, allow_unicode=_is_utf8())
    return text


def table(items: Sequence[Mapping[str, Any]], columns: Sequence[Column]) -> str:
    """Rows under titles; on a terminal the widest columns are cut until the line fits."""
    rows = [[column.title for column in columns]]
    rows += [[column.of(item) for column in columns] for item in items]
    widths = fitted([max(map(len, cells)) for cells in zip(*rows, strict=True)], _width())
    return "\n".join(_line(row, widths) for row in rows)


def fields(pairs: Sequence[tuple[str, object]]) -> str:
    """Titles and values below each other; values that are missing are left out."""
    shown = [(title, escaped(str(value))) for title, value in pairs if value not in (None, "")]
    width = max((len(title) for title, _ in shown), default=0)
    return "\n".join(f"{title:<{width}}{GAP}{value}" for title, value in shown)


def fitted(widths: Sequence[int], width: int) -> list[int]:
    """The widths of columns after the widest ones gave way, none below NARROWEST."""
    found = list(widths)
    while sum(found) + len(GAP) * (len(found) - 1) > width and max(found) > NARROWEST:
        found[found.index(max(found))] -= 1
    return found


def note(text: str) -> None:
    """A line for the person at the terminal, apart from the result."""
    print(escaped(text), file=sys.stderr, flush=True)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    cut = [
        cell if len(cell) <= width else cell[: width - 1] + ("…" if _is_utf8() else "~")
        for cell, width in zip(cells, widths, strict=True)
    ]
    padded = [f"{cell:<{width}}" for cell, width in zip(cut, widths, strict=True)]
    return GAP.join(padded).rstrip()


def _width() -> int:
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else UNLIMITED


def _is_utf8() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"


def _escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def _at(item: Mapping[str, Any], path: str) -> object:
    found: Any = item
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found
