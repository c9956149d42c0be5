"""The unit of the daemon: as tight as it is said to be, and in its place in the boot."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[2] / "systemd/impermanenced.service"


def test_its_exposure_is_at_most_three(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze: install systemd")
    shutil.copy(UNIT, tmp_path)
    unit = os.fspath(tmp_path / UNIT.name)
    argv = ["systemd-analyze", "security", "--offline=true", "--threshold=30", unit]
    result = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-1000:] + result.stderr


def test_every_line_of_the_sandbox_has_a_reason() -> None:
    """A comment above it, or above the lines that it stands together with."""
    after = UNIT.read_text().partition("RestartPreventExitStatus=4 5\n")[2]
    lines = after.partition("[Install]")[0].splitlines()
    reason = False
    for line in lines:
        reason = line.startswith("#") or (reason and bool(line.strip()))
        assert reason or not line.strip(), line


def test_sessions_end_before_it_does() -> None:
    assert "Before=systemd-user-sessions.service\n" in UNIT.read_text()
