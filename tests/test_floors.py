"""The folders are the floors: a module imports only from lower ones, and only at the top of the file."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import impermanenced

# From the ground up.  A name is a folder, or a module beside the folders.
FLOORS = (
    "errors",
    "lazy",
    "losses",
    "model",
    "paths",
    "state",
    "text",
    "kernel",
    "system",
    "config",
    "copying",
    "volumes",
    "watch",
    "drift",
    "boots",
    "report",
    "releases",
    "keep",
    "alerts",
    "document",
    "bus",
    "library",
    "daemon",
    "setup",
    "cli",
)
ROOT = Path(impermanenced.__file__).parent
PROJECT = Path(__file__).parent.parent
ARCHITECTURE = PROJECT / "docs/architecture.md"
DOCUMENTS = [*PROJECT.glob("*.md"), *PROJECT.glob("docs/*.md"), PROJECT / "initrd/README.md"]
NAMED_MODULE = re.compile(r"`(?:impermanenced/)?(\w+)/([\w/]+)(?:\.py)?/?`")
# The command line loads what is needed for what was asked, and no more: the bus or the filesystem, a pager.
DISPATCH = {"cli/output.py", "cli/source.py"}


def floor(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def modules() -> list[Path]:
    return [path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py"]


def imported_floors(path: Path, node: ast.Import | ast.ImportFrom) -> set[str]:
    package = ("impermanenced", *path.relative_to(ROOT).parent.parts)
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    else:
        parts = package[: len(package) - node.level + 1] if node.level else ()
        base = ".".join((*parts, *([node.module] if node.module else [])))
        names = [base] if base.count(".") else [f"{base}.{alias.name}" for alias in node.names]
    inside = [name.split(".") for name in names if name.startswith("impermanenced.")]
    return {parts[1] for parts in inside} - {"__version__"}


def test_each_floor_is_there_and_no_other() -> None:
    assert {floor(path) for path in modules()} == set(FLOORS)


def test_the_architecture_lists_the_floors_in_their_order() -> None:
    table = ARCHITECTURE.read_text().partition("| floor |")[2].partition("\n\n")[0]
    assert tuple(re.findall(r"^\| `(\w+)` \| .{10,} \|$", table, re.MULTILINE)) == FLOORS


def test_modules_that_documents_name_exist() -> None:
    """Documents name a module as `folder/module`, without the package's name."""
    for document in DOCUMENTS:
        for folder, module in NAMED_MODULE.findall(document.read_text()):
            if folder in FLOORS:
                path = ROOT / folder / module
                assert path.is_dir() or path.with_suffix(".py").is_file(), f"{document.name}: {module}"


def test_imports_go_down() -> None:
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import | ast.ImportFrom):
                for other in imported_floors(path, node):
                    assert FLOORS.index(other) <= FLOORS.index(floor(path)), f"{path} imports {other}"


def test_no_import_inside_a_function() -> None:
    for path in modules():
        if str(path.relative_to(ROOT)) in DISPATCH:
            continue
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                for node in ast.walk(function):
                    assert not isinstance(node, ast.Import | ast.ImportFrom), f"{path}:{node.lineno}"
