"""A machine with a persist volume, in which `apply` runs as in the system that it is about."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.conftest import Filesystem, sh
from tests.schema import checked
from tests.shell.hook import INSTALLED, built

PROJECT = Path(__file__).parents[3]
PASSWD = """\
root:x:0:0:root:/root:/bin/sh
colord:x:107:115::/var/lib/colord:/bin/false
talyz:x:1000:1000::/home/talyz:/bin/sh
mallory:x:1001:1001::/home/mallory:/bin/sh
"""
GROUP = "root:x:0:\ncolord:x:115:\ntalyz:x:1000:\nmallory:x:1001:\n"

# The machine's own programs and kernel; /run and what is mounted there end with the script.
ENTER = """
root=$1 project=$2 device=$3 && shift 3
mount --make-rprivate /
for directory in usr lib lib64 bin sbin dev proc sys "$project"; do
    [ -d "/$directory" ] || continue
    mkdir -p "$root/$directory"
    mount --rbind "/$directory" "$root/$directory"
done
mkdir -p "$root/run" "$root/tmp" "$root/local"
mount --bind "$root/local" "$root/usr/local"
mount -t tmpfs tmpfs "$root/run"
mount -t btrfs -o subvol=persist "$device" "$root/persist"
exec chroot "$root" /usr/bin/env PATH=/usr/sbin:/usr/bin:/sbin:/bin PYTHONPATH="$project" "$@"
"""
# The command as a function of the shell.
SHELL = """
impermanence() {
    /usr/bin/python3 -c 'import sys; from impermanenced.cli.main import command; sys.exit(command())' "$@"
}
"""


class Machine:
    """Root, its blank and a persist volume on one filesystem."""

    def __init__(self, filesystem: Filesystem, directory: Path) -> None:
        self.filesystem = filesystem
        self.top = filesystem.top
        built(INSTALLED)
        root = filesystem.subvolume("root")
        for name in ("etc/impermanence", "var/lib", "var/log", "home", "persist", "root", "tmp"):
            (root / name).mkdir(parents=True)
        (root / "etc/passwd").write_text(PASSWD)
        (root / "etc/group").write_text(GROUP)
        (root / "etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")
        (root / "tmp").chmod(0o1777)
        filesystem.snapshot("root", "root-blank", readonly=True)
        self.persist = filesystem.subvolume("persist")
        self.root = filesystem.mount(directory / "root", "subvol=root")
        self.config = self.root / "etc/impermanence/config.toml"

    def configure(self, text: str) -> None:
        self.config.write_text(text)

    def set_up(self) -> None:
        """Have a hook hand over what is compiled."""
        self.run("impermanence setup")

    def shell(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run a script in the system; `impermanence` is the command."""
        enter = ["unshare", "--mount", "--fork", "sh", "-ec", ENTER, "sh", str(self.root), str(PROJECT)]
        return subprocess.run(
            [*enter, self.filesystem.device, "sh", "-ec", SHELL + script],
            capture_output=True,
            text=True,
            errors="surrogateescape",
            check=False,
        )

    def run(self, script: str) -> str:
        result = self.shell(script)
        assert result.returncode == 0, f"{result.stdout}{result.stderr}"
        return result.stdout

    def apply(self, *options: str, then: str = "", before: str = "") -> tuple[Any, str]:
        """The document of `apply --json`, and what a script prints that runs after it."""
        words = " ".join(options)
        said = self.run(f"{before}\nimpermanence apply --json {words} || echo failed\necho ----\n{then}")
        document, _, rest = said.partition("----\n")
        return checked("apply", document.removesuffix("failed\n")), rest

    def refused(self) -> str:
        """The error of an `apply` that changes nothing."""
        before = self.everything()
        result = self.shell("impermanence apply")
        assert result.returncode != 0 and not result.stdout, result.stdout
        first, *rest = result.stderr.splitlines()
        assert first.startswith("impermanence: ") and len(rest) <= 1, result.stderr
        assert self.everything() == before
        return result.stderr

    def everything(self) -> str:
        names = sh("find", self.top, "-printf", "%p %i %T@ %m %U %G %s %l\\n")
        return names + sh("btrfs", "subvolume", "list", "-uq", self.top)

    @property
    def compiled(self) -> Path:
        return self.top / ".impermanence/compiled"


def how(path: Path) -> tuple[str, int, int]:
    """Mode, uid and gid of a file."""
    facts = os.lstat(path)
    return f"{facts.st_mode & 0o7777:04o}", facts.st_uid, facts.st_gid


def words(document: Any) -> str:
    return json.dumps(document, indent=1)
