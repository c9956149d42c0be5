"""Small systems as their installers leave them, on a BTRFS, and the real command in them as their root.

What builds and lists an initrd is a script here: it writes what has to be in one, line by line.  Everything
else (mounts, copies, subvolumes, systemctl in a chroot) is the real thing.
"""

from __future__ import annotations

import fcntl
import os
import signal
import stat
import subprocess
import termios
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests import chroot
from tests.conftest import Filesystem, sh
from tests.isolation import attach, detach
from tests.schema import checked
from tests.shell.hook import INSTALLED, Boot, Initrd, built

RELEASE = "6.1.0-test"
COMMAND = "import sys; from impermanenced.cli.main import command; sys.exit(command())"
BUILDER = """#!/bin/sh
# Builds each initrd: its list, line by line.
for image in /boot/initrd.img-* /boot/initramfs-*; do
    [ -e "$image" ] || continue
    printf 'init\\nusr/lib/impermanence/impermanence-rollback\\n' > "$image"
done
"""


@dataclass(frozen=True)
class Layout:
    """How a distribution installs itself."""

    root: str  # the subvolume of the root
    builder: str  # below /usr
    initrd: str
    fstab: str = ""  # options of the root beside subvol=
    home: str | None = None  # the subvolume of /home
    os: str = "Debian GNU/Linux 12 (bookworm)"


_DEB = ("sbin/update-initramfs", f"initrd.img-{RELEASE}")
DEBIAN = Layout("@rootfs", *_DEB, fstab="defaults,")
UBUNTU = Layout("@", *_DEB, fstab="defaults,", home="@home", os="Ubuntu 24.04 LTS")
ARCH = Layout(
    "@",
    "bin/mkinitcpio",
    f"initramfs-{RELEASE}.img",
    fstab="rw,relatime,subvolid=256,",
    home="@home",
    os="Arch Linux",
)
FEDORA = Layout(
    "root",
    "bin/dracut",
    f"initramfs-{RELEASE}.img",
    fstab="compress=zstd:1,",
    home="home",
    os="Fedora Linux 41",
)


class Stock:
    """A machine that nobody has set up."""

    def __init__(self, filesystem: Filesystem, layout: Layout = DEBIAN) -> None:
        self.filesystem = filesystem
        self.layout = layout
        self.directory = filesystem.directory
        self.top = filesystem.top
        root = filesystem.subvolume(layout.root)
        self._populate(root)
        if layout.home is not None:
            filesystem.subvolume(layout.home)
        self._mount()
        (self.root / "home/alice").mkdir()
        (self.root / "home/alice/letter").write_text("dear reader\n")
        os.chown(self.root / "home/alice", 1000, 1000)
        (self.root / "home/alice").chmod(0o700)
        self.initrd = Initrd(self.directory, filesystem.device)
        # What the kernel was booted with.
        self.words = f"root={filesystem.device} rootflags=subvol={layout.root}"
        self.initrd.flags = f"subvol={layout.root}"
        self.programs = self.directory / "programs"
        self._install_programs()
        built(INSTALLED)  # the commands of a checkout ask the program that lies there
        assert self.python("").returncode == 0  # the places of its mounts are there from now on

    def _mount(self) -> None:
        self.root = self.filesystem.mount(self.directory / "root", f"subvol={self.layout.root}")
        self.mounted = [self.root]
        if self.layout.home is not None:
            self.mounted.append(self.filesystem.mount(self.root / "home", f"subvol={self.layout.home}"))

    def _populate(self, root: Path) -> None:
        for name in ("boot", "etc/ssh", "home", "root", "srv", "tmp", "var/tmp", "var/log", "var/lib"):
            (root / name).mkdir(parents=True)
        uuid = sh("blkid", "-p", "-s", "UUID", "-o", "value", self.filesystem.device).strip()
        lines = [f"UUID={uuid} / btrfs {self.layout.fstab}subvol={self.layout.root} 0 0"]
        if self.layout.home is not None:
            lines.append(f"UUID={uuid} /home btrfs subvol={self.layout.home} 0 0")
        (root / "etc/fstab").write_text("# as installed\n" + "".join(f"{line}\n" for line in lines))
        (root / "etc/os-release").write_text(f'PRETTY_NAME="{self.layout.os}"\n')
        (root / "etc/machine-id").write_text("5d1e0b0c6f3a4a50b5d0f5e4c1f2a301\n")
        (root / "etc/passwd").write_text(
            "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1::/usr/sbin:/bin/false\n"
            "alice:x:1000:1000::/home/alice:/bin/sh\nredis:x:110:110::/var/lib/redis:/bin/false\n"
        )
        for name in ("ssh_host_ed25519_key", "ssh_host_ed25519_key.pub"):
            (root / "etc/ssh" / name).write_text(f"the {name}\n")
        (root / "etc/ssh/ssh_host_ed25519_key").chmod(0o600)
        (root / f"boot/vmlinuz-{RELEASE}").write_text("a kernel\n")
        (root / "boot" / self.layout.initrd).write_text("init\n")
        (root / "root/.bashrc").write_text("alias ll='ls -l'\n")
        (root / "var/log/syslog").write_text("a line\n")
        (root / "tmp/scratch").write_text("x")
        redis = root / "var/lib/redis"
        redis.mkdir(parents=True)
        (redis / "dump.rdb").write_bytes(b"REDIS0011" + bytes(300_000))
        for path in (redis, redis / "dump.rdb"):
            os.chown(path, 110, 110)
        redis.chmod(0o750)
        units = root / "etc/systemd/system"  # some of those that every system has
        units.mkdir(parents=True)
        for unit, place in (("dev-mqueue", "/dev/mqueue"), ("sys-kernel-config", "/sys/kernel/config")):
            (units / f"{unit}.mount").write_text(f"[Mount]\nWhat=none\nWhere={place}\nType=none\n")
        self._dpkg(root)

    def _dpkg(self, root: Path) -> None:
        """The books of a package manager, and a package whose state is a file of its own."""
        info = root / "var/lib/dpkg/info"
        info.mkdir(parents=True)
        (root / "var/lib/dpkg/status").write_text("Package: toys\nStatus: install ok installed\n\n")
        (info / "toys.list").write_text("/.\n/var\n/var/lib\n/var/lib/toys\n/var/lib/toys/defaults\n")
        (root / "var/lib/toys").mkdir()
        (root / "var/lib/toys/defaults").write_text("as packaged\n")
        (root / "var/lib/empty").mkdir()

    def _install_programs(self) -> None:
        for path, text in (
            (self.layout.builder, BUILDER),
            ("bin/lsinitramfs", '#!/bin/sh\nexec cat "$1"\n'),
            ("lib/impermanence/impermanence-rollback", "the hook\n"),
            ("bin/impermanence", f"#!/bin/sh\nexec /usr/bin/python3 -c '{COMMAND}' \"$@\"\n"),
        ):
            self.install(path, text)
        if self.layout.builder != "bin/dracut":  # this machine has it, and that one has not
            os.mknod(self.programs / "bin/dracut", stat.S_IFCHR, os.makedev(0, 0))  # a whiteout of overlayfs

    def install(self, path: str, text: str) -> None:
        """Put a file below /usr."""
        place = self.programs / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
        place.chmod(0o755)

    def rename_root(self, name: str) -> None:
        for where in reversed(self.mounted):
            self.filesystem.umount(where)
        (self.top / self.layout.root).rename(self.top / name)
        self.layout = replace(self.layout, root=name)
        self._mount()

    # The whole filesystem as it is, and back

    def save(self, place: Path) -> None:
        self._off()
        sh("cp", "--sparse=always", self.filesystem.image, place)
        self._on()

    def load(self, place: Path) -> None:
        self._off()
        sh("cp", "--sparse=always", place, self.filesystem.image)
        self._on()

    def cut_power(self) -> None:
        """Lose what BTRFS has not written to its device; what is read back is what the device has."""
        place = self.directory / "power"
        sh("cp", "--sparse=always", self.filesystem.image, place)
        self.load(place)

    def _off(self) -> None:
        self.filesystem.close_mounts()
        detach(self.filesystem.device, self.filesystem.image)

    def _on(self) -> None:
        self.filesystem.device = attach(self.filesystem.image)
        self.filesystem.mount(self.filesystem.top, "subvolid=5")
        self.words = f"root={self.filesystem.device} rootflags=subvol={self.layout.root}"
        self.initrd.device = self.filesystem.device
        self._mount()

    def run(self, *argv: str, booted: bool = False) -> subprocess.CompletedProcess[str]:
        """The command, in the system as its root; in one that has booted, what its fstab says is mounted."""
        return self.python(COMMAND, *argv, booted=booted)

    def python(self, script: str, *argv: str, booted: bool = False) -> subprocess.CompletedProcess[str]:
        mounted = 'import subprocess; subprocess.run(["mount", "--all"], check=True)\n' if booted else ""
        return chroot.python(
            self.root, self.directory, self.words, mounted + script, *argv, programs=self.programs
        )

    def terminal(self, answers: Sequence[bytes], *argv: str) -> tuple[int, str]:
        """The command on a terminal, where somebody presses these keys: some at each question."""
        master, slave = os.openpty()
        try:
            words = chroot.arguments(
                self.root, self.directory, self.words, COMMAND, *argv, programs=self.programs
            )
            with subprocess.Popen(
                words,
                stdin=slave,
                stdout=slave,
                stderr=slave,
                start_new_session=True,
                preexec_fn=_take_terminal,
            ) as process:
                try:
                    os.close(slave)
                    slave = -1
                    shown = b""
                    for keys in answers:
                        shown += _until(master, b"[y/N] ")
                        os.write(master, keys)
                    shown += _until(master, None)
                    return process.wait(), shown.decode()
                finally:
                    process.kill()  # who asks more than is answered would wait, and so would this
        finally:
            os.close(master)
            if slave >= 0:
                os.close(slave)

    def shell(self, script: str) -> subprocess.CompletedProcess[str]:
        """Shell text in one boot of the system, with the command as `impermanence`."""
        run = "import subprocess, sys; sys.exit(subprocess.run(['sh', '-c', sys.argv[1]]).returncode)"
        return self.python(run, script, booted=True)

    def boot(self, cmdline: str = "") -> Boot:
        """The next boot, as the program of the initrd begins it; `booted` commands are what comes after."""
        for where in reversed(self.mounted):
            self.filesystem.umount(where)
        found = self.initrd.boot(cmdline)
        self._mount()
        return found

    def document(self, name: str, *argv: str, code: int = 0) -> Any:
        said = self.run(*argv, "--json", booted=True)
        assert said.returncode == code, said.stderr
        return checked(name, said.stdout)

    def everything(self) -> str:
        names = sh("find", self.top, "-printf", "%p %i %T@ %C@ %m %U %G %s %l\\n")
        return names + sh("btrfs", "subvolume", "list", "-puq", self.top)


def _take_terminal() -> None:
    """Have Ctrl-C reach the command, even where the tests run in the background, which ignores it."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _until(master: int, words: bytes | None) -> bytes:
    """What a terminal shows until these words, or until nobody writes to it any more."""
    shown = b""
    while words is None or words not in shown:
        try:
            piece = os.read(master, 4096)
        except OSError:  # EIO: the last one has closed it
            piece = b""
        asked = words is None and piece.endswith(b"[y/N] ")
        assert not asked, f"nobody answers: {(shown + piece).decode()}"
        if not piece:
            assert words is None, shown
            break
        shown += piece
    return shown


def steps(document: Any) -> list[str]:
    return [step["kind"] for step in document["steps"]]
