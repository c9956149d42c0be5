"""A volume as the root of the system that runs, and the command in it with the defaults of a machine."""

from __future__ import annotations

import subprocess
from pathlib import Path

# What a kernel was booted with, and what its initrd left in /run, are files of the test.
CHROOT = """
root=$1 project=$2 cmdline=$3 run=$4 && shift 4
for directory in usr lib lib64 bin dev proc sys run "$project"; do
    [ -d "/$directory" ] || continue
    mkdir -p "$root/$directory"
    [ "$directory" = run ] || mount --rbind "/$directory" "$root/$directory"
done
mount -t tmpfs tmpfs "$root/run"
cp -r "$run" "$root/run/impermanence"
mount --bind "$cmdline" "$root/proc/cmdline"
exec chroot "$root" "$@"
"""


def command(root: Path, directory: Path, cmdline: str, *argv: str) -> subprocess.CompletedProcess[str]:
    """Run the command with this directory as "/"; `directory` has, or gets, what the two files need.

    The hook's result of this boot is `directory`/run/rollback.env, if the test has put it there.
    """
    (directory / "run").mkdir(exist_ok=True)
    (directory / "cmdline").write_text(f"{cmdline}\n")
    project = Path(__file__).parents[1]
    script = "import sys; from impermanenced.cli.main import command; sys.exit(command())"
    wrap = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", CHROOT, "sh"]
    path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"
    python = ["/usr/bin/env", f"PYTHONPATH={project}", path, "/usr/bin/python3"]
    return subprocess.run(
        [*wrap, root, project, directory / "cmdline", directory / "run", *python, "-c", script, *argv],
        capture_output=True,
        text=True,
        check=False,
    )
