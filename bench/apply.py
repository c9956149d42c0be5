"""`impermanence apply` in a system of its own, against a loop of mkdir(1) and mount(8).  I/O through a mount.

Our process is measured as a whole, with the interpreter's start.  The loop makes neither owners nor units,
and looks at nothing.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from . import ground

DECLARED = ground.setting("DECLARED", 300)
RUNS = ground.setting("RUNS", 7)
MIB = ground.setting("MIB", 64)
FILES = ground.setting("FILES", 2000)

PROJECT = Path(__file__).parents[1]
# The root of the bench with this machine's programs, in a namespace that ends with the script.
ENTER = """
root=$1 project=$2 device=$3 && shift 3
mount --make-rprivate /
mount -o subvol=root "$device" "$root"
for directory in usr lib lib64 bin sbin dev proc sys "$project"; do
    [ -d "/$directory" ] || continue
    mkdir -p "$root/$directory"
    mount --rbind "/$directory" "$root/$directory"
done
mkdir -p "$root/run" "$root/persist"
mount -t tmpfs tmpfs "$root/run"
mount -o subvol=persist "$device" "$root/persist"
exec chroot "$root" /usr/bin/env PATH=/usr/sbin:/usr/bin:/sbin:/bin PYTHONPATH="$project" "$@"
"""
# Prints the seconds of the first apply, and of one that finds nothing to do.
OURS = """
import subprocess, sys, time
script = "import sys; from impermanenced.cli.main import command; sys.exit(command())"
command = [sys.executable, "-c", script]
subprocess.run([*command, "setup", "--trial", "--yes"], check=False, capture_output=True)
for _ in range(2):
    began = time.monotonic()
    said = subprocess.run([*command, "apply"], check=True, capture_output=True, text=True).stdout
    print(time.monotonic() - began)
assert "nothing to do" in said, said
"""
THEIRS = '''
import subprocess, time
script = """for n in $(seq 0 %d); do
    mkdir -p /persist/srv/$n/kept /srv/$n/kept && mount --bind /persist/srv/$n/kept /srv/$n/kept
done"""
began = time.monotonic()
subprocess.run(["sh", "-ec", script % (DECLARED - 1)], check=True)
print(time.monotonic() - began)
'''.replace("DECLARED", str(DECLARED))


def run() -> Iterator[dict[str, object]]:
    ours: list[float] = []
    again: list[float] = []
    theirs: list[float] = []
    for attempt in range(RUNS):
        for program in (OURS, THEIRS)[:: 1 if attempt % 2 else -1]:
            with ground.filesystem("2G") as fs:
                prepare(fs)
                figures = [float(line) for line in inside(fs, program).split()]
            if program is OURS:
                ours.append(figures[0])
                again.append(figures[1])
            else:
                theirs.append(figures[0])
    data = f"{DECLARED} declarations"
    yield row(f"{data}, all to be made and mounted", ours, theirs, "mkdir and mount --bind")
    yield {"data": f"{data}, all in place", "ours": round(statistics.median(again), 3), "unit": "s"}
    with ground.filesystem("4G") as fs:
        yield from through(fs)


def row(data: str, ours: list[float], theirs: list[float], peer: str) -> dict[str, object]:
    one, other = statistics.median(ours), statistics.median(theirs)
    return {
        "data": data,
        "ours": round(one, 3),
        "peer": peer,
        "theirs": round(other, 3),
        "ratio": round(statistics.median(b / a for a, b in zip(ours, theirs, strict=True)), 2),
        "unit": "s",
    }


def prepare(fs: ground.VolumeFacts) -> None:
    """A root with a blank, a persist volume, and the declarations."""
    root = fs.subvolume("root")
    for name in ("etc/impermanence", "srv", "var/lib", "tmp", "home"):
        (root / name).mkdir(parents=True)
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\n")
    entries = ", ".join(f'"/srv/{number}/kept"' for number in range(DECLARED))
    (root / "etc/impermanence/config.toml").write_text(f'[persist."/persist"]\ndirectories = [{entries}]\n')
    ground.sh("btrfs", "subvolume", "snapshot", "-r", root, fs.top / "root-blank")
    fs.subvolume("persist")
    ground.sh("btrfs", "subvolume", "create", fs.top / ".impermanence")


def inside(fs: ground.VolumeFacts, program: str) -> str:
    root = fs.directory / "chroot"
    root.mkdir(exist_ok=True)
    argv = ["unshare", "--mount", "sh", "-ec", ENTER, "sh", str(root), str(PROJECT), fs.device]
    result = subprocess.run(
        [*argv, "/usr/bin/python3", "-c", program], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def through(fs: ground.VolumeFacts) -> Iterator[dict[str, object]]:
    """The same writes through a mount of the declared path and beside it, in turns."""
    direct, mounted = fs.subvolume("persist") / "kept", fs.directory / "mounted"
    for path in (direct, mounted):
        path.mkdir()
    ground.sh("mount", "--bind", direct, mounted)
    try:
        for data, work in (
            (f"{MIB} MiB written and synced", large),
            (f"{FILES} files made and removed", small),
        ):
            took: dict[Path, list[float]] = {mounted: [], direct: []}
            for attempt in range(RUNS):
                for path in (mounted, direct)[:: 1 if attempt % 2 else -1]:
                    began = time.monotonic()
                    work(path)
                    took[path].append(time.monotonic() - began)
            yield row(f"{data}, through the mount", took[mounted], took[direct], "without a mount")
    finally:
        ground.sh("umount", mounted)


def large(directory: Path) -> None:
    block = os.urandom(1 << 20)
    with open(directory / "large", "wb") as stream:
        for _ in range(MIB):
            stream.write(block)
        stream.flush()
        os.fsync(stream.fileno())
    (directory / "large").unlink()


def small(directory: Path) -> None:
    (directory / "many").mkdir()
    for number in range(FILES):
        (directory / f"many/{number}").write_bytes(b"x" * 1000)
    shutil.rmtree(directory / "many")
