"""The unit and the generator that bring the hook into a systemd initrd."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from tests.conftest import sh
from tests.shell.hook import INITRD

UNIT = "impermanence-rollback.service"
EARLY = "impermanence-early.service"


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    sh(INITRD / "install", env={**os.environ, "DESTDIR": os.fspath(tmp_path), "PROGRAM": "/bin/true"})
    return tmp_path


def test_unit_is_understood_and_has_no_cycle(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze: install systemd")
    text = (INITRD / "dracut" / UNIT).read_text()
    (tmp_path / UNIT).write_text(text.replace("/usr/lib/impermanence/impermanence-rollback", "/bin/true"))
    (tmp_path / "sysroot.mount").write_text(
        "[Unit]\nDefaultDependencies=no\nBefore=initrd-root-fs.target\n"
        f"Requires={UNIT}\n[Mount]\nWhat=/dev/vda\nWhere=/sysroot\n"
    )
    environment = {**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"}
    result = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", tmp_path / UNIT, tmp_path / "sysroot.mount"],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    complaints = [line for line in result.stderr.splitlines() if "impermanence" in line or "cycle" in line]
    assert (result.returncode, complaints) == (0, []), result.stderr


def test_the_second_run_is_between_the_mounts_of_the_root_and_the_switch_to_it(tmp_path: Path) -> None:
    text = (INITRD / "dracut" / EARLY).read_text()
    lines = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    assert {"sysroot.mount", "initrd-fs.target", "initrd-parse-etc.service"} <= set(lines["After"].split())
    assert {"initrd.target", "initrd-cleanup.service"} <= set(lines["Before"].split())
    assert lines["DefaultDependencies"] == "no"
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze: install systemd")
    (tmp_path / EARLY).write_text(text.replace("/usr/lib/impermanence/impermanence-rollback", "/bin/true"))
    said = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", tmp_path / EARLY, "initrd.target"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
    )
    complaints = [line for line in said.stderr.splitlines() if "impermanence" in line or "cycle" in line]
    assert (said.returncode, complaints) == (0, []), said.stderr


def test_unit_comes_after_every_resume_and_before_every_mount() -> None:
    lines = (INITRD / "dracut" / UNIT).read_text().splitlines()
    after = next(line for line in lines if line.startswith("After=")).split("=")[1].split()
    before = next(line for line in lines if line.startswith("Before=")).split("=")[1].split()
    assert {"local-fs-pre.target", "systemd-hibernate-resume.service"} <= set(after)
    assert {"sysroot.mount", "systemd-fsck-root.service"} <= set(before)
    assert "Before=impermanence-rollback.service" in (INITRD / "dracut/before-rollback.conf").read_text()


def test_script_of_initramfs_tools_comes_after_resume() -> None:
    script = INITRD / "initramfs-tools/scripts/local-premount/impermanence"
    assert "resume" in sh(script, "prereqs").split()


def test_installed_files(installed: Path) -> None:
    files = sorted(path for path in installed.rglob("*") if path.is_file())
    assert {os.fspath(path.relative_to(installed)): stat.S_IMODE(path.stat().st_mode) for path in files} == {
        "usr/lib/impermanence/impermanence-rollback": 0o755,
        "usr/lib/dracut/modules.d/50impermanence/module-setup.sh": 0o755,
        "usr/lib/dracut/modules.d/50impermanence/device-generator.sh": 0o755,
        "usr/lib/dracut/modules.d/50impermanence/pre-mount.sh": 0o755,
        "usr/lib/dracut/modules.d/50impermanence/pre-pivot.sh": 0o755,
        "usr/lib/dracut/modules.d/50impermanence/before-rollback.conf": 0o644,
        "usr/lib/dracut/modules.d/50impermanence/impermanence-early.service": 0o644,
        "usr/lib/dracut/modules.d/50impermanence/impermanence-rollback.service": 0o644,
        "usr/share/initramfs-tools/hooks/impermanence": 0o755,
        "usr/share/initramfs-tools/scripts/local-bottom/impermanence": 0o755,
        "usr/share/initramfs-tools/scripts/local-premount/impermanence": 0o755,
    }


def test_generator_waits_for_the_root_device(tmp_path: Path) -> None:
    """In a mount namespace of its own, where /proc/cmdline is another one."""
    if os.geteuid() != 0:
        pytest.skip("needs root for a mount namespace: run make test as root")
    generator = INITRD / "dracut/device-generator.sh"
    script = 'mount --bind "$1" /proc/cmdline && exec "$2" "$3"'
    for line, unit in [
        ("quiet root=UUID=12-34 rootflags=subvol=root", r"dev-disk-by\x2duuid-12\x2d34.device"),
        ("root=/dev/mapper/vg-root", r"dev-mapper-vg\x2droot.device"),
        ("root=LABEL=my%20root", None),
        ("root=/dev/vda impermanence=off", None),
        ("quiet", None),
    ]:
        (tmp_path / "cmdline").write_text(line + "\n")
        out = tmp_path / str(abs(hash(line)))
        sh("unshare", "-m", "sh", "-c", script, "sh", tmp_path / "cmdline", generator, out)
        made = out / f"{UNIT}.d/device.conf"
        assert (made.read_text() if made.exists() else None) == (
            f"[Unit]\nWants={unit}\nAfter={unit}\n" if unit else None
        )
