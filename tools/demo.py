"""The main job once, on a BTRFS in a file: write, watch, report, wipe, and fetch a file back.

Everything is real but the machine: the daemon on a bus of its own, the command line, and the
initrd's script.  Nothing outside a temporary directory is touched.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
PROGRAMS = Path(sys.executable).parent
BUS_CONFIG = """<busconfig>
  <type>system</type>
  <listen>unix:path={socket}</listen>
  <policy context="default">
    <allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/>
  </policy>
</busconfig>
"""
APPLICATION = """#!/bin/sh
# An application that keeps its data where nobody declared it.
mkdir -p "$1/var/lib/photos/albums"
for number in 1 2 3 4 5; do
    head -c 400000 /dev/urandom >"$1/var/lib/photos/albums/$number.raw"
done
echo "the only copy" >"$1/var/lib/photos/catalogue.db"
"""


def say(words: str) -> None:
    bold, plain = ("\x1b[1m", "\x1b[0m") if sys.stdout.isatty() else ("", "")
    print(f"\n{bold}== {words}{plain}", flush=True)


def sh(*argv: str | Path) -> str:
    result = subprocess.run(argv, check=False, capture_output=True, text=True)
    if result.returncode:
        raise SystemExit(f"demo: {shlex.join(map(str, argv))}: {result.stderr.strip()}")
    return result.stdout


def show(*argv: str | Path, shown: str | None = None) -> None:
    """Run a command in plain sight."""
    print(f"$ {shown or shlex.join(map(str, argv))}", flush=True)
    result = subprocess.run(argv, check=False)
    if result.returncode:
        raise SystemExit(f"demo: status {result.returncode}")


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"demo: {what} did not happen")
        time.sleep(0.05)


@contextlib.contextmanager
def disk(directory: Path) -> Iterator[str]:
    """A BTRFS as an impermanent machine has it: root, root-blank and persist; not mounted."""
    image, top = directory / "disk.img", directory / "top"
    sh("truncate", "-s", "512M", image)
    sh("mkfs.btrfs", "-q", image)
    device = sh("losetup", "--find", "--show", image).strip()
    try:
        top.mkdir()
        sh("mount", "-o", "subvolid=5", device, top)
        try:
            for name in ("seed", "persist"):
                sh("btrfs", "subvolume", "create", top / name)
            for name in ("etc", "persist", "var/lib", "var/log"):
                (top / "seed" / name).mkdir(parents=True)
            (top / "persist/var/log").mkdir(parents=True)
            (top / "seed/etc/hosts").write_text("127.0.0.1 localhost\n")
            (top / "seed/etc/motd").write_text("Welcome.\n")
            sh("btrfs", "subvolume", "snapshot", "-r", top / "seed", top / "root-blank")
            sh("btrfs", "subvolume", "snapshot", top / "root-blank", top / "root")
        finally:
            sh("umount", top)
        yield device
    finally:
        sh("losetup", "--detach", device)


@contextlib.contextmanager
def booted(device: str, root: Path) -> Iterator[None]:
    """The volume mounted, and what it persists mounted inside."""
    root.mkdir(exist_ok=True)
    sh("mount", "-o", "subvol=root", device, root)
    try:
        sh("mount", "-o", "subvol=persist", device, root / "persist")
        sh("mount", "--bind", root / "persist/var/log", root / "var/log")
        yield
    finally:
        sh("umount", "--recursive", root)


@contextlib.contextmanager
def process(argv: list[str | Path], log: Path) -> Iterator[None]:
    with open(log, "w") as stream:
        running = subprocess.Popen(argv, stdout=stream, stderr=subprocess.STDOUT)
    try:
        yield
        if running.poll() is not None:
            raise SystemExit(f"demo: {argv[0]} ended by itself:\n{log.read_text()}")
    finally:
        running.send_signal(signal.SIGTERM)
        running.wait()


@contextlib.contextmanager
def watched(directory: Path, config: Path) -> Iterator[None]:
    """impermanenced at work, on a bus of its own."""
    socket, bus = directory / "bus", directory / "bus.conf"
    bus.write_text(BUS_CONFIG.format(socket=socket))
    os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = f"unix:path={socket}"
    with process(["dbus-daemon", "--nofork", f"--config-file={bus}"], directory / "bus.log"):
        wait_for(socket.exists, "the bus")
        log = directory / "daemon.log"
        with process([PROGRAMS / "impermanenced", "--config", config], log):
            wait_for(lambda: answers(config), f"the daemon's answer\n{log.read_text()}")
            yield


def answers(config: Path) -> bool:
    """Whether the daemon, and not the command line by itself, makes the report."""
    report = sh(PROGRAMS / "impermanence", "--config", config, "status", "--json")
    return '"watching_since": null' not in report


def story(directory: Path, device: str) -> None:
    root, config = directory / "root", directory / "config.toml"
    config.write_text(f"""\
[[volume]]
name = "root"
mountpoint = "{root}"
path = "/"
blank = "root-blank"

[persist."/persist"]
directories = ["/var/log"]
""")
    impermanence: list[str | Path] = [PROGRAMS / "impermanence", "--config", config]
    application = directory / "photo-import"
    application.write_text(APPLICATION)
    application.chmod(0o755)

    with booted(device, root):
        say("The volume is set up: from now on, each boot puts it back to root-blank.")
        show(*impermanence, "setup", shown="impermanence setup")
        with watched(directory, config):
            say("Things are written.  Only /var/log persists: it is declared, and mounted from /persist.")
            show(application, root, shown="photo-import /")
            show("sh", "-c", f"echo 'started' > {root}/var/log/app.log",
                 shown="echo started > /var/log/app.log")  # fmt: skip
            show("sed", "-i", "s/Welcome/Hello/", root / "etc/motd",
                 shown="sed -i s/Welcome/Hello/ /etc/motd")  # fmt: skip
            say("What would the next boot lose, and who wrote it?")
            show(*impermanence, "status", shown="impermanence status")
            say("Why that one?")
            show(*impermanence, "explain", "/var/lib/photos/catalogue.db",
                 shown="impermanence explain /var/lib/photos/catalogue.db")  # fmt: skip

    say("Reboot: the initrd puts the volume back, and deletes nothing.")
    (directory / "cmdline").write_text("quiet\n")
    sh(CHECKOUT / "build/impermanence-rollback", "--device", device, "--run", directory / "run",
       "--cmdline", directory / "cmdline", "--log", directory / "kmsg", "--sysroot", directory / "sysroot",
       "--record", directory / "none", "--efivars", directory / "none", "--wait", "0")  # fmt: skip
    print((directory / "kmsg").read_text(), end="")

    with booted(device, root):
        say("After it:")
        show("ls", root / "var/lib", shown="ls /var/lib      # the photos are gone")
        show("cat", root / "etc/motd", shown="cat /etc/motd    # as in the blank")
        show("cat", root / "var/log/app.log", shown="cat /var/log/app.log    # persists: it is still here")
        say("The old root is kept.  Fetch the file back:")
        lost = "/var/lib/photos/catalogue.db"
        show(*impermanence, "restore", "--boot", "-1", lost, shown=f"impermanence restore --boot -1 {lost}")
        show("cat", f"{root}{lost}", shown=f"cat {lost}")


def main() -> None:
    if os.geteuid() != 0:
        raise SystemExit("demo: it mounts a disk of its own and so needs root\nhint: sudo make demo")
    # A mount namespace of its own: whatever becomes of the demo, no mount stays.
    if "IMPERMANENCE_DEMO" not in os.environ:
        os.environ["IMPERMANENCE_DEMO"] = "1"
        os.execvp("unshare", ["unshare", "--mount", sys.executable, __file__])
    with tempfile.TemporaryDirectory(prefix="impermanence-demo-") as path:
        directory = Path(path)
        with disk(directory) as device:
            story(directory, device)
    say('That was all.  On a real machine: README.md, "Install".')


if __name__ == "__main__":
    main()
