"""Commands as another user than root, and files that such a one can read."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

NOBODY = 65534


def as_nobody() -> tuple[str, ...]:
    """What stands before a command that another user runs; skips where nothing can."""
    if shutil.which("setpriv") is None:
        pytest.skip("needs setpriv: apt-get install util-linux")
    return ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")


def open_to_all(file: Path) -> None:
    """Everybody may read the file, and pass through the directories that lead to it."""
    file.chmod(0o644)
    for directory in file.parents:
        if directory.owner() == "root" and directory != Path("/tmp"):
            directory.chmod(directory.stat().st_mode | 0o011)
