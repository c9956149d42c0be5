"""What comes from outside is parsed once, at the edge: nothing behind it handles objects of unknown shape."""

from __future__ import annotations

import re
from pathlib import Path

import impermanenced

ROOT = Path(impermanenced.__file__).parent
# The rule files of the package, compiled for a quick start, and the presets made of them; and the documents.
JSON = {
    "report/knowledge/compiled.py",
    "report/knowledge/essentials.py",
    "config/presets.py",
    "document/fields.py",
}


def modules() -> dict[str, str]:
    return {path.relative_to(ROOT).as_posix(): path.read_text() for path in ROOT.rglob("*.py")}


def test_no_mapping_has_values_of_any_type() -> None:
    for place, text in modules().items():
        assert not re.search(r"(dict|Mapping)\[str, Any\]", text), place


def test_json_is_read_and_written_in_one_place() -> None:
    loads = re.compile(r"^\s*import json$|Deferred\(\"json\"\)", re.M)
    assert {place for place, text in modules().items() if loads.search(text)} == JSON
