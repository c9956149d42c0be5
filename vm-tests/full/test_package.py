"""The package on a Debian 12 that has never seen it: it goes in, runs, and goes without a trace.

And a newer one on a machine that has it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import kernel as kernels
import pytest

from full import guest
from full.guest import TOP, Guest

# What Debian itself writes down about any package that comes and goes.
BOOKS = ("/var/lib/dpkg/", "/var/cache/", "/var/lib/systemd/catalog/", "/etc/ld.so.cache")
NEWER = "99"
NEWER_HOOK = "# the end of the newer hook"
UNUSABLE = '[[volume]]\nmountpoint = "/run"\n'


def files(machine: Guest) -> set[str]:
    """Every file of the root subvolume; the virtual ones and other subvolumes are other filesystems."""
    listed = machine.run("find / -xdev -path /tmp -prune -o -print").output.splitlines()
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
    ended = "! systemctl is-active --quiet impermanenced.service"
    bare.run(f"timeout 120 sh -c 'until {ended}; do sleep 0.2; done'")
    said = bare.run("journalctl --boot --unit impermanenced --output cat").output
    assert "not BTRFS" in said, said
    assert "Traceback" not in said, said
    bare.run("dpkg --purge impermanenced", timeout=120)
    # The administrator's own file is not the package's to remove.
    bare.run("test -f /etc/impermanence/config.toml")


@pytest.fixture
def newer_deb(deb: Path, workspace: Path) -> Path:
    """The package with a higher version, and a hook that ends with NEWER_HOOK."""
    tree = workspace / "newer"
    guest.succeed(["dpkg-deb", "--raw-extract", str(deb), str(tree)])
    control = tree / "DEBIAN/control"
    control.write_text(re.sub(r"^Version: .*$", f"Version: {NEWER}", control.read_text(), flags=re.M))
    with open(tree / "usr/lib/dracut/modules.d/50impermanence/device-generator.sh", "a") as hook:
        hook.write(f"{NEWER_HOOK}\n")
    guest.succeed(["dpkg-deb", "--root-owner-group", "--build", str(tree), str(workspace / "newer.deb")])
    return workspace / "newer.deb"


@pytest.fixture
def outdated(workspace: Path, kernel: kernels.Kernel, deb: Path, newer_deb: Path) -> Iterator[Guest]:
    """Like `product`; its second disk is a newer package, padded to sectors."""
    found = Guest(workspace, kernel, guest.image(kernel, deb), extra=[guest.as_disk(newer_deb, workspace)])
    with found.machine:
        yield found


def test_an_upgrade(outdated: Guest, newer_deb: Path, figures: dict[str, object]) -> None:
    outdated.boot()
    # Debian builds an initrd for each kernel in /boot.
    outdated.run("touch /boot/vmlinuz-$(uname -r)")
    outdated.run("echo '# mine' >> /etc/impermanence/config.toml")
    outdated.run("printf '[archive]\\nkeep-min = 7\\n' > /etc/impermanence/config.d/mine.toml")
    outdated.run("impermanence setup && systemctl enable impermanence-prune.timer")
    outdated.open_top()
    kept = f"{TOP}/.impermanence/rollback.env $(find /etc/impermanence -type f | sort)"
    before = outdated.run(f"sha256sum {kept}").output
    assert before.count("\n") == 3
    daemon = "systemctl show --value --property MainPID impermanenced.service"
    pid = outdated.run(daemon).output

    outdated.run(f"head -c {newer_deb.stat().st_size} /dev/vdb > /tmp/newer.deb")
    upgraded = outdated.run("DEBIAN_FRONTEND=noninteractive dpkg --install /tmp/newer.deb", timeout=900)
    figures["dpkg --install of a newer one, with an initrd, seconds (emulated)"] = round(upgraded.seconds, 1)
    shown = outdated.run("dpkg-query --show --showformat '${Version} ${Status}' impermanenced").output
    assert shown == f"{NEWER} install ok installed"
    assert outdated.run(f"sha256sum {kept}").output == before
    assert outdated.run("systemctl is-active impermanenced.service").output == "active\n"
    assert outdated.run(daemon).output != pid
    assert outdated.run("systemctl is-enabled impermanence-prune.timer").output == "enabled\n"
    image = "/boot/initrd.img-$(uname -r)"
    generator = f"$(lsinitrd {image} | grep -o '[^ ]*/impermanence-device-generator')"
    hook = f"lsinitrd -f {generator} {image}"
    assert outdated.run(f"{hook} | tail -n 1", timeout=300).output == NEWER_HOOK + "\n"
    assert outdated.run("systemctl is-system-running --wait", timeout=300).output == "running\n"
    outdated.run("impermanence status --json", timeout=120)
