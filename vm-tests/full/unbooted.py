"""A stock Debian that no machine boots: its commands run in a chroot, and the hook runs on the host's kernel.

So a life of many boots takes minutes.  No service runs in it, and no initrd is unpacked.
"""

from __future__ import annotations

import contextlib
import functools
import http.server
import os
import re
import select
import shutil
import signal
import subprocess
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

from machine import MachineError

from full.cuts import Recording, copy, flushes
from full.guest import Result
from full.stock import System
from tests.isolation import attach, detach

HOOK = Path(__file__).parents[2] / "build/impermanence-rollback"
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
}
FORBIDDEN = "#!/bin/sh\nexit 101\n"  # by which a package starts no service


@contextlib.contextmanager
def archive(packages: Path, directory: Path) -> Iterator[int]:
    """Serve a tar of packages; the port."""
    subprocess.run(["tar", "-C", directory, "-xf", packages], check=True)
    handler = functools.partial(_Quiet, directory=os.fspath(directory))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


class Unbooted:
    """Its disk is a file; what is on it while it is off is what a power cut would leave."""

    def __init__(self, directory: Path, system: System, port: int) -> None:
        """Make a machine that has its packages from this port of the host."""
        self.directory = directory
        self.port = port
        self.disk = directory / "disk.img"
        self.root = directory / "root"
        self.root.mkdir()
        self._on: tuple[str, Path] | None = None  # the device, and the file behind it
        copy(system.disk(), self.disk)
        # Another stock disk may be mounted at this moment, and has the same UUID.
        found = str(uuid.uuid4())
        subprocess.run(["btrfstune", "-f", "-U", found, self.disk], check=True, stdout=subprocess.DEVNULL)
        self.switch_on()
        fstab = self.root / "etc/fstab"
        fstab.write_text(re.sub("UUID=[^ ]*", f"UUID={found}", fstab.read_text()))
        source = f"deb [trusted=yes] http://127.0.0.1:{port} ./\n"
        (self.root / "etc/apt/sources.list").write_text(source)
        # The hook wants modules of the kernel that runs.
        (self.root / "usr/lib/modules" / os.uname().release).mkdir()

    def switch_on(self, file: Path | None = None) -> None:
        """Mount it as a boot that has passed the initrd does; `file` is where its disk is now."""
        file = file or self.disk
        device = attach(file)
        self._on = device, file
        _mount("-o", "subvol=@rootfs", device, self.root)
        for name in ("dev", "sys"):
            _mount("--rbind", f"/{name}", self.root / name)
        _mount("-t", "proc", "proc", self.root / "proc")
        _mount("-t", "tmpfs", "tmpfs", self.root / "run")
        _mount("--bind", self._cmdline(device), self.root / "proc/cmdline")
        if (self.directory / "run").is_dir():
            shutil.copytree(self.directory / "run", self.root / "run", dirs_exist_ok=True)
        self.run("mount --all")

    def switch_off(self) -> None:
        if self._on is not None:
            subprocess.run(["umount", "--recursive", self.root], check=True)
            detach(*self._on)
            self._on = None

    def _cmdline(self, device: str) -> Path:
        file = self.directory / "cmdline"
        file.write_text(f"root={device} ro rootflags=subvol=@rootfs\n")
        return file

    def boot(self) -> str:
        """Switch off, run the hook, and go on; what the hook has done."""
        self.switch_off()
        run = self.directory / "run"
        shutil.rmtree(run, ignore_errors=True)
        run.mkdir()
        device = attach(self.disk)
        options: dict[str, str | Path] = {
            "--record": "/none",
            "--run": run,
            "--sysroot": self.directory / "sysroot",
            "--cmdline": self._cmdline(device),
            "--log": self.directory / "log",
            "--efivars": "/none",
            "--wait": "0",
        }
        try:
            argv = [HOOK, *(word for pair in options.items() for word in pair)]
            subprocess.run(argv, check=True)
        finally:
            detach(device, self.disk)
        self.switch_on()
        result = (run / "impermanence/rollback.env").read_text()
        return dict(line.split("=", 1) for line in result.splitlines())["ACTION"]

    def run(self, script: str, *, check: bool = True, timeout: float | None = None) -> Result:
        """Run shell text as root."""
        argv: list[str | Path] = ["chroot", self.root, "sh", "-c", script]
        said = subprocess.run(
            argv,
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=timeout,
        )
        text = said.stdout.decode(errors="backslashreplace")
        if check and said.returncode != 0:
            raise MachineError(f"{script}: status {said.returncode}\n{text}")
        return Result(said.returncode, text, 0.0)

    def install(self, *packages: str) -> None:
        """Install packages; no service is started."""
        policy = self.root / "usr/sbin/policy-rc.d"
        policy.write_text(FORBIDDEN)
        policy.chmod(0o755)
        self.run(f"apt-get update && apt-get install {' '.join(packages)}")
        policy.unlink()

    def record(self, name: str, command: str) -> Recording:
        """Run a command, of which each write to the disk is recorded; it is off before and afterwards."""
        before, log = (self.directory / f"{name}.{kind}" for kind in ("img", "log"))
        copy(self.disk, before)
        with logged(self.disk, log) as file:
            self.switch_on(file)
            self.run("apt-get update && sync")
            first = flushes(log)
            self.run(f"{command} && sync")
            last = flushes(log)
            self.switch_off()
        return Recording(before, log, first, last)

    def __enter__(self) -> Unbooted:
        return self

    def __exit__(self, *exc: object) -> None:
        self.switch_off()


@contextlib.contextmanager
def logged(disk: Path, log: Path) -> Iterator[Path]:
    """A file that is the disk, and has each write and flush logged; QEMU shows it by FUSE."""
    shown = disk.with_suffix(".logged")
    shown.touch()
    log.touch()
    nodes = [
        f"driver=file,node-name=disk,filename={disk}",
        f"driver=file,node-name=log,filename={log}",
        "driver=raw,node-name=raw-disk,file=disk",
        "driver=raw,node-name=raw-log,file=log",
        "driver=blklogwrites,node-name=logged,file=raw-disk,log=raw-log",
    ]
    argv = ["qemu-storage-daemon", *(word for node in nodes for word in ("--blockdev", node))]
    argv += ["--export", f"type=fuse,id=export,node-name=logged,mountpoint={shown},writable=on"]
    argv += ["--daemonize", "--pidfile", os.fspath(disk.with_suffix(".pid"))]
    subprocess.run(argv, check=True)
    pid = os.pidfd_open(int(disk.with_suffix(".pid").read_text()))
    try:
        yield shown
    finally:
        signal.pidfd_send_signal(pid, signal.SIGTERM)
        select.select([pid], [], [], 60)
        os.close(pid)
        shown.unlink()


def _mount(*words: str | Path) -> None:
    subprocess.run(["mount", *words], check=True)
