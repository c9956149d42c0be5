"""An ephemeral root, and the real command on it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import chroot
from tests.conftest import Filesystem, sh
from tests.schema import checked


@dataclass
class System:
    """An ephemeral root mounted at `root`, and a configuration for it."""

    filesystem: Filesystem
    root: Path
    config: Path

    def configure(self, text: str = "", *, volume: str = "") -> None:
        self.config.write_text(f'[[volume]]\nmountpoint = "{self.root}"\npath = "/"\n{volume}\n{text}')

    def set_up(self) -> None:
        """Have the next boot wipe."""
        assert self.run("setup").returncode == 0

    def run(
        self,
        *argv: str | bytes | Path,
        wrap: tuple[str, ...] = (),
        stdout: int = subprocess.PIPE,
        **environment: str,
    ) -> subprocess.CompletedProcess[str]:
        script = "import sys; from impermanenced.cli.main import command; sys.exit(command())"
        # A bus of the machine must not answer for this filesystem.
        bus = {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={self.config.parent}/no-bus"}
        return subprocess.run(
            [*wrap, sys.executable, "-c", script, "--config", self.config, *argv],
            check=False,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **bus, **environment},
            cwd=self.root,
            timeout=60,
        )

    def document(self, *argv: str) -> Any:
        result = self.run(*argv, "--json")
        assert (result.returncode, result.stderr) == (0, "")
        name = "status_persist" if "--persist" in argv and argv[0] == "status" else argv[0]
        return checked(name, result.stdout)

    def refused(self, code: int, *argv: str, wrap: tuple[str, ...] = ()) -> str:
        """The one line and the hint of a command that fails and changes nothing."""
        before = self.everything()
        result = self.run(*(argv or ("status",)), wrap=wrap)
        assert result.stdout == ""
        assert result.returncode == code, result.stderr
        lines = result.stderr.splitlines()
        assert [line.partition(": ")[0] for line in lines] == ["impermanence", "hint"], result.stderr
        assert self.everything() == before
        return result.stderr

    def everything(self) -> str:
        """All names, times and subvolumes; reading leaves them as they are."""
        names = sh("find", self.filesystem.top, "-printf", "%p %i %T@ %C@ %m %U %G %s %l\\n")
        return names + sh("btrfs", "subvolume", "list", "-puq", self.filesystem.top)


def populate(root: Path) -> None:
    (root / "etc/hostname").write_text("changed\n")
    (root / "etc/motd").unlink()
    (root / "var/lib/sonarr").mkdir()
    for number in range(12):
        (root / f"var/lib/sonarr/{number}.db").write_bytes(b"x" * 100_000)
    (root / "etc/new\nline\x1b[31m").write_text("hostile")
    os.close(os.open(os.fsencode(root) + b"/etc/\xff", os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC))
    (root / "home/alice/.x.swp").touch()
    (root / "home/alice").chmod(0o700)
    (root / "etc/link").symlink_to("/persist/etc/link")


def doctor_of_the_root(system: System, result: str | None = None) -> tuple[int, Any]:
    """The exit code and the findings of `doctor`, the root being the one that runs.

    `result` is what the hook left of this boot.
    """
    here = system.config.parent
    if result is not None:
        (here / "run").mkdir(exist_ok=True)
        (here / "run/rollback.env").write_text(result)
    (system.root / "etc/impermanence").mkdir(exist_ok=True)
    cmdline = f"root={system.filesystem.device} rootflags=subvol=root"
    said = chroot.command(system.root, here, cmdline, "doctor", "--json")
    assert said.stderr == "", said.stderr
    return said.returncode, checked("doctor", said.stdout)["findings"]
