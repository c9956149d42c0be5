"""A module imports only from its own floor or lower ones, and only at the top of the file."""

import ast
from pathlib import Path

import impermanenced

FLOORS = {
    "errors": 0, "model": 0, "wire": 0, "patterns": 0, "rules": 0,
    "score": 0, "said": 0, "lazy": 0, "gitignore": 0,
    "command": 1,
    "kernel": 1, "atomic": 1, "journal": 1, "lastentry": 1, "logger": 1, "channel": 1,
    "config": 2, "records": 2, "store": 2, "ledger": 2, "settings": 2, "values": 2, "sample": 2, "sources": 2,
    "declared": 2,
    "drift": 3, "watch": 3, "boots": 3, "keep": 3, "knowledge": 3, "volumes": 3, "setup": 3,
    "requests": 3, "doctor": 3, "tally": 3, "gate": 3, "levels": 3, "goodboot": 3, "trouble": 3,
    "activity": 3, "attribution": 3, "farewell": 3, "alerts": 3, "announce": 3, "owners": 3, "treewatch": 3,
    "crowds": 3, "archive": 3, "protect": 3, "prune": 3, "sizes": 3,
    "appraisal": 3, "asked": 3, "lives": 3, "managed": 3, "suggest": 3, "units": 3,
    "manager": 4, "grounds": 4,
    "bus": 5,
    "apart": 6, "cli": 6, "confwatch": 6, "daemon": 6, "errands": 6, "parting": 6, "warden": 6,
    "reloading": 6, "rounds": 6, "tui": 6, "metrics": 6,
}  # fmt: skip
ROOT = Path(impermanenced.__file__).parent
# The command line loads the module of the command that was asked for, and no other.
DISPATCH = {"cli/__init__.py"}


def room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def modules() -> list[Path]:
    return [path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py"]


def imported_rooms(path: Path, node: ast.Import | ast.ImportFrom) -> set[str]:
    package = ("impermanenced", *path.relative_to(ROOT).parent.parts)
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    else:
        parts = package[: len(package) - node.level + 1] if node.level else ()
        base = ".".join((*parts, *([node.module] if node.module else [])))
        names = [base] if base.count(".") else [f"{base}.{alias.name}" for alias in node.names]
    inside = [name.split(".") for name in names if name.startswith("impermanenced.")]
    return {parts[1] for parts in inside} - {"__version__"}


def test_every_module_has_a_floor() -> None:
    assert {room(path) for path in modules()} <= set(FLOORS)


def test_imports_go_down() -> None:
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import | ast.ImportFrom):
                for other in imported_rooms(path, node):
                    assert FLOORS[other] <= FLOORS[room(path)], f"{path.name} imports {other}"


def test_no_import_inside_a_function() -> None:
    for path in modules():
        if str(path.relative_to(ROOT)) in DISPATCH:
            continue
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                for node in ast.walk(function):
                    assert not isinstance(node, ast.Import | ast.ImportFrom), f"{path}:{node.lineno}"
