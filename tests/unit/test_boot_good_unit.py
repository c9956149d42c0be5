"""The unit that says which boots are good: systemd takes it, late enough and without a cycle."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

UNIT = Path(__file__).parents[2] / "systemd/impermanence-boot-good.service"


def lines(key: str) -> list[str]:
    text = UNIT.read_text().splitlines()
    return [word for line in text if line.startswith(f"{key}=") for word in line.partition("=")[2].split()]


def test_a_boot_is_good_when_it_is_complete() -> None:
    assert {"boot-complete.target", "multi-user.target"} <= set(lines("After"))
    assert lines("Requires") == ["boot-complete.target"], "nothing else starts that target"
    assert lines("WantedBy") == ["multi-user.target"]
    assert lines("ExecStart") == ["/usr/bin/impermanence", "boots", "--good"]


def test_systemd_finds_no_fault_and_no_cycle(tmp_path: Path) -> None:
    """A target comes after what it wants, unless that says that it comes after the target."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze: install systemd")
    (tmp_path / UNIT.name).write_text(UNIT.read_text().replace("/usr/bin/impermanence", "/bin/true"))
    (tmp_path / "multi-user.target.wants").mkdir()
    (tmp_path / "multi-user.target.wants" / UNIT.name).symlink_to(f"../{UNIT.name}")
    result = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "multi-user.target", tmp_path / UNIT.name],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
    )
    complaints = [line for line in result.stderr.splitlines() if "boot-good" in line or "cycle" in line]
    assert (result.returncode, complaints) == (0, []), result.stderr
