"""The units of the running system's part: systemd takes them, in an order without a cycle, and they give up
what they do not need."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from impermanenced.state import AS_ASKED, RUN

SYSTEMD = Path(__file__).parents[2] / "systemd"
ALERT = SYSTEMD / "impermanence-alert.service"
SERVICES = ("impermanence-alert", "impermanence-boot-good", "impermanence-prune")


def lines(key: str) -> list[str]:
    text = ALERT.read_text().splitlines()
    return [word for line in text if line.startswith(f"{key}=") for word in line.partition("=")[2].split()]


def need_analyze() -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze: install systemd")


def test_it_runs_in_every_boot_before_anybody_logs_in() -> None:
    unless = ["!/run/impermanence/as-asked"]
    assert lines("ConditionPathExists") == unless, "also where the hook broke off, or is not there"
    assert unless == [f"!{os.fsdecode(RUN)}/{os.fsdecode(AS_ASKED)}"]
    assert lines("Before") == ["systemd-user-sessions.service"]
    assert lines("WantedBy") == ["multi-user.target"]
    assert lines("ExecStart") == ["/usr/bin/impermanence", "boots", "--alert"]
    everything = ALERT.read_text()
    assert "boot-complete.target" not in everything, "a boot that is not good has most to tell"
    assert "impermanenced.service" not in everything


def test_systemd_finds_no_fault_and_no_cycle(tmp_path: Path) -> None:
    need_analyze()
    (tmp_path / ALERT.name).write_text(ALERT.read_text().replace("/usr/bin/impermanence", "/bin/true"))
    (tmp_path / "multi-user.target.wants").mkdir()
    (tmp_path / "multi-user.target.wants" / ALERT.name).symlink_to(f"../{ALERT.name}")
    result = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "multi-user.target", tmp_path / ALERT.name],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
    )
    complaints = [line for line in result.stderr.splitlines() if "alert" in line or "cycle" in line]
    assert (result.returncode, complaints) == (0, []), result.stderr


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_given_up(name: str) -> None:
    need_analyze()
    unit = os.fspath(SYSTEMD / f"{name}.service")
    argv = ["systemd-analyze", "security", "--offline=yes", "--threshold=30", unit]
    result = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-2000:]


@pytest.mark.parametrize("option", ["--alert", "--good"])
def test_it_loads_little(option: str) -> None:
    """Logins wait for it: it spent most of its time on loading what it never used."""
    program = (
        "import sys; from impermanenced.boots import good, outcome\n"
        "outcome.look = lambda boot_id: None; outcome.tell_logins = lambda line: None\n"
        "good.result = lambda: None\n"
        f"from impermanenced.cli.main import main; main(['boots', '{option}'])\n"
        "print(*sorted(sys.modules))"
    )
    said = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    ours = {name.split(".")[1] for name in said.split() if name.startswith("impermanenced.")}
    assert ours <= {"boots", "cli", "errors", "kernel", "lazy", "losses", "state", "system", "text"}, ours
    assert not {"subprocess", "logging", "json", "tomllib", "systemd", "gi", "btrfsutil"} & set(said.split())
