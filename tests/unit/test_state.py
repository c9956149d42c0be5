"""The names in the state directory stand in one module, and nowhere else in the package."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

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
    names = [b"0.env", b"12.env", b"12.good", b"7.end", b"3.pin", b"4.plan", b"5.lost", b"6.reviewed"]
    assert boot_files(names) == {
        BootFile.RECORD: {0, 12}, BootFile.GOOD: {12}, BootFile.END: {7}, BootFile.PIN: {3},
        BootFile.PLAN: {4}, BootFile.LOST: {5}, BootFile.REVIEWED: {6},
    }  # fmt: skip
    others = [b"01.env", b"1234567890.env", b"x.env", b"1.env~", b"1.other", b"1.env\n", b"\xff.env"]
    assert not any(boot_files(others).values())


def test_names_of_old_roots_that_were_taken() -> None:
    name = state.archive_name(7, state.NO_BOOT_ID, "home")
    assert state.first_spelling(name + b"-2") == name
    assert state.first_spelling(name) == name


@pytest.mark.parametrize(
    ("name", "volume"),
    [
        (b"2025-11-3_20:02:07", None),
        (b"root.2025-11-03T20:02:07", "root"),
        (b"root.20251103T200207", "root"),
        (b"@.20251103-200207", "@"),
    ],
)
def test_names_of_the_well_known_scripts(name: bytes, volume: str | None) -> None:
    found, later = state.parse_classic_name(name), state.parse_classic_name(b"2025-11-12_08:00:00")
    assert found and later and found.time and later.time
    assert 0 < later.time - found.time < 9 * 86400
    assert found.volume == volume


def test_the_name_of_a_script_that_names_boots() -> None:
    assert state.parse_classic_name(state.NO_BOOT_ID.encode()) == state.ClassicName(boot_id=state.NO_BOOT_ID)


@pytest.mark.parametrize("name", [b"before-upgrade", b"root", b"1", b"r.old", b"", b"\xff.20251103T2002"])
def test_names_of_nobody(name: bytes) -> None:
    assert state.parse_classic_name(name) is None
