"""Which test shows which fault at which level: read from the sources, without importing them."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """One `@pytest.mark.fault(id, level)`; `test` is "file::name" as pytest has it."""

    id: str
    level: str
    test: str


def marks(folder: Path = TESTS) -> tuple[Mark, ...]:
    """Every mark of every test, in the order of ids and levels. Raises ValueError for odd ones."""
    found: list[Mark] = []
    for path in sorted(folder.rglob("test_*.py")):
        found += _of_file(path.relative_to(folder.parent).as_posix(), path.read_text())
    return tuple(sorted(found, key=lambda mark: (mark.id, "PSWB".find(mark.level), mark.test)))


def _of_file(name: str, source: str) -> Iterator[Mark]:
    if "fault" not in source:
        return
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call) and _is_mark(decorator.func):
                    yield _mark(decorator, f"{name}::{node.name}")


def _is_mark(function: ast.expr) -> bool:
    """`pytest.mark.fault`, or its short name `fault`."""
    if isinstance(function, ast.Attribute):
        return ast.unparse(function) == "pytest.mark.fault"
    return isinstance(function, ast.Name) and function.id == "fault"


def _mark(call: ast.Call, test: str) -> Mark:
    words = [arg.value for arg in call.args if isinstance(arg, ast.Constant)]
    words += [word.value.value for word in call.keywords if isinstance(word.value, ast.Constant)]
    if len(words) != 2 or not test.partition("::")[2].startswith("test_"):
        message = f"{test}: a mark of a fault has an id and a level, and stands at a test"
        raise ValueError(message)
    return Mark(str(words[0]), str(words[1]), test)
