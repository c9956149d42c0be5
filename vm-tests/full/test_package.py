"""The package on a Debian 12 that has never seen it: it goes in, runs, and goes without a trace."""

from __future__ import annotations

import time
from pathlib import Path

from guest import Guest

# What Debian itself writes down about any package that comes and goes.
BOOKS = ("/var/lib/dpkg/", "/var/cache/", "/var/lib/systemd/catalog/", "/etc/ld.so.cache")
UNUSABLE = '[[volume]]\nmountpoint = "/run"\n'


def files(guest: Guest) -> set[str]:
    """Every file of the root subvolume; the virtual ones and other subvolumes are other filesystems."""
    listed = guest.run("find / -xdev -path /tmp -prune -o -print").output.splitlines()
    return {path for path in listed if not path.startswith(BOOKS) and "/__pycache__" not in path}


def test_the_package_comes_runs_and_goes(bare: Guest, deb: Path, figures: dict[str, object]) -> None:
    began = time.monotonic()
    bare.boot()
    figures["boot without the package, seconds (emulated)"] = round(time.monotonic() - began, 1)
    assert bare.run("systemctl is-system-running", check=False).output == "running\n"
    bare.run(f"head -c {deb.stat().st_size} /dev/vdb > /tmp/impermanenced.deb")
    before = files(bare)

    installed = bare.run("DEBIAN_FRONTEND=noninteractive dpkg --install /tmp/impermanenced.deb", timeout=240)
    figures["dpkg --install, seconds (emulated)"] = round(installed.seconds, 1)
    assert bare.run("systemctl is-enabled impermanenced.service").output == "enabled\n"
    assert bare.run("systemctl is-active impermanenced.service").output == "active\n"
    status = bare.json("impermanence status --json")
    assert status["version"] == 1
    bare.run("impermanence --version && impermanence --help >/dev/null")
    # What runs as root must not take a module from a directory or variable of the caller.
    bare.run("cd /tmp && echo 'raise SystemExit(9)' > re.py && PYTHONPATH=/tmp impermanence --version")
    bare.run("rm /tmp/re.py; head -n 1 /usr/bin/impermanence /usr/bin/impermanenced | grep -c -- '-I$'")

    bare.run("dpkg --purge impermanenced", timeout=120)
    assert bare.run("systemctl is-active impermanenced.service", check=False).output != "active\n"
    assert files(bare) - before == set()
    assert before - files(bare) == set()
    assert "impermanence" not in bare.run("findmnt --list").output

    # A machine where the daemon has nothing to do: the installation succeeds, the daemon says why, once.
    bare.run(f"mkdir -p /etc/impermanence && printf '{UNUSABLE}' > /etc/impermanence/config.toml")
    bare.run("dpkg --install /tmp/impermanenced.deb", timeout=240)
    assert bare.run("systemctl is-active impermanenced.service", check=False).output != "active\n"
    said = bare.run("journalctl --boot --unit impermanenced --output cat").output
    assert "not BTRFS" in said, said
    assert "Traceback" not in said, said
    bare.run("dpkg --purge impermanenced", timeout=120)
    # The administrator's own file is not the package's to remove.
    bare.run("test -f /etc/impermanence/config.toml")
