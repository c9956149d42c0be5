"""The unit that shows news on a desktop: a user's own, off until that user enables it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SYSTEMD = Path(__file__).parents[2] / "systemd"
UNIT = SYSTEMD / "user/impermanence-notify.service"


def test_it_is_off_and_no_affair_of_the_system() -> None:
    text = UNIT.read_text()
    assert "\nExecStart=/usr/bin/impermanence watch --notify\n" in text
    assert "\nWantedBy=graphical-session.target\n" in text
    preset = (SYSTEMD / "user/90-impermanence-notify.preset").read_text().splitlines()
    assert preset[-1] == "disable impermanence-notify.service"
    assert not (SYSTEMD / UNIT.name).exists()
    assert "CAP_" not in text and "User=" not in text.replace("ConditionUser=", "")


def test_systemd_finds_no_fault(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze: install systemd")
    (tmp_path / UNIT.name).write_text(UNIT.read_text().replace("/usr/bin/impermanence", "/bin/true"))
    result = subprocess.run(
        ["systemd-analyze", "--user", "verify", "--man=no", tmp_path / UNIT.name],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:", "XDG_RUNTIME_DIR": os.fspath(tmp_path)},
    )
    said = [line for line in result.stderr.splitlines() if "impermanence" in line]
    assert (result.returncode, said) == (0, []), result.stderr
