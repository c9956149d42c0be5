"""The names in the state directory stand in one module, and nowhere else in the package."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import impermanenced
from impermanenced import state
from impermanenced.state import BootFile, boot_file, boot_files

PACKAGE = Path(impermanenced.__file__).parent
# As a whole string, or as a part of one that is a path: a sentence for a person may name them.
NAMES = re.compile(
    r"\.impermanence|/run/impermanence(/.*)?|(.*/)?rollback\.env|(.*/)?boots/.*|next|staging|trash|ledger\.sqlite"
    r"|old_roots|.*\\\.\(?(env|end|good|pin)\b.*|\.(env|end|good|pin)"
)


def literals(path: Path) -> list[str]:
    """Return the bytes literals of a module, and of its strings those that are patterns."""
    found = [node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)]
    patterns = [value for value in found if isinstance(value, str) and "\\." in value]
    return [value.decode("ascii", "replace") for value in found if isinstance(value, bytes)] + patterns


def test_names_stand_here_alone() -> None:
    found = {(path.name, one) for path in PACKAGE.rglob("*.py") for one in literals(path)}
    assert {name for name, one in found if NAMES.fullmatch(one)} == {"state.py"}


def test_files_of_boots() -> None:
    assert boot_file(12, BootFile.RECORD) == b".impermanence/boots/12.env"
    assert boot_files([b"0.env", b"12.env", b"12.good", b"7.end", b"3.pin", b"4.plan"]) == {
        BootFile.RECORD: {0, 12}, BootFile.GOOD: {12}, BootFile.END: {7}, BootFile.PIN: {3},
        BootFile.PLAN: {4},
    }  # fmt: skip
    others = [b"01.env", b"1234567890.env", b"x.env", b"1.env~", b"1.other", b"1.env\n", b"\xff.env"]
    assert not any(boot_files(others).values())


def test_names_of_old_roots_that_were_taken() -> None:
    name = state.archive_name(7, state.NO_BOOT_ID, "home")
    assert state.first_spelling(name + b"-2") == name
    assert state.first_spelling(name) == name


def test_names_of_the_well_known_script() -> None:
    earlier, later = state.classic_time(b"2025-11-3_20:02:07"), state.classic_time(b"2025-11-12_08:00:00")
    assert earlier is not None and later is not None and 0 < later - earlier < 9 * 86400
    assert state.classic_time(b"before-upgrade") is None
