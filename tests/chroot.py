"""A volume as the root of the system that runs, and the command in it with the defaults of a machine."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

# What a kernel was booted with, and what its initrd left in /run, are files of the test.
CHROOT = """
root=$1 project=$2 cmdline=$3 run=$4 programs=$5 && shift 5
for directory in usr lib lib64 bin dev proc sys run "$project"; do
    [ -d "/$directory" ] || continue
    mkdir -p "$root/$directory"
    case $directory in
        run) ;;
        usr) # what the test has put beside the machine's programs, or in the place of one
            if [ -n "$programs" ]; then
                mount -t overlay -o "lowerdir=$programs:/usr" usr "$root/usr"
            else
                mount --rbind /usr "$root/usr"
            fi
            ;;
        bin | lib | lib64) mount --rbind "$root/usr/$directory" "$root/$directory" ;;
        *) mount --rbind "/$directory" "$root/$directory" ;;
    esac
done
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/usr/local" # units are put there
cp -r "$run" "$root/run/impermanence"
mount --bind "$cmdline" "$root/proc/cmdline"
exec chroot "$root" "$@"
"""


def command(
    root: Path, directory: Path, cmdline: str, *argv: str, programs: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command with this directory as "/"; `directory` has, or gets, what the two files need.

    The hook's result of this boot is `directory`/run/rollback.env, if the test has put it there.  What is in
    `programs` lies over the machine's /usr.
    """
    script = "import sys; from impermanenced.cli.main import command; sys.exit(command())"
    return python(root, directory, cmdline, script, *argv, programs=programs)


def python(
    root: Path, directory: Path, cmdline: str, script: str, *argv: str, programs: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run Python text there."""
    words = arguments(root, directory, cmdline, script, *argv, programs=programs)
    return subprocess.run(words, capture_output=True, text=True, check=False)


def arguments(
    root: Path, directory: Path, cmdline: str, script: str, *argv: str, programs: Path | None = None
) -> list[str | Path]:
    """The words that run Python text there."""
    (directory / "run").mkdir(exist_ok=True)
    (directory / "cmdline").write_text(f"{cmdline}\n")
    project = Path(__file__).parents[1]
    wrap: list[str | Path] = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", CHROOT, "sh"]
    path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"
    interpreter = ["/usr/bin/env", f"PYTHONPATH={project}", path, "/usr/bin/python3"]
    laid_over = os.fspath(programs or "")
    places: list[str | Path] = [root, project, directory / "cmdline", directory / "run", laid_over]
    return [*wrap, *places, *interpreter, "-c", script, *argv]
